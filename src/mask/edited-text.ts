import { invariant } from '../lib/invariant.ts';
import { createTextWindow } from './text-window.ts';

/** A growing text, the replacements decided in it, and how far it has gone out. Offsets count from its start. */
export interface EditedText {
  append(piece: string): void;
  /** Characters appended so far. */
  length(): number;
  /** Where the last edit ends. */
  edited(): number;
  /** `[start, end)` as it came, for text that is not yet taken. */
  slice(start: number, end: number): string;
  /**
   * Puts `replacement` where `start` is and nothing for the rest up to `end`. Edits come in order and do not overlap. What was
   * taken already cannot be called back: the edit then begins where the reading head is.
   */
  edit(start: number, end: number, replacement: string): void;
  /**
   * The next range, from where the last one ended up to `to`, with its edits; null when it has none. A replacement stands where
   * its edit starts, so a value that lies in two ranges leaves '' in the second.
   */
  take(to: number): string | null;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

export function createEditedText(): EditedText {
  const window = createTextWindow();
  let taken = 0;
  let edited = 0;
  let edits: Edit[] = [];

  return {
    append: window.append,
    length: window.length,
    edited: () => edited,
    slice: window.slice,
    edit: (start, end, replacement) => {
      const from = Math.max(start, taken);
      invariant(from >= edited && end >= from, 'edits come in order and change nothing that was taken');
      edits.push({ start: from, end, replacement });
      edited = end;
    },
    take: (to) => {
      invariant(to >= taken && to <= window.length(), 'ranges are taken in order');
      const from = taken;
      const first = edits[0];
      taken = to;
      if (first === undefined || first.start >= to) {
        window.forget(to);
        return null;
      }
      let out = '';
      let at = from;
      let done = 0;
      for (const edit of edits) {
        if (edit.start >= to) break;
        if (edit.start >= from) out += window.slice(at, edit.start) + edit.replacement;
        at = Math.min(edit.end, to);
        if (edit.end <= to) done++;
      }
      if (done > 0) edits = edits.slice(done);
      out += window.slice(at, to);
      window.forget(to);
      return out;
    },
  };
}
