import { isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Uninspected } from './conversation.ts';
import type { BodyError } from './dialect.ts';
import type { Form, FormText } from './form-body.ts';
import { type Head, readHead } from './multipart-head.ts';
import { isPlainName, keyToken } from './tokens.ts';
import { decodingValidUtf8, encodingUtf8 } from './utf8.ts';

/**
 * `multipart/form-data` (RFC 7578), strictly: lines end with CRLF, and what does not fit is `invalid_framing`, because another reader might
 * find other parts in it. Text parts and the names of files are texts; a file that says it is text is read as well, lines of JSON
 * one by one; any other file is reported, and so is what stands before the first part or behind the last. More than `limits.formTextsMax` parts are
 * `too_many_values`; beyond as many texts it does not read on.
 */
export function* readMultipart(body: Buffer, contentType: string): Sliced<Result<Form, BodyError>> {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return broken('the media type names no boundary');
  const texts: FormText[] = [];
  const uninspected: Uninspected[] = [];
  const fields = new Map<string, string>();
  const parts = yield* split(body, boundary);
  if (!parts.ok) return parts;
  for (const [position, part] of parts.value.parts.entries()) {
    if (texts.length > limits.formTextsMax) break;
    if (position % turnParts === turnParts - 1) yield;
    const head = readHead(body, part.headStart, part.contentStart);
    if (head === null) return broken(`the headers of part ${position} cannot be read`);
    const name = head.values.find((value) => value.name === 'name')?.text ?? '';
    const isPlain = isPlainName(name);
    const pointer = `/${isPlain ? name : keyToken(position)}`;
    for (const value of head.values) {
      if (value.text === '' || (value.name === 'name' && isPlain)) continue;
      const suffix = value.name === 'name' ? 'key' : value.name.replace('*', '');
      texts.push({ ...value, pointer: `${pointer}#${suffix}`, kind: value.name === 'name' ? 'text' : 'metadata' });
    }
    const kind = contentKind(head, body.subarray(part.contentStart, part.end));
    if (kind === 'text') {
      const text = yield* contentText(body, pointer, part.contentStart, part.end);
      if (text.text !== '') texts.push(text);
      if (!fields.has(name)) fields.set(name, text.text);
    } else if (kind === 'lines') yield* addLines(texts, body, pointer, part);
    else uninspected.push({ pointer, kind });
  }
  const charset = fields.get('_charset_')?.toLowerCase() ?? 'utf-8';
  if (!isUnicode(charset)) uninspected.push({ pointer: '/_charset_', kind: 'binary' });
  if (parts.value.hasSurroundings) uninspected.push({ pointer: '', kind: 'unknown' });
  return ok({ texts, uninspected, fields });
}

/** Parts, or lines of one, that are read between two turns. */
const turnParts = 256;

/** Where a part stands in the body. */
interface Part {
  readonly headStart: number;
  readonly contentStart: number;
  readonly end: number;
}

/** RFC 2046 section 5.1.1: one to seventy characters of a fixed set. */
function boundaryOf(contentType: string): string | null {
  const found = /;\s*boundary=(?:"([^"]*)"|([^\s";]+))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2] ?? '';
  return /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary) ? boundary : null;
}

interface Parts {
  readonly parts: readonly Part[];
  readonly hasSurroundings: boolean;
}

function* split(body: Buffer, boundary: string): Sliced<Result<Parts, BodyError>> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  const parts: Part[] = [];
  const isAtStart = body.indexOf(delimiter.subarray(2)) === 0;
  let at = isAtStart ? 0 : body.indexOf(delimiter) + 2;
  const preamble = at;
  if (at < 2 && !isAtStart) return broken('the boundary is nowhere');
  for (;;) {
    let lineEnd = at + delimiter.length - 2;
    if (body[lineEnd] === DASH && body[lineEnd + 1] === DASH) {
      const epilogue = body.subarray(lineEnd + 2).toString('latin1');
      return ok({ parts, hasSurroundings: preamble > 2 || epilogue.trim() !== '' });
    }
    // Transport padding.
    while (body[lineEnd] === SPACE || body[lineEnd] === TAB) lineEnd++;
    if (body[lineEnd] !== CR || body[lineEnd + 1] !== LF) return broken(`bytes follow the boundary at ${at}`);
    const next = body.indexOf(delimiter, lineEnd);
    if (next < 0) return broken('the last part has no end');
    const headStart = lineEnd + 2;
    // A part may have no headers at all: then its content follows one blank line.
    const blank = body.indexOf('\r\n\r\n', lineEnd);
    if (blank < 0 || blank + 4 > next + 2) return broken(`the part at ${at} has no content`);
    if (parts.length >= limits.formTextsMax) {
      return err({ kind: 'too_many_values', message: `the form has more than ${limits.formTextsMax} parts` });
    }
    if (parts.length % turnParts === turnParts - 1) yield;
    parts.push({ headStart, contentStart: blank + 4, end: Math.max(next, blank + 4) });
    at = next + 2;
  }
}

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;
const SPACE = 0x20;
const TAB = 0x09;

type ContentKind = 'text' | 'lines' | 'image' | 'audio' | 'file' | 'binary';

function contentKind({ values, mediaType, charset, transferEncoding }: Head, content: Buffer): ContentKind {
  const filenames = values.filter(({ name }) => name.startsWith('filename'));
  const isLines =
    /[/-](?:jsonl|ndjson|jsonlines)$/.test(mediaType) ||
    filenames.some(({ text }) => /\.(?:jsonl|ndjson)$/i.test(text));
  const isText =
    mediaType === '' ? filenames.length === 0 : /^(?:text\/.+|application\/json|.+\+json)$/.test(mediaType);
  if (isLines || isText) {
    const isPlain = ['', '7bit', '8bit', 'binary'].includes(transferEncoding) && isUnicode(charset) && isUtf8(content);
    if (!isPlain) return 'binary';
    return isLines ? 'lines' : 'text';
  }
  if (mediaType.startsWith('image/')) return 'image';
  return mediaType.startsWith('audio/') ? 'audio' : 'file';
}

function isUnicode(charset: string): boolean {
  return ['', 'utf-8', 'utf8', 'us-ascii'].includes(charset);
}

function* contentText(body: Buffer, pointer: string, start: number, end: number): Sliced<FormText> {
  const text = yield* decodingValidUtf8(body.subarray(start, end));
  return { pointer, kind: 'text', text, start, end, encode: (written) => encodingUtf8([written]) };
}

/** A file of JSON lines (batches, training data), each of which is a document. */
function* addLines(texts: FormText[], body: Buffer, pointer: string, { contentStart, end }: Part): Sliced<void> {
  let start = contentStart;
  for (let position = 0; start < end && texts.length <= limits.formTextsMax; position++) {
    if (position % turnParts === turnParts - 1) yield;
    const lf = body.indexOf(LF, start);
    const lineEnd = lf < 0 || lf >= end ? end : lf;
    if (lineEnd === start) {
      start = lineEnd + 1;
      continue;
    }
    const text = yield* contentText(body, `${pointer}/${position}`, start, lineEnd);
    if (text.text.trim() !== '') texts.push(text);
    start = lineEnd + 1;
  }
}

function broken(message: string): Result<never, BodyError> {
  return err({ kind: 'invalid_framing', message });
}
