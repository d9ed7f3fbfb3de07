import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEventStreamFramer } from '../../../src/llm/eventstream.ts';
import { readFrame, stringHeaders, writeFrame } from '../../../src/llm/eventstream-frame.ts';
import type { StreamEvent } from '../../../src/llm/framing.ts';
import {
  checksum,
  encodeFrame,
  type FrameLine,
  frameOf,
  headersOf,
  readableFrames,
} from '../../support/eventstream.ts';

function drive(pieces: readonly Buffer[], eventBytesMax?: number): StreamEvent[] | string {
  const framer = createEventStreamFramer(eventBytesMax);
  const events: StreamEvent[] = [];
  for (const piece of pieces) {
    const pushed = framer.push(piece);
    if (!pushed.ok) return pushed.error.kind;
    events.push(...pushed.value);
  }
  const rest = framer.end();
  return rest.ok ? [...events, ...rest.value] : rest.error.kind;
}

function eventsOf(bytes: Buffer): StreamEvent[] {
  const events = drive([bytes]);
  if (typeof events === 'string') throw new Error(events);
  return events;
}

const line: fc.Arbitrary<FrameLine> = fc.oneof(
  fc.record({ event: fc.constantFrom('contentBlockDelta', 'messageStop'), payload: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ chunk: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ exception: fc.constant('throttlingException'), payload: fc.constant({ message: 'é😀' }) }),
);
const stream = fc.array(line, { maxLength: 5 }).map((lines) => lines.map(encodeFrame));

