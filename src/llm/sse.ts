import { isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import { createByteQueue, type Framer, type StreamEvent } from './framing.ts';

/**
 * Server-sent events (WHATWG HTML section 9.2), byte-exact. Lines end with LF, CR or CRLF; a blank line ends an event. When a
 * blank line's CR is the last byte there is, the event waits for one byte more, because an LF would belong to it: so every
 * cutting of the stream yields the same events. Unlike a browser, `end` reports an event that lacks its blank line, and a byte
 * order mark is stepped over on any line: the official SDKs do both.
 */
export function createSseFramer(eventBytesMax: number = limits.eventBytesMax): Framer {
  const queue = createByteQueue();
  let events: StreamEvent[] = [];
  let isLineEmpty = true;
  let isAfterCr = false;
  /** A blank line ended with CR: the event is over, with or without the next byte. */
  let isOver = false;

  function take(count: number): Result<StreamEvent, BodyError> {
    return count > eventBytesMax ? tooLarge(eventBytesMax) : readSseEvent(queue.take(count));
  }

  function push(piece: Buffer): Result<readonly StreamEvent[], BodyError> {
    /** Bytes of the queue that stand before the piece; negative once events were cut off behind its start. */
    let before = queue.length;
    queue.add(piece);
    events = [];
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i];
      let end = -1;
      if (isOver) {
        isOver = false;
        end = byte === LF ? i + 1 : i;
        i = end - 1;
        isAfterCr = false;
      } else if (byte === LF) {
        if (!isAfterCr && isLineEmpty) end = i + 1;
        isAfterCr = false;
        isLineEmpty = true;
      } else if (byte === CR) {
        isOver = isLineEmpty;
        isAfterCr = true;
        isLineEmpty = true;
      } else {
        isAfterCr = false;
        isLineEmpty = false;
      }
      if (end < 0) continue;
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

  return { push, cut: () => events, end, write: writeSseEvent };
}

const LF = 0x0a;
const CR = 0x0d;

function tooLarge(eventBytesMax: number): Result<never, BodyError> {
  return err({ kind: 'body_too_large', message: `an event of the stream is larger than ${eventBytesMax} bytes` });
}

function readSseEvent(bytes: Buffer): Result<StreamEvent, BodyError> {
  if (!isUtf8(bytes)) return err({ kind: 'invalid_utf8', message: 'an event of the stream is not valid UTF-8' });
  const text = bytes.toString('utf8');
  // Nearly every event of a model's stream is one `data:` line.
  if (text.startsWith('data:') && text.indexOf('\n') === text.length - 2 && !text.includes('\r')) {
    const from = text.charCodeAt(5) === 0x20 ? 6 : 5;
    return ok({ bytes, event: null, payload: text.slice(from, -2) });
  }
  let event: string | null = null;
  const data: string[] = [];
  for (const { text: line } of splitLines(text)) {
    const field = readField(line);
    if (field.name === 'data') data.push(field.value);
    else if (field.name === 'event') event = field.value;
  }
  return ok({ bytes, event, payload: data.length > 0 ? data.join('\n') : null });
}

/**
 * The event with its `data:` lines rewritten to carry `payload`, every other line untouched. Line ends and the spelling
 * (`data:` or `data: `) are those of the lines replaced; surplus lines of the payload repeat the last one's.
 */
function writeSseEvent(event: StreamEvent, payload: string): Buffer {
  const lines = splitLines(event.bytes.toString('utf8'));
  const payloadLines = payload.split(/\r\n|\r|\n/);
  let dataLinesLeft = lines.filter((line) => readField(line.text).name === 'data').length;
  const parts: string[] = [];
  for (const { text, ending } of lines) {
    const field = readField(text);
    if (field.name !== 'data') {
      parts.push(text, ending);
      continue;
    }
    const prefix = text.includes(':') ? text.slice(0, text.length - field.value.length) : `${text}:`;
    const taken = payloadLines.splice(0, --dataLinesLeft === 0 ? payloadLines.length : 1);
    parts.push(taken.map((line) => prefix + line).join(ending === '' ? '\n' : ending));
    if (taken.length > 0) parts.push(ending);
  }
  return Buffer.from(parts.join(''), 'utf8');
}

interface Line {
  readonly text: string;
  /** `\n`, `\r`, `\r\n`, or nothing at the end of the stream. */
  readonly ending: string;
}

function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  for (const match of text.matchAll(/([^\r\n]*)(\r\n|\r|\n|$)/g)) {
    if (match[0] !== '') lines.push({ text: match[1] ?? '', ending: match[2] ?? '' });
  }
  return lines;
}

function readField(line: string): { readonly name: string; readonly value: string } {
  const from = line.charCodeAt(0) === 0xfeff ? 1 : 0;
  const colon = line.indexOf(':', from);
  if (colon < 0) return { name: line.slice(from), value: '' };
  return {
    name: line.slice(from, colon),
    value: line.slice(line.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1),
  };
}
