import { isUtf8 } from 'node:buffer';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import { type Frame, frameLength, preludeBytes, readFrame, stringHeaders, writeFrame } from './eventstream-frame.ts';
import { createByteQueue, type Framer, type StreamEvent } from './framing.ts';
import { applyEdits } from './json-edit.ts';
import { parseJson } from './json-parser.ts';
import { type JsonStringNode, memberOf, stringOf } from './json-source.ts';

/**
 * Amazon's binary event stream, byte-exact: one event a frame, named by its `:event-type` or `:exception-type`. The payload is text; that of a
 * `chunk` (InvokeModel) is the model's own event, which stands in it as Base64. Beside `invalid_utf8` and `body_too_large`, errors are
 * `invalid_framing` (a checksum, a length) and, at the end of the stream, `truncated`: half a frame cannot be judged.
 */
export function createEventStreamFramer(eventBytesMax: number = limits.eventBytesMax): Framer {
  const queue = createByteQueue();
  /** Length of the frame that has begun; null while its prelude is not whole. */
  let expected: number | null = null;
  let events: StreamEvent[] = [];

  function push(piece: Buffer): Result<readonly StreamEvent[], BodyError> {
    queue.add(piece);
    events = [];
    for (;;) {
      if (expected === null) {
        if (queue.length < preludeBytes) return ok(events);
        const length = frameLength(queue.peek(preludeBytes));
        if (!length.ok) return length;
        if (length.value > eventBytesMax) return tooLarge(eventBytesMax);
        expected = length.value;
      }
      if (queue.length < expected) return ok(events);
      const event = readEvent(queue.take(expected));
      if (!event.ok) return event;
      events.push(event.value);
      expected = null;
    }
  }

  function end(): Result<readonly StreamEvent[], BodyError> {
    return queue.length === 0 ? ok([]) : err({ kind: 'truncated', message: 'the stream ends inside of a frame' });
  }

  return { push, cut: () => events, end, write: writeEvent };
}

/** A frame that tells of an exception, as Bedrock ends a stream that went wrong. */
export function exceptionFrame(type: string, value: unknown): Buffer {
  const headers = stringHeaders({
    ':exception-type': type,
    ':content-type': 'application/json',
    ':message-type': 'exception',
  });
  return writeFrame(headers, Buffer.from(JSON.stringify(value), 'utf8'));
}

function tooLarge(eventBytesMax: number): Result<never, BodyError> {
  return err({ kind: 'body_too_large', message: `a frame of the stream is larger than ${eventBytesMax} bytes` });
}

/** A frame without payload has none to rewrite: whatever its headers say is looked at as it stands, like a comment. */
function readEvent(bytes: Buffer): Result<StreamEvent, BodyError> {
  const frame = readFrame(bytes);
  if (!frame.ok) return frame;
  const { strings, payload } = frame.value;
  const event = strings.get(':event-type') ?? strings.get(':exception-type') ?? null;
  if (payload.length === 0) return ok({ bytes, event, payload: null });
  if (!isUtf8(payload)) return notText();
  const text = payload.toString('utf8');
  const chunk = chunkOf(frame.value, text);
  if (chunk === null) return ok({ bytes, event, payload: text });
  const encoded = stringOf(text, chunk);
  const inner = Buffer.from(encoded, 'base64');
  // What Node reads leniently (other alphabets, stray characters) another reader may read otherwise.
  if (inner.toString('base64') !== encoded || !isUtf8(inner)) return notText();
  return ok({ bytes, event, payload: inner.toString('utf8') });
}

function writeEvent(event: StreamEvent, payload: string): Buffer {
  const frame = readFrame(event.bytes);
  invariant(frame.ok, 'an event that was read is a frame');
  const text = frame.value.payload.toString('utf8');
  const chunk = chunkOf(frame.value, text);
  const written =
    chunk === null
      ? payload
      : applyEdits(text, [
          { start: chunk.start, end: chunk.end, source: `"${Buffer.from(payload, 'utf8').toString('base64')}"` },
        ]);
  return writeFrame(frame.value.headers, Buffer.from(written, 'utf8'));
}

/** The string `bytes` in the payload of a chunk; null when the payload is the event itself. */
function chunkOf(frame: Frame, text: string): JsonStringNode | null {
  if (frame.strings.get(':event-type') !== 'chunk') return null;
  const root = parseJson(text);
  const bytes = root.ok ? memberOf(root.value, 'bytes') : undefined;
  return bytes?.type === 'string' ? bytes : null;
}

function notText(): Result<never, BodyError> {
  return err({ kind: 'invalid_utf8', message: 'the payload of a frame is no text in UTF-8' });
}
