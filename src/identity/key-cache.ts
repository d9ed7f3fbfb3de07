import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet } from 'jose';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { IssuerKeys, KeyHint } from './keys.ts';

export interface KeyCacheDeps {
  /** Fetches the key set anew. Bounds its own time; a rejection is an outage. */
  readonly load: () => Promise<JSONWebKeySet>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KeyCacheOptions {
  /** For messages: the issuer, as configured. */
  readonly issuer: string;
  /** Keys younger than this are used as they are; older ones are renewed while they serve. Milliseconds. */
  readonly freshMs: number;
  /** Keys older than this are not used any more: from here on an unreachable issuer is a fault. Milliseconds. */
  readonly staleMs: number;
  /** A token with an unknown key asks for the key set again, but not sooner than this after the last answer. Milliseconds. */
  readonly coolDownMs: number;
}

/** Wait after a failed load: doubles from the first to the last, so that a sick issuer is neither hammered nor forgotten. */
const retryMs = { first: 500, last: 30_000 } as const;

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * Keeps one issuer's keys: follows rotation (an unknown `kid` loads anew, with a cool-down so that made-up ids cannot
 * drive traffic to the issuer), outlives short outages, and recovers without help. Ages are counted on the monotonic
 * clock, so that a step of the wall clock neither expires nor revives a key. One load at a time.
 */
export function createKeyCache(deps: KeyCacheDeps, options: KeyCacheOptions): IssuerKeys {
  const { load, clock, log } = deps;
  let held: { readonly keys: KeySet; readonly atMs: number } | null = null;
  let failures = 0;
  let lastAttemptMs = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | null = null;

  const monoMs = (): number => Number(clock.monoNs() / 1_000_000n);

  const renew = async (): Promise<void> => {
    try {
      const keys = createLocalJWKSet(usable(await load(), options.issuer, log));
      held = { keys, atMs: monoMs() };
      if (failures > 0) log.info('issuer keys are back', { origin: options.issuer });
      failures = 0;
    } catch (error) {
      failures += 1;
      log.warn('issuer keys could not be loaded', { origin: options.issuer, reason: describe(error), count: failures });
    } finally {
      lastAttemptMs = monoMs();
      loading = null;
    }
  };
  /** Joins the load under way, or starts one unless the last attempt is too recent. */
  const renewal = (): Promise<void> | null => {
    const pauseMs = failures === 0 ? 0 : Math.min(retryMs.last, retryMs.first * 2 ** (failures - 1));
    if (loading === null && monoMs() - lastAttemptMs >= pauseMs) loading = renew();
    return loading;
  };

  return {
    async candidates(hint, signal) {
      const unavailable = () => new Fault('identity_unavailable', `no keys of issuer ${options.issuer}`);
      if (held === null || monoMs() - held.atMs >= options.staleMs) {
        await untilAborted(renewal(), signal);
        if (held === null || monoMs() - held.atMs >= options.staleMs) throw unavailable();
      } else if (monoMs() - held.atMs >= options.freshMs) {
        void renewal();
      }
      const known = await match(held.keys, hint);
      if (known.length > 0) return known;
      if (failures === 0 && monoMs() - lastAttemptMs < options.coolDownMs) return [];
      await untilAborted(renewal(), signal);
      // Whether the key exists cannot be said while the issuer does not answer: a fault, not the caller's mistake.
      if (failures > 0) throw unavailable();
      return match(held.keys, hint);
    },
  };
}

async function match(keys: KeySet, hint: KeyHint): Promise<readonly CryptoKey[]> {
  try {
    return [await keys(hint.kid === undefined ? { alg: hint.alg } : { alg: hint.alg, kid: hint.kid })];
  } catch (error) {
    // No such key, or one that does not import (a point off its curve): a key that cannot verify is no key.
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return [];
    const found: CryptoKey[] = [];
    for await (const key of error) {
      found.push(key);
      if (found.length === limits.keyCandidatesMax) break;
    }
    return found;
  }
}

/**
 * Only public keys that may verify a signature: symmetric and private keys, encryption keys and RSA below 2048 bits
 * (RFC 7518 section 3.3) are left out, so that a token that names one is answered with `unknown_key`.
 */
function usable(set: JSONWebKeySet, issuer: string, log: Log): JSONWebKeySet {
  if (typeof set !== 'object' || set === null || !Array.isArray(set.keys)) throw new Error('not a JSON Web Key Set');
  if (set.keys.length > limits.jwksKeysMax) throw new Error(`more than ${limits.jwksKeysMax} keys`);
  const keys = set.keys.filter((key) => {
    if (typeof key !== 'object' || key === null || 'd' in key || 'k' in key) return false;
    if (key.use !== undefined && key.use !== 'sig') return false;
    if (key.kty !== 'RSA') return key.kty === 'EC' || key.kty === 'OKP';
    return typeof key.n === 'string' && Buffer.from(key.n, 'base64url').length >= 256;
  });
  if (keys.length < set.keys.length) {
    log.warn('issuer keys left out', { origin: issuer, count: set.keys.length - keys.length });
  }
  if (keys.length === 0) throw new Error('no usable signature key');
  return { keys };
}

/** Waits for a shared load without owning it: one caller's abort ends only that caller's wait. */
async function untilAborted(load: Promise<void> | null, signal: AbortSignal): Promise<void> {
  if (load === null) return;
  if (signal.aborted) throw new Fault('identity_unavailable', 'cancelled while waiting for issuer keys');
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new Fault('identity_unavailable', 'cancelled while waiting for issuer keys'));
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([load, aborted]);
  } finally {
    if (abort) signal.removeEventListener('abort', abort);
  }
}

/** `fetch failed` says nothing; its cause (`connect ECONNREFUSED 127.0.0.1:80`) does. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
