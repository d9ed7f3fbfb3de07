import { invariant } from '../lib/invariant.ts';
import type { Restorable } from './restorables.ts';

/** A known placeholder in a text. Offsets in UTF-16 code units, end exclusive. */
export interface FoundPlaceholder extends Restorable {
  readonly start: number;
  readonly end: number;
}

/** Finds the placeholders of a closed set, each only as a word of its own: one that was altered or is part of a longer word is none. */
export interface PlaceholderFinder {
  /** All in a whole text, in order. */
  all(text: string): readonly FoundPlaceholder[];
  /** For one running text that comes in pieces. Any cutting yields what `all` yields on the whole. */
  openReader(): PlaceholderReader;
}

/** Offsets count from the start of the running text. */
export interface PlaceholderReader {
  /** Takes the next piece; returns what is newly found, in order. */
  push(piece: string): readonly FoundPlaceholder[];
  /** No more text will come (as far as is known); text that comes nevertheless is read on from there. */
  close(): readonly FoundPlaceholder[];
  /** Every character before this offset is part of a placeholder that was returned, or of none, whatever comes. */
  decided(): number;
}

export function createPlaceholderFinder(restorables: readonly Restorable[]): PlaceholderFinder {
  // No placeholder is the beginning of another (placeholder.ts), so among sorted ones each text has one candidate.
  const sorted = [...restorables].sort((a, b) => (a.placeholder < b.placeholder ? -1 : 1));
  const charactersMax = sorted.reduce((most, { placeholder }) => Math.max(most, placeholder.length), 0);

  /** How many of them sort before the text, or are it. */
  function rank(text: string): number {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle]?.placeholder ?? '') <= text) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Reads `text` from its beginning: what is in it, and up to where that is certain. `before` is the character in front of it. */
  function read(text: string, before: string, isWhole: boolean): { found: FoundPlaceholder[]; decided: number } {
    const found: FoundPlaceholder[] = [];
    const beginning = /[A-Z]/g;
    for (let match = beginning.exec(text); match !== null; match = beginning.exec(text)) {
      const start = match.index;
      if (isWordCode(start === 0 ? before.charCodeAt(0) : text.charCodeAt(start - 1))) continue;
      const rest = text.slice(start, start + charactersMax);
      const candidate = sorted[rank(rest) - 1];
      if (candidate !== undefined && rest.startsWith(candidate.placeholder)) {
        const end = start + candidate.placeholder.length;
        if (end === text.length && !isWhole) return { found, decided: start };
        if (isWordCode(text.charCodeAt(end))) continue;
        found.push({ ...candidate, start, end });
        beginning.lastIndex = end;
      } else if (!isWhole && start + rest.length === text.length) {
        // What sorts next is what goes on from here, if anything does.
        if (sorted[rank(rest)]?.placeholder.startsWith(rest)) return { found, decided: start };
      }
    }
    return { found, decided: text.length };
  }

  return {
    all: (text) => read(text, '', true).found,
    openReader: () => {
      let base = 0;
      let before = '';
      let rest = '';
      const advance = (isWhole: boolean): readonly FoundPlaceholder[] => {
        const from = base;
        const { found, decided } = read(rest, before, isWhole);
        invariant(!isWhole || decided === rest.length, 'a whole text is decided');
        if (decided > 0) before = rest.charAt(decided - 1);
        rest = rest.slice(decided);
        base += decided;
        return found.map((one) => ({ ...one, start: one.start + from, end: one.end + from }));
      };
      return {
        push: (piece) => {
          rest += piece;
          return advance(false);
        },
        close: () => advance(true),
        decided: () => base,
      };
    },
  };
}

/** `[0-9A-Za-z_]`; false for NaN, which `charCodeAt` gives outside of the text. */
function isWordCode(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || (code >= 0x61 && code <= 0x7a)
  );
}
