import type { HeaderChanges, Reply } from '../exchange/exchange.ts';
import { unreachable } from '../lib/invariant.ts';
import type { Answer, BodyChange, Direction, MoreTime } from './ext-proc-event.ts';

/**
 * Writes ProcessingResponses. By hand, for the reason given at `decodeProcessingRequest`. Header values go into `raw_value`: ext_proc
 * makes an empty header of `value` (envoyproxy/envoy#31555), and honours no `append_action`; absent `append` replaces.
 */
export function encodeProcessingResponse(answer: Answer | MoreTime): Buffer {
  switch (answer.kind) {
    case 'headers':
      return common(answer.direction === 'request' ? 1 : 2, answer.changes, null);
    case 'body':
      return common(answer.direction === 'request' ? 3 : 4, answer.changes, bodyMutation(answer.body));
    case 'streamed':
      return streamedResponse(answer.direction, answer.body, answer.endOfStream);
    case 'trailers':
      return trailers[answer.direction];
    case 'immediate':
      return immediate(answer.reply);
    case 'more_time':
      return write(message(10, [varint(1, Math.floor(answer.ms / 1000)), varint(2, (answer.ms % 1000) * 1_000_000)]));
    default:
      return unreachable(answer);
  }
}

/** The most that one streamed answer carries: larger ones make Envoy's gRPC decoder buffer (gateway-api-inference-extension#2058). */
const streamedBytesMax = 62_000;

/** The pieces in which a FULL_DUPLEX_STREAMED body goes out; the last one alone ends the stream. */
export function streamedPieces(answer: Extract<Answer, { kind: 'streamed' }>): readonly Answer[] {
  const { body, endOfStream } = answer;
  if (body.length <= streamedBytesMax) return [answer];
  const pieces: Answer[] = [];
  for (let at = 0; at < body.length; at += streamedBytesMax) {
    const piece = body.subarray(at, at + streamedBytesMax);
    pieces.push({ ...answer, body: piece, endOfStream: endOfStream && at + streamedBytesMax >= body.length });
  }
  return pieces;
}

/** `TrailersResponse{}`: trailers are never changed. */
const trailers: Readonly<Record<Direction, Buffer>> = {
  request: Buffer.from([tagOf(5), 0]),
  response: Buffer.from([tagOf(6), 0]),
};

/** `HeadersResponse` and `BodyResponse` alike: `{response: CommonResponse}`. */
function common(field: number, changes: readonly HeaderChanges[], body: Field | null): Buffer {
  const parts: Field[] = [];
  const mutation = headerMutation(changes);
  if (mutation !== null) parts.push(message(2, mutation));
  if (body !== null) parts.push(message(3, [body]));
  return write(message(field, [message(1, parts)]));
}

function bodyMutation(change: BodyChange): Field | null {
  switch (change.kind) {
    case 'keep':
      return null;
    case 'clear':
      return varint(2, 1);
    case 'replace':
      return bytes(1, change.body);
    default:
      return unreachable(change);
  }
}

function streamedResponse(direction: Direction, body: Buffer, endOfStream: boolean): Buffer {
  const response: Field[] = [];
  if (body.length > 0) response.push(bytes(1, body));
  if (endOfStream) response.push(varint(2, 1));
  const mutation = message(3, [message(3, response)]);
  return write(message(direction === 'request' ? 3 : 4, [message(1, [mutation])]));
}

/** A status below 200 would reach the client as 200, so there is none. */
function immediate(reply: Reply): Buffer {
  const fields: Field[] = [message(1, [varint(1, reply.status >= 200 ? reply.status : 500)])];
  const mutation = headerMutation([{ set: reply.headers, remove: [] }]);
  if (mutation !== null) fields.push(message(2, mutation));
  if (reply.body.length > 0) fields.push(bytes(3, reply.body));
  if (reply.details !== '') fields.push(text(5, reply.details));
  return write(message(7, fields));
}

/** The fields of a HeaderMutation; null when nothing changes. */
function headerMutation(changes: readonly HeaderChanges[]): Field[] | null {
  const fields: Field[] = [];
  for (const { set, remove } of changes) {
    for (const [name, value] of set) fields.push(message(1, [message(1, header(name, value))]));
    for (const name of remove) fields.push(text(2, name));
  }
  return fields.length === 0 ? null : fields;
}

function header(name: string, value: string): Field[] {
  return value === '' ? [text(1, name)] : [text(1, name), text(3, value)];
}

/** A field as a tree, sized before it is written, so that the message is written once and no body is copied twice. */
interface Field {
  readonly tag: number;
  /** Of what follows the tag and, for a length-delimited field, the length. */
  readonly size: number;
  readonly content: readonly Field[] | Buffer | string | number;
}

function message(field: number, content: readonly Field[]): Field {
  let size = 0;
  for (const part of content) size += sizeOf(part);
  return { tag: tagOf(field), size, content };
}

function bytes(field: number, content: Buffer): Field {
  return { tag: tagOf(field), size: content.length, content };
}

function text(field: number, content: string): Field {
  return { tag: tagOf(field), size: Buffer.byteLength(content), content };
}

function varint(field: number, content: number): Field {
  return { tag: field << 3, size: varintSize(content), content };
}

function sizeOf(field: Field): number {
  return typeof field.content === 'number' ? 1 + field.size : 1 + varintSize(field.size) + field.size;
}

function write(field: Field): Buffer {
  const target = Buffer.allocUnsafe(sizeOf(field));
  writeField(target, 0, field);
  return target;
}

/** Returns where the next field goes. All field numbers are below 16, so that every tag is one byte. */
function writeField(target: Buffer, at: number, field: Field): number {
  const { content, size } = field;
  target[at] = field.tag;
  if (typeof content === 'number') return writeVarint(target, at + 1, content);
  let next = writeVarint(target, at + 1, size);
  if (typeof content === 'string') return next + target.write(content, next);
  if (Buffer.isBuffer(content)) return next + content.copy(target, next);
  for (const part of content) next = writeField(target, next, part);
  return next;
}

function writeVarint(target: Buffer, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest > 0x7f) {
    target[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[next++] = rest;
  return next;
}

function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

/** The tag of a length-delimited field. */
function tagOf(field: number): number {
  return (field << 3) | 2;
}
