import { invariant } from '../lib/invariant.ts';
import { maskCharsMax } from './placeholder.ts';

/** A growing text of which only the end is kept. Offsets count from its start. */
export interface TextWindow {
  append(piece: string): void;
  /** Characters appended so far. */
  length(): number;
  /** Offset of the first character that is still kept. */
  base(): number;
  /** What is kept. */
  text(): string;
  /** `[start, end)`; a broken invariant when it is no longer kept. */
  slice(start: number, end: number): string;
  /** Lets go of what lies before `offset`, but for `contextChars`. */
  forget(offset: number): void;
}

/**
 * What is kept behind an offset that was let go: the whole of a mask that a finding may lie in with its left neighbour, and
 * enough to find a value again whose first part went out when its text was closed too early.
 */
export const contextChars: number = Math.max(256, maskCharsMax + 2);
/** Text is cut when this much of it is dead: seldom enough to cost nothing, often enough to stay small. */
const deadCharsMax = 2048;

export function createTextWindow(): TextWindow {
  let kept = '';
  let base = 0;
  return {
    append: (piece) => {
      kept += piece;
    },
    length: () => base + kept.length,
    base: () => base,
    text: () => kept,
    slice: (start, end) => {
      invariant(start >= base, 'text is kept until it is decided and taken');
      return kept.slice(start - base, end - base);
    },
    forget: (offset) => {
      const dead = offset - contextChars - base;
      if (dead < deadCharsMax) return;
      kept = kept.slice(dead);
      base += dead;
    },
  };
}
