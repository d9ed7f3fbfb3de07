import { isAscii, isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { atOnce, type Sliced } from '../lib/slices.ts';
import type { BodyError } from './dialect.ts';
import { pieceChars, piecesOf } from './text-pieces.ts';

/**
 * Decodes a body strictly: `invalid_utf8` for any ill-formed sequence, `body_too_large` past `limits.bodyBytesMax`. A byte
 * order mark stays in the string (the bytes must come back as they were) and `parseJson` steps over it.
 */
export function decodeUtf8(body: Buffer): Result<string, BodyError> {
  return atOnce(decodingUtf8(body));
}

/** As `decodeUtf8`. */
export function* decodingUtf8(body: Buffer): Sliced<Result<string, BodyError>> {
  if (body.length > limits.bodyBytesMax) {
    return err({ kind: 'body_too_large', message: `the body is larger than ${limits.bodyBytesMax} bytes` });
  }
  if (isAscii(body)) return ok(body.toString('latin1'));
  if (!isUtf8(body)) return err({ kind: 'invalid_utf8', message: 'the body is not valid UTF-8' });
  return ok(yield* decodingValidUtf8(body));
}

/** The text of bytes that are known to be valid UTF-8, however many they are. */
export function* decodingValidUtf8(body: Buffer): Sliced<string> {
  if (body.length <= pieceChars) return body.toString('utf8');
  const pieces: string[] = [];
  for (let at = 0; at < body.length; ) {
    let end = Math.min(at + pieceChars, body.length);
    // A piece ends before the first byte of a sequence.
    while (((body[end] ?? 0) & 0xc0) === 0x80) end--;
    pieces.push(body.toString('utf8', at, end));
    at = end;
    yield;
  }
  return pieces.join('');
}

/** The UTF-8 of a text in parts, no part of which may begin or end inside of a surrogate pair. */
export function* encodingUtf8(parts: readonly string[]): Sliced<Buffer> {
  const text = parts.length === 1 ? (parts[0] ?? '') : parts.join('');
  if (text.length <= pieceChars) return Buffer.from(text, 'utf8');
  yield;
  const pieces: Buffer[] = [];
  for (const piece of piecesOf(text)) {
    pieces.push(Buffer.from(piece, 'utf8'));
    yield;
  }
  return Buffer.concat(pieces);
}
