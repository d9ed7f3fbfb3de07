import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JSONWebKeySet } from 'jose';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createJwks } from '../../../src/identity/jwks.ts';
import type { IssuerKeys, JwksOptions } from '../../../src/identity/keys.ts';
import { Fault } from '../../../src/lib/fault.ts';
import type { LogFields } from '../../../src/telemetry/telemetry.ts';
import { createSigningKey, type SigningKey } from '../../support/issuer.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const issuer = 'https://idp.example.com';

let first: SigningKey;
let second: SigningKey;
let rsa: SigningKey;
beforeAll(async () => {
  [first, second, rsa] = await Promise.all([
    createSigningKey('k-1', 'ES256'),
    createSigningKey('k-2', 'ES256'),
    createSigningKey('r-1', 'RS256'),
  ]);
});

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** An issuer's web server: answers what it is told, counts what it is asked, can be away. */
async function serve(answer: { status?: number; headers?: Record<string, string>; body: string | (() => string) }) {
  const state = { requests: 0, paths: [] as string[], answer };
  const listen = (port: number) =>
    new Promise<Server>((resolve) => {
      const server = createServer((request, response) => {
        state.requests += 1;
        state.paths.push(request.url ?? '');
        const { status = 200, headers = {}, body } = state.answer;
        response.writeHead(status, { connection: 'close', ...headers });
        response.end(typeof body === 'string' ? body : body());
      });
      server.listen(port, '127.0.0.1', () => resolve(server));
    });
  let server: Server | null = await listen(0);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const stop = async (): Promise<void> => {
    const running = server;
    server = null;
    running?.closeAllConnections();
    await new Promise<void>((resolve) => (running === null ? resolve() : running.close(() => resolve())));
  };
  closers.push(stop);
  return {
    state,
    url: `http://127.0.0.1:${port}`,
    stop,
    start: async () => {
      server = await listen(port);
    },
  };
}

function keysFrom(source: JwksOptions['source'], changes: Partial<JwksOptions> = {}) {
  const clock = createManualClock();
  const logged: { event: string; fields: LogFields | undefined }[] = [];
  const note = (event: string, fields?: LogFields) => void logged.push({ event, fields });
  const keys = createJwks(
    { clock, log: { debug: note, info: note, warn: note, error: note } },
    { issuer, source, freshMs: 600_000, staleMs: 3_600_000, coolDownMs: 30_000, timeoutMs: 2_000, ...changes },
  );
  return { keys, clock, logged };
}

async function outcome(keys: IssuerKeys, kid: string | undefined, alg = 'ES256'): Promise<number | string> {
  try {
    return (await keys.candidates({ alg, kid }, new AbortController().signal)).length;
  } catch (thrown) {
    return Fault.from(thrown).code;
  }
}

const setOf = (...keys: readonly SigningKey[]): string => JSON.stringify({ keys: keys.map((key) => key.publicJwk) });

