import { isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import type { FormText } from './form-body.ts';
import { percentDecode } from './urlencoded.ts';
import { encodingUtf8 } from './utf8.ts';

/** A value in the headers of a part. */
export interface HeaderValue extends Omit<FormText, 'pointer' | 'kind'> {
  /** Lower-case name of the parameter, or of the header. */
  readonly name: string;
}

/** What the headers of a part say of it. */
export interface Head {
  /** Parameters of the disposition, and headers that nobody knows. */
  readonly values: readonly HeaderValue[];
  /** Lower-case, without parameters; '' when absent. */
  readonly mediaType: string;
  readonly charset: string;
  readonly transferEncoding: string;
}

/**
 * Reads the headers of a part of a form (RFC 7578 section 4). Null for what another reader could take for something else: a line that is no
 * header, a header or a parameter that stands twice, more than `limits.formHeadBytesMax`.
 */
export function readHead(body: Buffer, headStart: number, contentStart: number): Head | null {
  if (contentStart - headStart > limits.formHeadBytesMax) return null;
  if (!isUtf8(body.subarray(headStart, contentStart))) return null;
  const values: HeaderValue[] = [];
  const known = new Map<string, string>();
  let at = headStart;
  for (const line of body.toString('latin1', headStart, contentStart).split('\r\n')) {
    const lineStart = at;
    at += line.length + 2;
    if (line === '') continue;
    const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/.exec(line);
    if (found === null) return null;
    const [, field = '', value = ''] = found;
    const name = field.toLowerCase();
    const start = lineStart + line.length - value.length;
    if (known.has(name)) return null;
    known.set(name, value);
    if (name === 'content-disposition') {
      const parameters = readParameters(body, value, start);
      if (parameters === null) return null;
      values.push(...parameters);
    } else if (name !== 'content-type' && name !== 'content-transfer-encoding' && name !== 'content-length') {
      values.push({ name, text: body.toString('utf8', start, start + value.length), ...plainly(start, value.length) });
    }
  }
  const contentType = known.get('content-type') ?? '';
  return {
    values,
    mediaType: (contentType.split(';')[0] ?? '').trim().toLowerCase(),
    charset: /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? '',
    transferEncoding: (known.get('content-transfer-encoding') ?? '').trim().toLowerCase(),
  };
}

/** Parameters of `form-data; name="a"; filename="b"`, each at most once; null when something else stands between them. */
function readParameters(body: Buffer, value: string, valueStart: number): HeaderValue[] | null {
  const parameters: HeaderValue[] = [];
  const next = /[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))/dy;
  next.lastIndex = /^[^\s;]*/.exec(value)?.[0].length ?? 0;
  for (let done = next.lastIndex; ; done = next.lastIndex) {
    const found = next.exec(value);
    if (found === null) return /^[ \t]*;?[ \t]*$/.test(value.slice(done)) ? parameters : null;
    const name = (found[1] ?? '').toLowerCase();
    const quoted = found.indices?.[2];
    const [from, to] = quoted ?? found.indices?.[3] ?? [0, 0];
    const [start, end] = [valueStart + from, valueStart + to];
    if (parameters.some((parameter) => parameter.name === name)) return null;
    if (name.endsWith('*')) parameters.push({ name, ...extended(body, start, end) });
    else if (quoted) parameters.push({ name, ...inQuotes(body, start, end) });
    else parameters.push({ name, text: body.toString('utf8', start, end), ...plainly(start, to - from) });
  }
}

type Value = Omit<HeaderValue, 'name'>;

/** Quotes inside come as `\"` or, from browsers, as `%22`, which stays as it is. */
function inQuotes(body: Buffer, start: number, end: number): Value {
  const text = body.toString('utf8', start, end).replace(/\\"/g, '"');
  return { text, start, end, encode: (written) => encodingUtf8([oneLine(written).replace(/"/g, '\\"')]) };
}

/** `UTF-8''…` (RFC 8187). RFC 7578 forbids it in forms, some clients send it. */
function extended(body: Buffer, start: number, end: number): Value {
  const prefix = /^[^']*'[^']*'/.exec(body.toString('latin1', start, end))?.[0].length ?? 0;
  const from = start + prefix;
  return {
    text: percentDecode(body.subarray(from, end), false) ?? body.toString('latin1', from, end),
    start: from,
    end,
    encode: (written) => encodingUtf8([encodeURIComponent(written.toWellFormed())]),
  };
}

function plainly(start: number, length: number): Omit<Value, 'text'> {
  return { start, end: start + length, encode: (written) => encodingUtf8([oneLine(written)]) };
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
