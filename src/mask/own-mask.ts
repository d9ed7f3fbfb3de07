import { type Minter, maskCharsMax } from './placeholder.ts';

/**
 * Whether `[start, end)` of the text lies inside of a mask that was written before: such a finding is left alone, so that masking a
 * masked text changes nothing; or is a value that the minter keeps. `open`: the mask may go on beyond the end of a text that still grows, ask again with more of it.
 * Reads at most `maskCharsMax` characters either side.
 */
export function isOwnMask(
  text: string,
  start: number,
  end: number,
  isWhole: boolean,
  minter: Minter,
): 'ours' | 'other' | 'open' {
  if (end - start > maskCharsMax) return 'other';
  if (minter.keeps(text.slice(start, end))) return 'ours';
  let to = start;
  while (to - start < maskCharsMax && isMaskCode(text.charCodeAt(to))) to++;
  if (to < end) return 'other';
  if (to === text.length && to - start < maskCharsMax && !isWhole) return 'open';
  let from = start;
  while (from > 0 && to - from < 2 * maskCharsMax && isMaskCode(text.charCodeAt(from - 1))) from--;
  return minter.covers(text.slice(from, to), start - from, end - from) ? 'ours' : 'other';
}

/** `[0-9A-Z_]`; false for NaN, which `charCodeAt` gives outside of the text. */
function isMaskCode(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}
