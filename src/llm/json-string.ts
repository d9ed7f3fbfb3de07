import { atOnce, type Sliced } from '../lib/slices.ts';
import { pieceChars, piecesOf } from './text-pieces.ts';

/** The string that a literal stands for, quotes included; the literal MUST have been checked. */
export function unescapeLiteral(literal: string): string {
  return literal.length <= pieceChars ? parseLiteral(literal) : atOnce(unescapingLiteral(literal));
}

/** As `unescapeLiteral`. */
export function* unescapingLiteral(literal: string): Sliced<string> {
  if (literal.length <= pieceChars) return parseLiteral(literal);
  const pieces: string[] = [];
  const last = literal.length - 1;
  for (let at = 1; at < last; ) {
    const end = escapeBorder(literal, at, Math.min(at + pieceChars, last));
    pieces.push(parseLiteral(`"${literal.slice(at, end)}"`));
    at = end;
    yield;
  }
  return pieces.join('');
}

/** The literal was checked by the reader, so that this cannot throw and always yields a string. */
function parseLiteral(literal: string): string {
  const value: unknown = JSON.parse(literal);
  return String(value);
}

/** `to`, or the beginning of the escape that `to` would cut; `from` is no place inside of an escape. */
function escapeBorder(literal: string, from: number, to: number): number {
  let slash = to - 1;
  while (slash >= from && slash > to - 6 && literal.charCodeAt(slash) !== 0x5c) slash--;
  if (slash < from || literal.charCodeAt(slash) !== 0x5c) return to;
  let first = slash;
  while (first > from && literal.charCodeAt(first - 1) === 0x5c) first--;
  // Of an even number each has its partner: then `slash` is the second half of an escaped backslash.
  if ((slash - first) % 2 === 1) return to;
  const length = literal.charCodeAt(slash + 1) === 0x75 ? 6 : 2;
  return slash + length > to ? slash : to;
}

/**
 * The JSON source of a string. Lone surrogates come out as `\udXXX` escapes (well-formed JSON.stringify, ES2019), so that
 * the bytes are always valid UTF-8. `asciiOnly` escapes all that is not ASCII, as the literal that it replaces did.
 */
export function jsonString(text: string, asciiOnly = false): string {
  return text.length <= pieceChars ? literalOf(text, asciiOnly) : atOnce(escaping(text, asciiOnly));
}

/** As `jsonString`. */
export function* escaping(text: string, asciiOnly: boolean): Sliced<string> {
  if (text.length <= pieceChars) return literalOf(text, asciiOnly);
  const pieces: string[] = ['"'];
  for (const piece of piecesOf(text)) {
    pieces.push(literalOf(piece, asciiOnly).slice(1, -1));
    yield;
  }
  pieces.push('"');
  return pieces.join('');
}

function literalOf(text: string, asciiOnly: boolean): string {
  const literal = JSON.stringify(text);
  if (!asciiOnly) return literal;
  return literal.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** True when a literal writes a character beyond ASCII as an escape and none as itself: what `jsonString` should keep up. */
export function isAsciiStyle(literal: string): boolean {
  return literal.length <= pieceChars ? isPieceAsciiStyle(literal) : atOnce(judgingStyle(literal));
}

/** As `isAsciiStyle`. */
export function* judgingStyle(literal: string): Sliced<boolean> {
  if (literal.length <= pieceChars) return isPieceAsciiStyle(literal);
  return (yield* isAnywhere(literal, asciiEscape)) && !(yield* isAnywhere(literal, beyondAscii));
}

function isPieceAsciiStyle(literal: string): boolean {
  return asciiEscape.test(literal) && !beyondAscii.test(literal);
}

const asciiEscape = /\\u(?!00[0-7])[0-9a-fA-F]{4}/;
const asciiEscapeChars = 6;
const beyondAscii = /[\u0080-\uffff]/;

/** Whether one of these patterns, which match at most `asciiEscapeChars`, matches. */
function* isAnywhere(literal: string, pattern: RegExp): Sliced<boolean> {
  for (let at = 0; at < literal.length; at += pieceChars) {
    if (pattern.test(literal.slice(at, at + pieceChars + asciiEscapeChars - 1))) return true;
    yield;
  }
  return false;
}
