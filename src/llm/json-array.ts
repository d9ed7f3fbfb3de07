import { isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import { createByteQueue, type Framer, type StreamEvent } from './framing.ts';

/**
 * A JSON array that is written piece by piece, byte-exact: one event an element, with the bracket, commas and space before it; what follows
 * the last element is an event without payload. A document that is no array is one element. What is no JSON is cut somewhere and
 * handed on: whoever reads the payload refuses it, so that nothing passes unread.
 */
export function createJsonArrayFramer(eventBytesMax: number = limits.eventBytesMax): Framer {
  const queue = createByteQueue();
  let events: StreamEvent[] = [];
  let place: 'start' | 'between' | 'word' | 'string' | 'nested' = 'start';
  /** Open brackets and braces of the element. */
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  /** Where in the queue the element begins; -1: none has begun. */
  let elementAt = -1;

  /** Takes the byte at a place in the queue. `with` it an element is over, or `before` it. */
  function step(byte: number, at: number): 'with' | 'before' | null {
    if (place === 'start' || place === 'between') {
      const isOwn = place === 'start' && (byte === OPEN_BRACKET || isOrderMark(byte));
      if (isOwn || isSeparator(byte)) {
        if (byte === OPEN_BRACKET) place = 'between';
        return null;
      }
      elementAt = at;
      isInString = byte === QUOTE;
      depth = isOpening(byte) ? 1 : 0;
      place = isInString ? 'string' : depth > 0 ? 'nested' : 'word';
      return null;
    }
    if (place === 'word') return isSeparator(byte) ? over('before') : null;
    if (isInString) {
      if (isEscaped) isEscaped = false;
      else if (byte === BACKSLASH) isEscaped = true;
      else if (byte === QUOTE) {
        isInString = false;
        if (place === 'string') return over('with');
      }
      return null;
    }
    if (byte === QUOTE) isInString = true;
    else if (isOpening(byte)) depth++;
    else if (isClosing(byte) && --depth === 0) return over('with');
    return null;
  }

  function over(where: 'with' | 'before'): 'with' | 'before' {
    place = 'between';
    return where;
  }

  function take(count: number): Result<StreamEvent, BodyError> {
    if (count > eventBytesMax) return tooLarge(eventBytesMax);
    const event = readElement(queue.take(count), elementAt);
    elementAt = -1;
    return event;
  }

  function push(piece: Buffer): Result<readonly StreamEvent[], BodyError> {
    /** Bytes of the queue that stand before the piece; negative once events were cut off behind its start. */
    let before = queue.length;
    queue.add(piece);
    events = [];
    for (let i = 0; i < piece.length; i++) {
      const where = step(piece[i] ?? 0, before + i);
      if (where === null) continue;
      const end = where === 'with' ? i + 1 : i;
      const event = take(before + end);
      if (!event.ok) return event;
      events.push(event.value);
      before = -end;
    }
    return queue.length > eventBytesMax ? tooLarge(eventBytesMax) : ok(events);
  }

  function end(): Result<readonly StreamEvent[], BodyError> {
    if (queue.length === 0) return ok([]);
    const event = take(queue.length);
    return event.ok ? ok([event.value]) : event;
  }

  return { push, cut: () => events, end, write: writeElement };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;

function isOpening(byte: number): boolean {
  return byte === OPEN_BRACKET || byte === 0x7b;
}

function isClosing(byte: number): boolean {
  return byte === 0x5d || byte === 0x7d;
}

/** Comma, closing bracket and JSON's space: they stand between elements. */
function isSeparator(byte: number): boolean {
  return byte === 0x2c || byte === 0x5d || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Bytes of U+FEFF in UTF-8. */
function isOrderMark(byte: number): boolean {
  return byte === 0xef || byte === 0xbb || byte === 0xbf;
}

function tooLarge(eventBytesMax: number): Result<never, BodyError> {
  return err({ kind: 'body_too_large', message: `an element of the stream is larger than ${eventBytesMax} bytes` });
}

function readElement(bytes: Buffer, from: number): Result<StreamEvent, BodyError> {
  if (!isUtf8(bytes)) return err({ kind: 'invalid_utf8', message: 'an element of the stream is not valid UTF-8' });
  return ok({ bytes, event: null, payload: from < 0 ? null : bytes.toString('utf8', from) });
}

/** Elements have nothing behind them: what was not the payload stood before it. */
function writeElement(event: StreamEvent, payload: string): Buffer {
  const prefix = event.bytes.length - Buffer.byteLength(event.payload ?? '', 'utf8');
  return Buffer.concat([event.bytes.subarray(0, prefix), Buffer.from(payload, 'utf8')]);
}
