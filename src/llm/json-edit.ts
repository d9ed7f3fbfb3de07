import { invariant } from '../lib/invariant.ts';

/** Puts `source` in place of `text.slice(start, end)`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly source: string;
}

/**
 * `text` with the edits made and everything else as it was. Edits may come in any order; they MUST NOT overlap, except that
 * an edit inside a larger one is dropped (a value that goes away takes what stood in it along).
 */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  const parts: string[] = [];
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (edit.end <= at && edit.start < at) continue;
    invariant(edit.start >= at, 'edits do not overlap');
    parts.push(text.slice(at, edit.start), edit.source);
    at = edit.end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/**
 * The JSON source of a string. Lone surrogates come out as `\udXXX` escapes (well-formed JSON.stringify, ES2019), so that
 * the bytes are always valid UTF-8. `asciiOnly` escapes all that is not ASCII, as the literal that it replaces did.
 */
export function jsonString(text: string, asciiOnly = false): string {
  const literal = JSON.stringify(text);
  if (!asciiOnly) return literal;
  return literal.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** True when a literal writes a character beyond ASCII as an escape and none as itself: what `jsonString` should keep up. */
export function isAsciiStyle(literal: string): boolean {
  return /\\u(?!00[0-7])[0-9a-fA-F]{4}/.test(literal) && !/[\u0080-\uffff]/.test(literal);
}
