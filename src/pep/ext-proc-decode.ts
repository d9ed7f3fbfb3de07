import { BinaryReader } from '@bufbuild/protobuf/wire';
import { Metadata } from '../gen/envoy/config/core/v3/base.ts';
import { ProcessingRequest_AttributesEntry } from '../gen/envoy/service/ext_proc/v3/external_processor.ts';
import type { JsonObject, JsonValue } from '../lib/json.ts';
import type { BodyMode, Direction, EnvoyMessage } from './ext-proc-event.ts';
import { createHeaderBlock, type HeaderBlock, namespaces } from './request-head.ts';

/** One message of Envoy, as far as it is read. */
export interface Incoming {
  readonly message: EnvoyMessage;
  /** The headers of a headers message; empty for other messages. */
  readonly headers: HeaderBlock | null;
  readonly metadata: JsonObject | null;
  /** CEL attributes by name, `source.address` and the like. */
  readonly attributes: JsonObject | null;
  readonly observing: boolean;
  /** From `protocol_config`, on the first message of a stream. */
  readonly modes: { readonly request: BodyMode; readonly response: BodyMode } | null;
}

/** `ProcessingMode.BodySendMode`, by number. GRPC (5) is hidden in Envoy and falls under what we do not know. */
const bodyModes: readonly BodyMode[] = ['none', 'streamed', 'buffered', 'buffered_partial', 'full_duplex'];

/** Header names of nearly every exchange, by their length. */
const commonNames: readonly (readonly string[])[] = byLength([
  ':authority',
  ':method',
  ':path',
  ':scheme',
  ':status',
  'accept',
  'accept-encoding',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'server',
  'traceparent',
  'user-agent',
  'vary',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-service-time',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
]);

/**
 * Reads a ProcessingRequest. By hand, because the generated codec makes an object of every header and a copy of every body, which is
 * the larger part of an exchange's cost; a test holds the two together. Body bytes are a view of `bytes`. Throws on malformed bytes,
 * which gRPC answers with an error status.
 */
export function decodeProcessingRequest(bytes: Buffer): Incoming {
  const reader = new BinaryReader(bytes);
  let message: EnvoyMessage = { kind: 'unknown' };
  let headers: HeaderBlock | null = null;
  let metadata: JsonObject | null = null;
  let attributes: { [name: string]: JsonValue } | null = null;
  let observing = false;
  let modes: Incoming['modes'] = null;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case tagOf(2):
      case tagOf(3): {
        const block = createHeaderBlock();
        const endOfStream = readHttpHeaders(bytes, reader, block);
        headers = block;
        message = {
          kind: 'headers',
          direction: direction(tag, 3),
          endOfStream,
          hasContentLength: block.headers.has('content-length'),
        };
        break;
      }
      case tagOf(4):
      case tagOf(5):
        message = readHttpBody(bytes, reader, direction(tag, 5));
        break;
      case tagOf(6):
      case tagOf(7):
        reader.skip(2);
        message = { kind: 'trailers', direction: direction(tag, 7) };
        break;
      case tagOf(8):
        metadata = namespaces(Metadata.decode(reader, reader.uint32()));
        break;
      case tagOf(9): {
        const entry = ProcessingRequest_AttributesEntry.decode(reader, reader.uint32());
        attributes = Object.assign(attributes ?? {}, entry.value);
        break;
      }
      case 10 << 3:
        observing = reader.bool();
        break;
      case tagOf(11):
        modes = readModes(reader);
        break;
      default:
        reader.skip(tag & 7);
    }
  }
  return { message, headers, metadata, attributes, observing, modes };
}

/** HttpHeaders, into `block`; returns its `end_of_stream`. */
function readHttpHeaders(bytes: Buffer, reader: BinaryReader, block: HeaderBlock): boolean {
  let endOfStream = false;
  const end = endOf(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(1)) readHeaderMap(bytes, reader, block);
    else if (tag === 3 << 3) endOfStream = reader.bool();
    else reader.skip(tag & 7);
  }
  return endOfStream;
}

function readHeaderMap(bytes: Buffer, reader: BinaryReader, block: HeaderBlock): void {
  const end = endOf(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(1)) readHeaderValue(bytes, reader, block);
    else reader.skip(tag & 7);
  }
}

function readHeaderValue(bytes: Buffer, reader: BinaryReader, block: HeaderBlock): void {
  let key = '';
  let value = '';
  let rawValue = '';
  const end = endOf(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(1)) key = readName(bytes, reader);
    else if (tag === tagOf(2)) value = readText(bytes, reader);
    else if (tag === tagOf(3)) rawValue = readText(bytes, reader);
    else reader.skip(tag & 7);
  }
  block.add(key, rawValue === '' ? value : rawValue);
}

function readHttpBody(bytes: Buffer, reader: BinaryReader, side: Direction): EnvoyMessage {
  let body: Buffer = bytes.subarray(0, 0);
  let endOfStream = false;
  const end = endOf(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === tagOf(1)) {
      const to = endOf(reader);
      body = bytes.subarray(reader.pos, to);
      reader.pos = to;
    } else if (tag === 2 << 3) endOfStream = reader.bool();
    else reader.skip(tag & 7);
  }
  return { kind: 'body', direction: side, body, endOfStream };
}

function readModes(reader: BinaryReader): Incoming['modes'] {
  let request = 0;
  let response = 0;
  const end = endOf(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 1 << 3) request = reader.int32();
    else if (tag === 2 << 3) response = reader.int32();
    else reader.skip(tag & 7);
  }
  return { request: bodyModes[request] ?? 'none', response: bodyModes[response] ?? 'none' };
}

/** A header name: the common ones without making a string, which is what costs most in reading headers. */
function readName(bytes: Buffer, reader: BinaryReader): string {
  const start = reader.pos;
  const length = bytes[start] ?? 0;
  const first = bytes[start + 1];
  for (const name of commonNames[length] ?? []) {
    if (name.charCodeAt(0) === first && isNameAt(bytes, start + 1, name)) {
      reader.pos = start + 1 + length;
      return name;
    }
  }
  return readText(bytes, reader);
}

function isNameAt(bytes: Buffer, start: number, name: string): boolean {
  for (let at = name.length - 1; at > 0; at -= 1) if (bytes[start + at] !== name.charCodeAt(at)) return false;
  return true;
}

/** Not valid UTF-8 becomes U+FFFD: what is read here is compared and parsed, never sent on. */
function readText(bytes: Buffer, reader: BinaryReader): string {
  const end = endOf(reader);
  const text = bytes.toString('utf8', reader.pos, end);
  reader.pos = end;
  return text;
}

/** Reads a length; returns where the field ends. A length beyond the message is malformed. */
function endOf(reader: BinaryReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('a field is longer than its message');
  return end;
}

/** The tag of a length-delimited field. */
function tagOf(field: number): number {
  return (field << 3) | 2;
}

function direction(tag: number, responseField: number): Direction {
  return tag === tagOf(responseField) ? 'response' : 'request';
}

function byLength(names: readonly string[]): readonly (readonly string[])[] {
  const longest = Math.max(...names.map((name) => name.length));
  return Array.from({ length: longest + 1 }, (_, length) => names.filter((name) => name.length === length));
}
