import type { Clock } from '../lib/clock.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { Subject } from './subject.ts';

/** When a verified token holds, wall clock, milliseconds. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly expiresMs: number;
}

/**
 * Remembers who a verified token stands for, so that a caller's next request costs one hash. Bounded, least recently
 * used goes first. An entry is never used after `ttlMs` (a withdrawn key stops working by then), at or after the token's
 * `exp`, or before its `nbf`, however the clock is moved. Only digests of tokens are kept.
 */
export interface TokenCache {
  get(token: string): Subject | null;
  put(token: string, subject: Subject, validity: Validity): void;
}

interface Entry extends Validity {
  readonly subject: Subject;
  readonly untilMonoNs: bigint;
}

export function createTokenCache(
  deps: { readonly clock: Clock },
  options: { readonly ttlMs: number; readonly entriesMax: number },
): TokenCache {
  const { clock } = deps;
  const entries = new Map<string, Entry>();
  const ttlNs = BigInt(options.ttlMs) * 1_000_000n;
  return {
    get(token) {
      const key = sha256Hex(token);
      const entry = entries.get(key);
      if (entry === undefined) return null;
      entries.delete(key);
      const now = clock.nowMs();
      if (clock.monoNs() >= entry.untilMonoNs || now >= entry.expiresMs || now < entry.notBeforeMs) return null;
      entries.set(key, entry);
      return entry.subject;
    },
    put(token, subject, validity) {
      if (options.entriesMax === 0 || clock.nowMs() >= validity.expiresMs) return;
      const key = sha256Hex(token);
      entries.delete(key);
      entries.set(key, { ...validity, subject, untilMonoNs: clock.monoNs() + ttlNs });
      const oldest = entries.keys().next();
      if (entries.size > options.entriesMax && !oldest.done) entries.delete(oldest.value);
    },
  };
}
