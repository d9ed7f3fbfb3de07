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
  /** No more text will come (as far as is known); text that comes nevertheless begins anew there. */
  close(): readonly FoundPlaceholder[];
  /** Every character before this offset is part of a placeholder that was returned, or of none, whatever comes. */
  decided(): number;
}

export function createPlaceholderFinder(restorables: readonly Restorable[]): PlaceholderFinder {
  const known = new Map(restorables.map((one) => [one.placeholder, one]));
  const sorted = [...known.keys()].sort();
  const firsts = new Set(sorted.map((placeholder) => placeholder.charCodeAt(0)));
  /** Longest first: what stands for an address may be the beginning of what stands for another. */
  const lengths = [...new Set(sorted.map((placeholder) => placeholder.length))].sort((a, b) => b - a);
  const charactersMax = lengths[0] ?? 0;

  /** Whether one of them begins with the text and goes on. */
  function goesOn(text: string): boolean {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? '') <= text) low = middle + 1;
      else high = middle;
    }
    return sorted[low]?.startsWith(text) ?? false;
  }

  /** The longest that stands at `start` and is not the beginning of a longer word. */
  function at(text: string, start: number): FoundPlaceholder | null {
    for (const length of lengths) {
      const end = start + length;
      if (end > text.length) continue;
      const candidate = known.get(text.slice(start, end));
      if (candidate !== undefined && !isWordCode(text.charCodeAt(end))) return { ...candidate, start, end };
    }
    return null;
  }

  /** Reads `text` from its beginning: what is in it, and up to where that is certain. `before` is the character in front of it. */
  function read(text: string, before: string, isWhole: boolean): { found: FoundPlaceholder[]; decided: number } {
    const found: FoundPlaceholder[] = [];
    for (let start = 0; start < text.length; start++) {
      if (!firsts.has(text.charCodeAt(start))) continue;
      if (isWordCode(start === 0 ? before.charCodeAt(0) : text.charCodeAt(start - 1))) continue;
      const rest = text.slice(start, start + charactersMax);
      // What the end of the text cuts off may be one, or one more, or none.
      const isOpen = !isWhole && start + rest.length === text.length && (known.has(rest) || goesOn(rest));
      if (isOpen) return { found, decided: start };
      const here = at(text, start);
      if (here === null) continue;
      found.push(here);
      start = here.end - 1;
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
        close: () => {
          const found = advance(true);
          // What comes nevertheless is most likely another text under the same name.
          before = '';
          return found;
        },
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
