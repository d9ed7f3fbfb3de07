import { readFile, stat } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import type { Clock } from '../lib/clock.ts';
import { limits } from '../lib/limits.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { createKeyCache } from './key-cache.ts';
import type { IssuerKeys, JwksOptions } from './keys.ts';

/** The keys of one issuer from a file or over HTTP. Redirects are not followed and answers are bounded in size. */
export function createJwks(deps: { readonly clock: Clock; readonly log: Log }, options: JwksOptions): IssuerKeys {
  return createKeyCache({ ...deps, load: () => loadKeys(options) }, options);
}

async function loadKeys({ issuer, source, timeoutMs }: JwksOptions): Promise<JSONWebKeySet> {
  switch (source.kind) {
    case 'file':
      return asKeySet(JSON.parse(await readBounded(source.path)));
    case 'url':
      return asKeySet(await fetchJson(source.url, timeoutMs));
    case 'discovery': {
      const metadata = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, timeoutMs);
      // Section 4.3: the metadata must name the very issuer it was asked for.
      if (member(metadata, 'issuer') !== issuer) throw new Error('metadata names another issuer');
      const uri = member(metadata, 'jwks_uri');
      if (typeof uri !== 'string') throw new Error('metadata has no jwks_uri');
      if (issuer.startsWith('https:') && !uri.startsWith('https:')) throw new Error('metadata has no https jwks_uri');
      return asKeySet(await fetchJson(uri, timeoutMs));
    }
  }
}

async function readBounded(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > limits.jwksBytesMax) throw new Error(`${path} is larger than ${limits.jwksBytesMax} bytes`);
  return readFile(path, 'utf8');
}

async function fetchJson(url: string, timeoutMs: number): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body) {
    size += piece.byteLength;
    if (size > limits.jwksBytesMax) throw new Error(`${url} answered more than ${limits.jwksBytesMax} bytes`);
    pieces.push(piece);
  }
  return JSON.parse(Buffer.concat(pieces).toString('utf8'));
}

function asKeySet(value: unknown): JSONWebKeySet {
  const keys = member(value, 'keys');
  if (!Array.isArray(keys)) throw new Error('not a JSON Web Key Set');
  return { keys };
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
