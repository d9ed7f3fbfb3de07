import type { RandomBytes } from '../../lib/ids.ts';

/** First upper bound, and the last. */
export const backOffBaseMs = 500;
export const backOffMaxMs = 60_000;

/**
 * Exponential back-off with full jitter: anything from 0 to 500 ms · 2^attempt, at most a minute, so that many senders do
 * not come back at once. A receiver's own wish (`Retry-After`) is the least, up to the same minute.
 */
export function backOffMs(attempt: number, wishedMs: number | null, random: RandomBytes): number {
  const bound = Math.min(backOffMaxMs, backOffBaseMs * 2 ** Math.min(attempt, 16));
  const drawn = (random(4).readUInt32LE(0) / 2 ** 32) * bound;
  return Math.min(backOffMaxMs, Math.max(drawn, wishedMs ?? 0));
}
