import type { RandomBytes } from '../../lib/ids.ts';

export interface BackOff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * How long to wait after so many failed attempts (from 1): doubled each time up to `longestMs`, and of that a random part
 * between a half and the whole, so that what failed together does not return together. A receiver that asks for more time
 * gets it, up to `longestMs`.
 */
export function backOffMs(
  { firstMs, longestMs }: BackOff,
  failures: number,
  askedMs: number | null,
  random: RandomBytes,
): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30));
  const jittered = whole / 2 + (whole / 2) * (random(4).readUInt32BE() / 2 ** 32);
  return Math.round(Math.max(jittered, Math.min(askedMs ?? 0, longestMs)));
}
