import type { Sliced } from '../lib/slices.ts';
import { createDecider, type Masking } from './decider.ts';
import { createEditedText } from './edited-text.ts';
import { turnChars } from './scan-in-turns.ts';

/** Masks one running text that comes in pieces and goes out in ranges. Offsets count from its start, as it came. */
export interface StreamMasker {
  push(piece: string): void;
  /** No more of it will come: everything is decided. Should more come after all, it is masked with what came before in view. */
  close(): void;
  /** Characters pushed so far. */
  length(): number;
  /** What lies before this offset may be taken: nothing that comes later changes it. Never goes back. */
  decided(): number;
  /**
   * The next range, from where the last one ended up to `to` (at most `decided`), masked; null when it goes out as it came. A
   * replacement stands where its value starts; the rest of the value, also in the following ranges, renders to ''.
   */
  take(to: number): string | null;
  /** What is not decided, as it came; null when that is longer than any word. */
  tail(): string | null;
}

/** Longer undecided ends are never taken for a word of prose. */
export const tailCharsMax = 72;

/** For plain text: any cutting into pieces and ranges yields together what `maskText` yields on the whole. */
export function createTextStreamMasker(masking: Masking, role: string): StreamMasker {
  const text = createEditedText();
  const decider = createDecider(masking, role, text.edit);
  return {
    push: (piece) => {
      text.append(piece);
      decider.push(piece);
    },
    close: decider.close,
    length: text.length,
    decided: decider.decided,
    take: text.take,
    tail: () => {
      const [from, to] = [decider.decided(), text.length()];
      return to - from > tailCharsMax ? null : text.slice(from, to);
    },
  };
}

/** A whole text by a masker that has seen nothing yet, in pieces; the very string that was given when nothing of it changes. */
export function* editingInTurns(masker: StreamMasker, text: string): Sliced<string> {
  for (let at = 0; at < text.length; at += turnChars) {
    masker.push(text.slice(at, at + turnChars));
    yield;
  }
  masker.close();
  return masker.take(text.length) ?? text;
}
