import { isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import { createByteQueue, type Framer, type StreamEvent } from './framing.ts';

/** Newline-delimited JSON, byte-exact: one event a line, LF or CRLF; a blank line is an event without payload. */
export function createNdjsonFramer(eventBytesMax: number = limits.eventBytesMax): Framer {
  const queue = createByteQueue();
  let events: StreamEvent[] = [];

  function take(count: number): Result<StreamEvent, BodyError> {
    return count > eventBytesMax ? tooLarge(eventBytesMax) : readLine(queue.take(count));
  }

  function push(piece: Buffer): Result<readonly StreamEvent[], BodyError> {
    let before = queue.length;
    queue.add(piece);
    events = [];
    for (let lf = piece.indexOf(LF); lf >= 0; lf = piece.indexOf(LF, lf + 1)) {
      const event = take(before + lf + 1);
      if (!event.ok) return event;
      events.push(event.value);
      before = -(lf + 1);
    }
    return queue.length > eventBytesMax ? tooLarge(eventBytesMax) : ok(events);
  }

  function end(): Result<readonly StreamEvent[], BodyError> {
    if (queue.length === 0) return ok([]);
    const event = take(queue.length);
    return event.ok ? ok([event.value]) : event;
  }

  return { push, cut: () => events, end, write: writeLine };
}

const LF = 0x0a;

function tooLarge(eventBytesMax: number): Result<never, BodyError> {
  return err({ kind: 'body_too_large', message: `a line of the stream is larger than ${eventBytesMax} bytes` });
}

function readLine(bytes: Buffer): Result<StreamEvent, BodyError> {
  if (!isUtf8(bytes)) return err({ kind: 'invalid_utf8', message: 'a line of the stream is not valid UTF-8' });
  const text = bytes.toString('utf8');
  const payload = text.slice(0, text.length - ending(text).length);
  return ok({ bytes, event: null, payload: payload.trim() === '' ? null : payload });
}

/** A line break inside the payload can only be insignificant space between JSON tokens: it becomes a space. */
function writeLine(event: StreamEvent, payload: string): Buffer {
  const tail = event.bytes.subarray(-2).toString('latin1');
  return Buffer.from(payload.replace(/\r\n|\r|\n/g, ' ') + ending(tail), 'utf8');
}

function ending(text: string): string {
  if (!text.endsWith('\n')) return '';
  return text.endsWith('\r\n') ? '\r\n' : '\n';
}