describe('keys over HTTP', () => {
  test('are fetched once and kept', async () => {
    const { url, state } = await serve({ body: setOf(first, rsa) });
    const { keys } = keysFrom({ kind: 'url', url });
    const found = await Promise.all([outcome(keys, 'k-1'), outcome(keys, 'k-1'), outcome(keys, 'r-1', 'RS256')]);
    expect({ found, requests: state.requests }).toEqual({ found: [1, 1, 1], requests: 1 });
  });

  test('rotate: a new key is found, but not sooner than the cool-down', async () => {
    const { url, state } = await serve({ body: setOf(first) });
    const { keys, clock } = keysFrom({ kind: 'url', url });
    expect(await outcome(keys, 'k-1')).toBe(1);
    state.answer = { body: setOf(second) };
    expect(await outcome(keys, 'k-2')).toBe(0);
    clock.advance(29_999);
    expect(await outcome(keys, 'k-2')).toBe(0);
    expect(state.requests).toBe(1);
    clock.advance(1);
    expect(await outcome(keys, 'k-2')).toBe(1);
    // The key that the issuer has withdrawn is gone with it.
    expect(await outcome(keys, 'k-1')).toBe(0);
    expect(state.requests).toBe(2);
  });

  test('a thousand made-up ids cost one request', async () => {
    const { url, state } = await serve({ body: setOf(first) });
    const { keys, clock } = keysFrom({ kind: 'url', url });
    await outcome(keys, 'k-1');
    clock.advance(30_000);
    const found = await Promise.all(Array.from({ length: 1_000 }, (_, at) => outcome(keys, `made-up-${at}`)));
    expect({ found: new Set(found), requests: state.requests }).toEqual({ found: new Set([0]), requests: 2 });
  });

  test('the issuer is down at first and comes back: recovery by itself, without hammering', async () => {
    const server = await serve({ body: setOf(first) });
    await server.stop();
    const { keys, clock, logged } = keysFrom({ kind: 'url', url: server.url });
    expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
    await server.start();
    // Within the pause nobody asks again.
    expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
    expect(server.state.requests).toBe(0);
    clock.advance(500);
    expect(await outcome(keys, 'k-1')).toBe(1);
    expect(logged.map(({ event }) => event)).toEqual(['issuer keys could not be loaded', 'issuer keys are back']);
    expect(logged[0]?.fields?.reason).toContain('ECONNREFUSED');
  });

  test('pauses between failures double up to half a minute', async () => {
    const { url, state } = await serve({ status: 500, body: '' });
    const { keys, clock } = keysFrom({ kind: 'url', url });
    const asked: number[] = [];
    for (let second = 0; second < 120; second += 1) {
      const before = state.requests;
      expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
      if (state.requests > before) asked.push(second);
      clock.advance(1_000);
    }
    expect(asked).toEqual([0, 1, 2, 4, 8, 16, 32, 62, 92]);
  });

  test('an outage is outlived for as long as keys may be stale', async () => {
    const server = await serve({ body: setOf(first) });
    const { keys, clock } = keysFrom({ kind: 'url', url: server.url });
    expect(await outcome(keys, 'k-1')).toBe(1);
    await server.stop();
    clock.advance(3_599_999);
    expect(await outcome(keys, 'k-1')).toBe(1);
    clock.advance(1);
    expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
    await server.start();
    clock.advance(60_000);
    expect(await outcome(keys, 'k-1')).toBe(1);
  });

  test('keys that are no longer fresh serve while they are renewed', async () => {
    const { url, state } = await serve({ body: setOf(first) });
    const { keys, clock } = keysFrom({ kind: 'url', url });
    await outcome(keys, 'k-1');
    clock.advance(600_000);
    state.answer = { body: setOf(second) };
    expect(await outcome(keys, 'k-1')).toBe(1);
    // The renewal was started by the call above; the next unknown key waits for it.
    expect(await outcome(keys, 'k-2')).toBe(1);
    expect(state.requests).toBe(2);
  });

  test('an unknown key while the issuer is away is a fault: it may be a new one', async () => {
    const server = await serve({ body: setOf(first) });
    const { keys, clock } = keysFrom({ kind: 'url', url: server.url });
    await outcome(keys, 'k-1');
    await server.stop();
    clock.advance(30_000);
    expect(await outcome(keys, 'k-2')).toBe('identity_unavailable');
    expect(await outcome(keys, 'k-1')).toBe(1);
  });

  test('a step of the wall clock changes nothing', async () => {
    const { url, state } = await serve({ body: setOf(first) });
    const { keys, clock } = keysFrom({ kind: 'url', url });
    await outcome(keys, 'k-1');
    clock.step(365 * 86_400_000);
    expect(await outcome(keys, 'k-1')).toBe(1);
    clock.step(-2 * 365 * 86_400_000);
    expect(await outcome(keys, 'k-1')).toBe(1);
    expect(state.requests).toBe(1);
  });

  test('one caller who gives up does not end the wait of the others', async () => {
    const { url } = await serve({ body: setOf(first) });
    const { keys } = keysFrom({ kind: 'url', url });
    const controller = new AbortController();
    const impatient = keys
      .candidates({ alg: 'ES256', kid: 'k-1' }, controller.signal)
      .catch((thrown: unknown) => thrown);
    const patient = outcome(keys, 'k-1');
    controller.abort();
    expect(Fault.from(await impatient).code).toBe('identity_unavailable');
    expect(await patient).toBe(1);
  });

  test.each([
    { name: 'an error status', answer: { status: 503, body: '' } },
    { name: 'a redirect', answer: { status: 302, headers: { location: 'http://127.0.0.1:9/' }, body: '' } },
    { name: 'no JSON', answer: { body: '<html>' } },
    { name: 'no key set', answer: { body: '{"keys":1}' } },
    { name: 'a list', answer: { body: '[]' } },
    { name: 'no keys', answer: { body: '{"keys":[]}' } },
    { name: 'too large', answer: { body: () => `{"keys":[],"pad":"${'x'.repeat(1_048_576)}"}` } },
    { name: 'too many keys', answer: { body: () => JSON.stringify({ keys: Array(101).fill(first.publicJwk) }) } },
  ])('an answer that is no use is an outage: $name', async ({ answer }) => {
    const { url } = await serve(answer);
    const { keys } = keysFrom({ kind: 'url', url });
    expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
  });
});

