import { type Minter, maskCharsMax } from './placeholder.ts';

/**
 * Whether `[start, end)` of the text lies inside a word that masking wrote itself: such a finding is left alone, so that masking
 * a masked text changes nothing. `open`: the word touches the end of a text that still grows, ask again with more of it.
 * Words are runs of `[A-Za-z0-9_]`; one longer than any mask is never ours. Reads at most `maskCharsMax` characters either side.
 */
export function isOwnMask(
  text: string,
  start: number,
  end: number,
  isWhole: boolean,
  minter: Minter,
): 'ours' | 'other' | 'open' {
  if (end - start > maskCharsMax) return 'other';
  for (let i = start; i < end; i++) {
    if (!isWordCode(text.charCodeAt(i))) return 'other';
  }
  let from = start;
  while (from > 0 && start - from <= maskCharsMax && isWordCode(text.charCodeAt(from - 1))) from--;
  let to = end;
  while (to < text.length && to - from <= maskCharsMax && isWordCode(text.charCodeAt(to))) to++;
  if (to - from > maskCharsMax) return 'other';
  if (to === text.length && !isWhole) return 'open';
  return minter.isOurs(text.slice(from, to)) ? 'ours' : 'other';
}

/** `[0-9A-Za-z_]`; false for NaN, which `charCodeAt` gives outside of the text. */
function isWordCode(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || (code >= 0x61 && code <= 0x7a)
  );
}
