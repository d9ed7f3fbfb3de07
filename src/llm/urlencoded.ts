import { isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { atOnce, type Sliced } from '../lib/slices.ts';
import type { BodyError } from './dialect.ts';
import type { Form, FormText } from './form-body.ts';
import { piecesOf } from './text-pieces.ts';
import { isPlainName, keyToken } from './tokens.ts';
import { decodingValidUtf8 } from './utf8.ts';

/**
 * `application/x-www-form-urlencoded` (WHATWG URL section 5). Values are texts, and so are names that are not plainly names; an escape that
 * is none stands for itself. `invalid_utf8` when a name or a value is not UTF-8. Beyond `limits.formTextsMax` texts it does not read on.
 */
export function* readUrlencoded(body: Buffer): Sliced<Result<Form, BodyError>> {
  const texts: FormText[] = [];
  const fields = new Map<string, string>();
  let start = 0;
  let work = 0;
  for (let position = 0; start <= body.length && texts.length <= limits.formTextsMax; position++) {
    const ampersand = body.indexOf(AMPERSAND, start);
    const end = ampersand < 0 ? body.length : ampersand;
    work += fieldWork + end - start;
    if (work > turnBytes) {
      work = 0;
      yield;
    }
    if (end === start) {
      start = end + 1;
      continue;
    }
    const equals = body.subarray(start, end).indexOf(EQUALS);
    const nameEnd = equals < 0 ? end : start + equals;
    const name = yield* percentDecoding(body.subarray(start, nameEnd), true);
    const value = yield* percentDecoding(body.subarray(Math.min(nameEnd + 1, end), end), true);
    if (name === null || value === null)
      return err({ kind: 'invalid_utf8', message: `field ${position} is not UTF-8` });
    const isPlain = isPlainName(name);
    const pointer = `/${isPlain ? name : keyToken(position)}`;
    if (!isPlain && name !== '') {
      texts.push({ pointer: `${pointer}#key`, kind: 'text', text: name, start, end: nameEnd, encode });
    }
    if (value !== '') texts.push({ pointer, kind: 'text', text: value, start: nameEnd + 1, end, encode });
    if (!fields.has(name)) fields.set(name, value);
    start = end + 1;
  }
  return ok({ texts, uninspected: [], fields });
}

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;

/** Bytes that are read between two turns; a field costs as much as so many, however short it is. */
const turnBytes = 32_768;
const fieldWork = 32;

/** Bytes with `%41` (and `+`, where it means a space) read; null when what comes out is not UTF-8. */
export function percentDecode(bytes: Buffer, isForm: boolean): string | null {
  return atOnce(percentDecoding(bytes, isForm));
}

function* percentDecoding(bytes: Buffer, isForm: boolean): Sliced<string | null> {
  const out = Buffer.alloc(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (at % turnBytes === turnBytes - 1) yield;
    const byte = bytes[at] ?? 0;
    const digits = byte === PERCENT ? bytes.toString('latin1', at + 1, at + 3) : '';
    if (/^[0-9a-fA-F]{2}$/.test(digits)) {
      out[length++] = Number.parseInt(digits, 16);
      at += 2;
    } else {
      out[length++] = isForm && byte === 0x2b ? 0x20 : byte;
    }
  }
  const decoded = out.subarray(0, length);
  return isUtf8(decoded) ? yield* decodingValidUtf8(decoded) : null;
}

function* encode(text: string): Sliced<Buffer> {
  const pieces: Buffer[] = [];
  for (const piece of piecesOf(text)) {
    if (pieces.length > 0) yield;
    pieces.push(Buffer.from(new URLSearchParams([['', piece]]).toString().slice(1), 'latin1'));
  }
  return Buffer.concat(pieces);
}