describe('keys that are left out', () => {
  const weak = Buffer.alloc(128, 0xff).toString('base64url');
  test.each([
    { name: 'a private key', key: async () => ({ ...(await first.exportPrivate()) }) },
    { name: 'a symmetric key', key: async () => ({ kty: 'oct', k: 'c2VjcmV0', kid: 'k-1', alg: 'ES256' }) },
    { name: 'an encryption key', key: async () => ({ ...first.publicJwk, use: 'enc' }) },
    { name: 'a short RSA key', key: async () => ({ kty: 'RSA', n: weak, e: 'AQAB', kid: 'k-1', alg: 'RS256' }) },
    { name: 'a key of an unknown kind', key: async () => ({ kty: 'XX', kid: 'k-1' }) },
    { name: 'no key at all', key: async () => null },
  ])('$name', async ({ key }) => {
    const { url } = await serve({ body: JSON.stringify({ keys: [await key(), second.publicJwk] }) });
    const { keys, logged } = keysFrom({ kind: 'url', url });
    expect([await outcome(keys, 'k-1'), await outcome(keys, 'k-1', 'RS256'), await outcome(keys, 'k-2')]).toEqual([
      0, 0, 1,
    ]);
    expect(logged).toEqual([{ event: 'issuer keys left out', fields: { origin: issuer, count: 1 } }]);
  });

  test('a key that does not import is no key', async () => {
    const off = { ...first.publicJwk, x: second.publicJwk.x, kid: 'k-off' };
    const { url } = await serve({ body: JSON.stringify({ keys: [off, second.publicJwk] }) });
    const { keys } = keysFrom({ kind: 'url', url });
    expect([await outcome(keys, 'k-off'), await outcome(keys, 'k-2')]).toEqual([0, 1]);
  });

  test('of many keys that fit a token without a kid, only some are tried', async () => {
    const many: JSONWebKeySet = {
      keys: Array.from({ length: 10 }, (_, at) => ({ ...first.publicJwk, kid: `k-${at}` })),
    };
    const { url } = await serve({ body: JSON.stringify(many) });
    const { keys } = keysFrom({ kind: 'url', url });
    expect(await outcome(keys, undefined)).toBe(4);
  });
});

describe('keys by discovery', () => {
  test('are where the issuer says', async () => {
    const server = await serve({ body: '' });
    const name = `${server.url}/realm/`;
    server.state.answer = {
      body: () =>
        server.state.paths.at(-1) === '/keys'
          ? setOf(first)
          : JSON.stringify({ issuer: name, jwks_uri: `${server.url}/keys` }),
    };
    const { keys } = keysFrom({ kind: 'discovery' }, { issuer: name });
    expect(await outcome(keys, 'k-1')).toBe(1);
    expect(server.state.paths).toEqual(['/realm/.well-known/openid-configuration', '/keys']);
  });

  test.each([
    { name: 'of another issuer', metadata: { issuer: 'https://evil.example', jwks_uri: 'http://127.0.0.1:9/' } },
    { name: 'without keys', metadata: {} },
  ])('metadata $name is an outage', async ({ metadata }) => {
    const server = await serve({ body: '' });
    server.state.answer = { body: JSON.stringify({ issuer: server.url, ...metadata }) };
    const { keys } = keysFrom({ kind: 'discovery' }, { issuer: server.url });
    expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
  });
});

describe('keys from a file', () => {
  test('are read anew when they are no longer fresh, and an unreadable file is an outage', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-jwks-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'jwks.json');
    const { keys, clock } = keysFrom({ kind: 'file', path });
    expect(await outcome(keys, 'k-1')).toBe('identity_unavailable');
    writeFileSync(path, setOf(first));
    clock.advance(1_000);
    expect(await outcome(keys, 'k-1')).toBe(1);
    writeFileSync(path, setOf(second));
    clock.advance(30_000);
    expect(await outcome(keys, 'k-2')).toBe(1);
    writeFileSync(path, ' '.repeat(1_048_577));
    clock.advance(3_600_000);
    expect(await outcome(keys, 'k-2')).toBe('identity_unavailable');
  });
});
