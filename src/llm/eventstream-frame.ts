import { crc32 } from 'node:zlib';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';

/** One message of `application/vnd.amazon.eventstream` (Smithy, "Amazon Event Stream Specification"). */
export interface Frame {
  /** As they stood, to be written back as they stood. */
  readonly headers: Buffer;
  /** Headers whose value is a string, by name. */
  readonly strings: ReadonlyMap<string, string>;
  readonly payload: Buffer;
}

/** Total length, length of the headers, CRC-32 of both. */
export const preludeBytes = 12;
/** A prelude and the CRC-32 of all that precedes it. */
const frameBytesMin = 16;

/** The length of the frame whose prelude the bytes begin with; the prelude MUST be whole. An error when it is none. */
export function frameLength(bytes: Buffer): Result<number, BodyError> {
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) return broken('the checksum of a prelude is wrong');
  const total = bytes.readUInt32BE(0);
  if (total < frameBytesMin || bytes.readUInt32BE(4) > total - frameBytesMin) return broken('a prelude is impossible');
  return ok(total);
}

/** Reads a whole frame, checksums included. */
export function readFrame(bytes: Buffer): Result<Frame, BodyError> {
  const total = frameLength(bytes);
  if (!total.ok) return total;
  if (total.value !== bytes.length) return broken('a frame has another length than it says');
  if (crc32(bytes.subarray(0, -4)) !== bytes.readUInt32BE(bytes.length - 4)) {
    return broken('the checksum of a frame is wrong');
  }
  const end = preludeBytes + bytes.readUInt32BE(4);
  const headers = bytes.subarray(preludeBytes, end);
  const strings = readStrings(headers);
  return strings.ok ? ok({ headers, strings: strings.value, payload: bytes.subarray(end, -4) }) : strings;
}

/** A frame with these headers and payload: lengths and both checksums are made anew. */
export function writeFrame(headers: Buffer, payload: Buffer): Buffer {
  const total = frameBytesMin + headers.length + payload.length;
  const frame = Buffer.alloc(total);
  frame.writeUInt32BE(total, 0);
  frame.writeUInt32BE(headers.length, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  headers.copy(frame, preludeBytes);
  payload.copy(frame, preludeBytes + headers.length);
  frame.writeUInt32BE(crc32(frame.subarray(0, total - 4)), total - 4);
  return frame;
}

/** Headers with string values. Names are at most 255 bytes long, values 65,535. */
export function stringHeaders(headers: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(headers)) {
    const head = Buffer.alloc(4 + Buffer.byteLength(name));
    head.writeUInt8(Buffer.byteLength(name), 0);
    head.write(name, 1);
    head.writeUInt8(STRING, head.length - 3);
    head.writeUInt16BE(Buffer.byteLength(value), head.length - 2);
    parts.push(head, Buffer.from(value, 'utf8'));
  }
  return Buffer.concat(parts);
}

const STRING = 7;
/** Bytes of a value by its type: booleans, integers, … ; null: it is preceded by its length. */
const valueBytes: readonly (number | null)[] = [0, 0, 1, 2, 4, 8, null, null, 8, 16];

function readStrings(headers: Buffer): Result<ReadonlyMap<string, string>, BodyError> {
  const strings = new Map<string, string>();
  let at = 0;
  while (at < headers.length) {
    const nameEnd = at + 1 + headers.readUInt8(at);
    if (nameEnd >= headers.length) return broken('a header breaks off');
    const type = headers.readUInt8(nameEnd);
    const fixed = valueBytes[type];
    if (fixed === undefined) return broken('a header has an unknown type');
    const start = nameEnd + 1 + (fixed === null ? 2 : 0);
    if (start > headers.length) return broken('a header breaks off');
    const end = start + (fixed ?? headers.readUInt16BE(nameEnd + 1));
    if (end > headers.length) return broken('a header breaks off');
    if (type === STRING) strings.set(headers.toString('utf8', at + 1, nameEnd), headers.toString('utf8', start, end));
    at = end;
  }
  return ok(strings);
}

function broken(message: string): Result<never, BodyError> {
  return err({ kind: 'invalid_framing', message });
}
