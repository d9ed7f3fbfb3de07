import { jsonString } from '../llm/json-string.ts';
import { createEditedText } from './edited-text.ts';
import { createJsonView } from './json-view.ts';
import type { FoundPlaceholder, PlaceholderFinder } from './placeholder-finder.ts';
import type { Restorer } from './restorables.ts';
import { type StreamMasker, tailCharsMax } from './stream-masker.ts';

/** One whole text with its values put back. The very string that was given when there is nothing to put back. */
export function restoreText(text: string, finder: PlaceholderFinder, restorer: Restorer): string {
  let restored = '';
  let kept = 0;
  for (const found of finder.all(text)) {
    const value = restorer.take(found);
    if (value === null) continue;
    restored += text.slice(kept, found.start) + value;
    kept = found.end;
  }
  return kept === 0 ? text : restored + text.slice(kept);
}

/** For plain text in pieces: any cutting into pieces and ranges yields together what `restoreText` yields on the whole. */
export function createTextStreamRestorer(finder: PlaceholderFinder, restorer: Restorer): StreamMasker {
  const text = createEditedText();
  const reader = finder.openReader();
  const accept = (found: readonly FoundPlaceholder[]): void => {
    for (const one of found) {
      const value = restorer.take(one);
      if (value !== null) text.edit(one.start, one.end, value);
    }
  };
  return {
    push: (piece) => {
      text.append(piece);
      accept(reader.push(piece));
    },
    close: () => accept(reader.close()),
    length: text.length,
    decided: reader.decided,
    take: text.take,
    tail: () => {
      const [from, to] = [reader.decided(), text.length()];
      return to - from > tailCharsMax ? null : text.slice(from, to);
    },
  };
}

/**
 * For text that is a JSON document in pieces (tool-call arguments): placeholders are read un-escaped, and values are written escaped
 * into the strings that they stand in. Outside of strings nothing is put back: so valid JSON stays valid. A string may itself hold
 * JSON: once a quote was seen inside of one, values that would have to be escaped there once more are not put back.
 */
export function createJsonStreamRestorer(finder: PlaceholderFinder, restorer: Restorer): StreamMasker {
  const raw = createEditedText();
  const view = createJsonView();
  const reader = finder.openReader();
  const quotes = createQuoteWatch();
  let decided = 0;

  function accept(found: readonly FoundPlaceholder[]): void {
    for (const one of found) {
      const start = view.rawAt(one.start);
      const end = view.rawAt(one.end);
      const [zone, ...others] = view.zones(start, end);
      if (zone?.kind !== 'string' || others.length > 0) continue;
      const isPlain = jsonString(one.value).length === one.value.length + 2;
      if (!isPlain && quotes.firstAt() < start) continue;
      const value = restorer.take(one);
      if (value !== null) raw.edit(start, end, jsonString(value).slice(1, -1));
    }
    decided = Math.max(decided, view.rawAt(reader.decided()));
  }

  return {
    push: (piece) => {
      raw.append(piece);
      quotes.push(piece);
      accept(reader.push(view.push(piece)));
    },
    close: () => {
      accept(reader.push(view.close()));
      accept(reader.close());
      decided = raw.length();
    },
    length: raw.length,
    decided: () => decided,
    take: (to) => {
      const text = raw.take(to);
      view.forget(to);
      return text;
    },
    tail: () => (raw.length() - decided > tailCharsMax ? null : raw.slice(decided, raw.length())),
  };
}

/** Where the first escaped quote of a JSON text in pieces stands; infinite while there is none. */
function createQuoteWatch(): { push(piece: string): void; firstAt(): number } {
  let length = 0;
  let first = Number.POSITIVE_INFINITY;
  let isEscaped = false;
  return {
    push: (piece) => {
      for (let i = 0; i < piece.length && first === Number.POSITIVE_INFINITY; i++) {
        if (isEscaped && piece[i] === '"') first = length + i;
        isEscaped = !isEscaped && piece[i] === '\\';
      }
      length += piece.length;
    },
    firstAt: () => first,
  };
}

/** A whole JSON text at once, exactly as its pieces would be restored. */
export function restoreJsonText(text: string, finder: PlaceholderFinder, restorer: Restorer): string {
  const whole = createJsonStreamRestorer(finder, restorer);
  whole.push(text);
  whole.close();
  return whole.take(whole.length()) ?? text;
}
