import { isUtf8 } from 'node:buffer';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import type { Form, FormText } from './form-body.ts';
import { isPlainName, keyToken } from './tokens.ts';

/**
 * `application/x-www-form-urlencoded` (WHATWG URL section 5). Values are texts, and so are names that are not plainly names; an escape that
 * is none stands for itself. `invalid_utf8` when a name or a value is not UTF-8.
 */
export function readUrlencoded(body: Buffer): Result<Form, BodyError> {
  const source = body.toString('latin1');
  const texts: FormText[] = [];
  const fields = new Map<string, string>();
  let start = 0;
  for (const [position, pair] of source.split('&').entries()) {
    const equals = pair.indexOf('=');
    const nameEnd = start + (equals < 0 ? pair.length : equals);
    const end = start + pair.length;
    const name = percentDecode(body.subarray(start, nameEnd), true);
    const value = percentDecode(body.subarray(Math.min(nameEnd + 1, end), end), true);
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

/** Bytes with `%41` (and `+`, where it means a space) read; null when what comes out is not UTF-8. */
export function percentDecode(bytes: Buffer, isForm: boolean): string | null {
  const out = Buffer.alloc(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const digits = byte === 0x25 ? bytes.toString('latin1', at + 1, at + 3) : '';
    if (/^[0-9a-fA-F]{2}$/.test(digits)) {
      out[length++] = Number.parseInt(digits, 16);
      at += 2;
    } else {
      out[length++] = isForm && byte === 0x2b ? 0x20 : byte;
    }
  }
  const decoded = out.subarray(0, length);
  return isUtf8(decoded) ? decoded.toString('utf8') : null;
}

function encode(text: string): Buffer {
  return Buffer.from(new URLSearchParams([['', text]]).toString().slice(1), 'latin1');
}