describe('binary frames', () => {
  test('the empty frame of the specification', () => {
    const frame = Buffer.from('000000100000000005c248eb7d98c8ff', 'hex');
    expect(writeFrame(Buffer.alloc(0), Buffer.alloc(0))).toEqual(frame);
    expect(eventsOf(frame)).toEqual([{ bytes: frame, event: null, payload: null }]);
  });

  test('a chunk as the service sends it is opened', () => {
    const frame = encodeFrame({ chunk: { type: 'ping' }, beside: { p: 'abcdefghijkl' } });
    expect(eventsOf(frame)).toEqual([{ bytes: frame, event: 'chunk', payload: '{"type":"ping"}' }]);
  });

  test('headers of every type are stepped over', () => {
    const others = Buffer.concat(
      [
        [0],
        [1],
        [2, 1],
        [3, 0, 1],
        [4, 0, 0, 0, 1],
        [5, 0, 0, 0, 0, 0, 0, 0, 1],
        [6, 0, 2, 7, 7],
        [8, 0, 0, 0, 0, 0, 0, 0, 1],
        [9, ...Array.from({ length: 16 }, () => 3)],
      ].map((value, i) => Buffer.from([1, 0x61 + i, ...value])),
    );
    const frame = frameOf(Buffer.concat([others, headersOf([[':event-type', 'late']])]), Buffer.from('{"a":1}'));
    expect(eventsOf(frame)).toEqual([{ bytes: frame, event: 'late', payload: '{"a":1}' }]);
  });

  test('headers that we write are read by others', () => {
    expect(stringHeaders({ ':event-type': 'x', ':content-type': 'application/json' })).toEqual(
      headersOf([
        [':event-type', 'x'],
        [':content-type', 'application/json'],
      ]),
    );
  });

  test('any cutting of the bytes yields the same events, which in a row are the stream', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat()), (frames, cuts) => {
        const bytes = Buffer.concat(frames);
        const marks = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
          (a, b) => a - b,
        );
        const pieces = marks.slice(1).map((mark, i) => bytes.subarray(marks[i] ?? 0, mark));
        const events = eventsOf(bytes);
        expect(drive(pieces)).toEqual(events);
        expect(Buffer.concat(events.map((event) => event.bytes))).toEqual(bytes);
        expect(events.map((event) => event.bytes)).toEqual(frames);
      }),
      { numRuns: 200 },
    );
  });

  test('an event written anew has its headers, another payload, and checksums that others accept', () => {
    fc.assert(
      fc.property(line, fc.json(), (given, payload) => {
        const frame = encodeFrame(given);
        const [event] = eventsOf(frame);
        if (event === undefined || event.payload === null) return;
        const written = createEventStreamFramer().write(event, payload);
        expect(readableFrames(written).endsWith(` ${payload}\n`)).toBe(true);
        const [before, after] = [readFrame(frame), readFrame(written)];
        expect(after.ok && before.ok && after.value.headers.equals(before.value.headers)).toBe(true);
        expect(eventsOf(written).map((again) => [again.event, again.payload])).toEqual([[event.event, payload]]);
        expect(createEventStreamFramer().write(event, event.payload)).toEqual(frame);
      }),
    );
  });

  test('beside the chunk nothing of its payload changes', () => {
    const frame = encodeFrame({ chunk: { a: 1 }, beside: { p: 'abc', q: 'é' } });
    const [event] = eventsOf(frame);
    if (event === undefined) throw new Error('no event');
    const written = createEventStreamFramer().write(event, '{"a":2}');
    expect(written).toEqual(encodeFrame({ chunk: { a: 2 }, beside: { p: 'abc', q: 'é' } }));
  });

  test('no damaged byte goes unnoticed', () => {
    const frame = encodeFrame({ event: 'contentBlockDelta', payload: { delta: { text: 'hello' } } });
    for (let at = 0; at < frame.length; at++) {
      for (const bit of [1, 128]) {
        const damaged = Buffer.from(frame);
        damaged[at] = (damaged[at] ?? 0) ^ bit;
        expect(drive([damaged])).toBe('invalid_framing');
      }
    }
  });

  test.each([
    { name: 'shorter than a frame can be', total: 15, headers: 0 },
    { name: 'with more headers than bytes', total: 20, headers: 5 },
  ])('a prelude $name is refused', ({ total, headers }) => {
    const frame = Buffer.from(frameOf(Buffer.alloc(0), Buffer.alloc(8)));
    frame.writeUInt32BE(total, 0);
    frame.writeUInt32BE(headers, 4);
    checksum(frame.subarray(0, 8)).copy(frame, 8);
    expect(createEventStreamFramer().push(frame)).toEqual({
      ok: false,
      error: { kind: 'invalid_framing', message: 'a prelude is impossible' },
    });
  });

  test.each([
    { name: 'name', bytes: [5, 0x61] },
    { name: 'type', bytes: [1, 0x61, 10] },
    { name: 'length', bytes: [1, 0x61, 7, 0] },
    { name: 'value', bytes: [1, 0x61, 7, 0, 9, 0x62] },
  ])('a header whose $name is broken is refused', ({ bytes }) => {
    expect(drive([frameOf(Buffer.from(bytes), Buffer.from('{}'))])).toBe('invalid_framing');
  });

  test('a payload in another encoding is refused', () => {
    const payload = Buffer.from([0x22, 0xc3, 0x28, 0x22]);
    expect(drive([frameOf(headersOf([[':event-type', 'x']]), payload)])).toBe('invalid_utf8');
    const chunk = Buffer.from(`{"bytes":"${payload.toString('base64')}"}`);
    expect(drive([frameOf(headersOf([[':event-type', 'chunk']]), chunk)])).toBe('invalid_utf8');
  });

  test.each(['YQ', 'YQ==\\n', '-_8=', 'Y Q=='])('a chunk in lenient Base64 is refused: %s', (bytes) => {
    const headers = headersOf([[':event-type', 'chunk']]);
    expect(drive([frameOf(headers, Buffer.from(`{"bytes":"${bytes}"}`))])).toBe('invalid_utf8');
  });

  test('bounds a frame before its bytes have come, and names half a frame', () => {
    const frame = encodeFrame({ event: 'x', payload: { text: 'a'.repeat(100) } });
    expect(drive([frame.subarray(0, 12)], frame.length - 1)).toBe('body_too_large');
    expect(drive([frame.subarray(0, 11)])).toBe('truncated');
    expect(drive([frame.subarray(0, -1)])).toBe('truncated');
    expect(drive([frame], frame.length)).toHaveLength(1);
  });
});
