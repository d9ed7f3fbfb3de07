import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Framer, StreamEvent } from '../../../src/llm/framing.ts';
import { createJsonArrayFramer } from '../../../src/llm/json-array.ts';
import { createNdjsonFramer } from '../../../src/llm/ndjson.ts';
import { createSseFramer } from '../../../src/llm/sse.ts';

type Seen = readonly [bytes: string, event: string | null, payload: string | null];

function drive(framer: Framer, pieces: readonly Buffer[]): StreamEvent[] | string {
  const events: StreamEvent[] = [];
  for (const piece of pieces) {
    const pushed = framer.push(piece);
    if (!pushed.ok) return pushed.error.kind;
    events.push(...pushed.value);
  }
  const rest = framer.end();
  return rest.ok ? [...events, ...rest.value] : rest.error.kind;
}

function seen(framer: Framer, pieces: readonly Buffer[]): Seen[] | string {
  const events = drive(framer, pieces);
  if (typeof events === 'string') return events;
  return events.map(({ bytes, event, payload }) => [bytes.toString('utf8'), event, payload]);
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const marks = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return marks.slice(1).map((mark, i) => bytes.subarray(marks[i] ?? 0, mark));
}

const sseLine = fc.constantFrom(
  ...[
    'data: {"a":1}',
    'data:x',
    'data:',
    'data',
    'data:  two',
    'event: delta',
    'id: 7',
    ': ping',
    'retry: 10',
    'é: 😀',
    'datax: no',
    '',
  ],
);
const lineEnd = fc.constantFrom('\n', '\r', '\r\n');
const sseStream = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(sseLine, lineEnd), { maxLength: 12 }))
  .map(([mark, lines]) => Buffer.from((mark ? '\ufeff' : '') + lines.flat().join(''), 'utf8'));

describe('SSE', () => {
  test.each<{ name: string; stream: string; want: Seen[] }>([
    { name: 'nothing', stream: '', want: [] },
    {
      name: 'one data line each',
      stream: 'data: {"a":1}\n\ndata:[DONE]\n\n',
      want: [
        ['data: {"a":1}\n\n', null, '{"a":1}'],
        ['data:[DONE]\n\n', null, '[DONE]'],
      ],
    },
    {
      name: 'named, with id and comment, CRLF',
      stream: 'event: ping\r\nid: 1\r\n: hello\r\ndata: {}\r\n\r\n',
      want: [['event: ping\r\nid: 1\r\n: hello\r\ndata: {}\r\n\r\n', 'ping', '{}']],
    },
    {
      name: 'CR only',
      stream: 'data: a\r\rdata: b\r\r',
      want: [
        ['data: a\r\r', null, 'a'],
        ['data: b\r\r', null, 'b'],
      ],
    },
    {
      name: 'several data lines',
      stream: 'data: a\ndata:\ndata:  b\n\n',
      want: [['data: a\ndata:\ndata:  b\n\n', null, 'a\n\n b']],
    },
    {
      name: 'comments and blank lines alone',
      stream: ': ping\n\n\n\ndata: a\n\n',
      want: [
        [': ping\n\n', null, null],
        ['\n', null, null],
        ['\n', null, null],
        ['data: a\n\n', null, 'a'],
      ],
    },
    { name: 'a byte order mark', stream: '\ufeffdata: a\n\n', want: [['\ufeffdata: a\n\n', null, 'a']] },
    { name: 'no blank line at the end', stream: 'data: a\ndata: b', want: [['data: a\ndata: b', null, 'a\nb']] },
    {
      name: 'a line separator is no line end',
      stream: 'data: a\u2028b\n\n',
      want: [['data: a\u2028b\n\n', null, 'a\u2028b']],
    },
    {
      name: 'the last event name counts',
      stream: 'event: a\nevent: b\ndata: x\n\n',
      want: [['event: a\nevent: b\ndata: x\n\n', 'b', 'x']],
    },
  ])('$name', ({ stream, want }) => {
    expect(seen(createSseFramer(), [Buffer.from(stream, 'utf8')])).toEqual(want);
  });

  test('any cutting of the bytes yields the same events', () => {
    fc.assert(
      fc.property(sseStream, fc.array(fc.nat()), (stream, cuts) => {
        const whole = seen(createSseFramer(), [stream]);
        expect(seen(createSseFramer(), cutAt(stream, cuts))).toEqual(whole);
        expect(
          seen(
            createSseFramer(),
            [...stream].map((byte) => Buffer.from([byte])),
          ),
        ).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  test('the events in a row are the stream', () => {
    fc.assert(
      fc.property(sseStream, (stream) => {
        const events = drive(createSseFramer(), [stream]);
        if (typeof events === 'string') throw new Error(events);
        expect(Buffer.concat(events.map(({ bytes }) => bytes))).toEqual(stream);
      }),
    );
  });

  test('an event written with its own payload carries it, and its other lines are untouched', () => {
    fc.assert(
      fc.property(sseStream, (stream) => {
        const framer = createSseFramer();
        const events = drive(framer, [stream]);
        if (typeof events === 'string') throw new Error(events);
        for (const event of events) {
          if (event.payload === null) continue;
          const written = seen(createSseFramer(), [framer.write(event, event.payload)]);
          expect(written).toHaveLength(1);
          expect(written[0]?.slice(1)).toEqual([event.event, event.payload]);
          const other = (text: string | undefined): string =>
            (text ?? '').replace(/(^|[\n\r])\ufeff?data(:[^\r\n]*)?/g, '$1data');
          expect(other(String(written[0]?.[0]))).toBe(other(event.bytes.toString('utf8')));
        }
      }),
    );
  });

  test.each([
    { name: 'one line', bytes: 'data: {"a":"x"}\n\n', payload: '{"a":"y"}', want: 'data: {"a":"y"}\n\n' },
    {
      name: 'no space',
      bytes: 'event: e\r\ndata:{}\r\nid: 1\r\n\r\n',
      payload: '[]',
      want: 'event: e\r\ndata:[]\r\nid: 1\r\n\r\n',
    },
    { name: 'fewer lines', bytes: 'data: a\ndata: b\n\n', payload: 'c', want: 'data: c\n\n' },
    { name: 'more lines', bytes: 'data: a\r\r', payload: 'b\nc', want: 'data: b\rdata: c\r\r' },
    {
      name: 'a payload that would end the event',
      bytes: 'data: a\n\n',
      payload: 'b\n\nc',
      want: 'data: b\ndata: \ndata: c\n\n',
    },
    { name: 'no line end', bytes: 'data: a', payload: 'b\nc', want: 'data: b\ndata: c' },
    { name: 'a field without colon', bytes: 'data\n\n', payload: 'b', want: 'data:b\n\n' },
  ])('writes $name', ({ bytes, payload, want }) => {
    const framer = createSseFramer();
    const events = drive(framer, [Buffer.from(bytes)]);
    const [event] = typeof events === 'string' ? [] : events;
    if (event === undefined) throw new Error('no event');
    expect(framer.write(event, payload).toString('utf8')).toBe(want);
  });

  test('bounds an event, in one piece and in many', () => {
    const event = Buffer.from(`data: ${'a'.repeat(100)}\n\n`);
    expect(seen(createSseFramer(event.length), [event, event])).toHaveLength(2);
    expect(seen(createSseFramer(event.length - 1), [event])).toBe('body_too_large');
    expect(seen(createSseFramer(50), cutAt(event, [40, 80]))).toBe('body_too_large');
  });

  test('refuses ill-formed UTF-8, cut or not', () => {
    const stream = Buffer.concat([Buffer.from('data: '), Buffer.from([0xc3, 0x28]), Buffer.from('\n\n')]);
    expect(seen(createSseFramer(), [stream])).toBe('invalid_utf8');
    expect(seen(createSseFramer(), cutAt(stream, [7]))).toBe('invalid_utf8');
  });
});

describe('NDJSON', () => {
  test('cuts lines, keeps their ends', () => {
    expect(seen(createNdjsonFramer(), [Buffer.from('{"a":1}\n{"b":"é"}\r\n\n  \r\n{"c":3}')])).toEqual([
      ['{"a":1}\n', null, '{"a":1}'],
      ['{"b":"é"}\r\n', null, '{"b":"é"}'],
      ['\n', null, null],
      ['  \r\n', null, null],
      ['{"c":3}', null, '{"c":3}'],
    ]);
  });

  test('any cutting of the bytes yields the same lines', () => {
    const line = fc.constantFrom('{"a":1}', '{"é":"😀"}', '', ' ', '\r');
    const stream = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r\n')))
      .map((lines) => Buffer.from(lines.flat().join(''), 'utf8'));
    fc.assert(
      fc.property(stream, fc.array(fc.nat()), (bytes, cuts) => {
        expect(seen(createNdjsonFramer(), cutAt(bytes, cuts))).toEqual(seen(createNdjsonFramer(), [bytes]));
      }),
    );
  });

  test.each([
    { bytes: '{"a":1}\r\n', payload: '{"a":2}', want: '{"a":2}\r\n' },
    { bytes: '{"a":1}\n', payload: '{\n"a":2}', want: '{ "a":2}\n' },
    { bytes: '{"a":1}', payload: '{"a":2}', want: '{"a":2}' },
  ])('writes $payload in place of $bytes', ({ bytes, payload, want }) => {
    const framer = createNdjsonFramer();
    const events = drive(framer, [Buffer.from(bytes)]);
    const [event] = typeof events === 'string' ? [] : events;
    if (event === undefined) throw new Error('no event');
    expect(framer.write(event, payload).toString('utf8')).toBe(want);
  });

  test('bounds a line', () => {
    expect(seen(createNdjsonFramer(10), [Buffer.from('{"a":12345678}\n')])).toBe('body_too_large');
    expect(seen(createNdjsonFramer(10), [Buffer.from('{"a":1'), Buffer.from('2345678')])).toBe('body_too_large');
  });
});

describe('JSON array', () => {
  test.each<{ name: string; stream: string; want: Seen[] }>([
    { name: 'nothing', stream: '', want: [] },
    { name: 'an empty array', stream: '[ ]\n', want: [['[ ]\n', null, null]] },
    {
      name: 'elements with what stands between them',
      stream: '[{"a":"]},\\"{"}\n,\r\n{"b":[[1],{}]} , {}]\n',
      want: [
        ['[{"a":"]},\\"{"}', null, '{"a":"]},\\"{"}'],
        ['\n,\r\n{"b":[[1],{}]}', null, '{"b":[[1],{}]}'],
        [' , {}', null, '{}'],
        [']\n', null, null],
      ],
    },
    {
      name: 'elements that are no objects',
      stream: '["a\\\\",1.5 ,null,[[2]],"b"]',
      want: [
        ['["a\\\\"', null, '"a\\\\"'],
        [',1.5', null, '1.5'],
        [' ,null', null, 'null'],
        [',[[2]]', null, '[[2]]'],
        [',"b"', null, '"b"'],
        [']', null, null],
      ],
    },
    {
      name: 'an array in the array',
      stream: '[[1],[2]]',
      want: [
        ['[[1]', null, '[1]'],
        [',[2]', null, '[2]'],
        [']', null, null],
      ],
    },
    {
      name: 'no array, behind a byte order mark',
      stream: '\ufeff{"error":{"code":403}}\n',
      want: [
        ['\ufeff{"error":{"code":403}}', null, '{"error":{"code":403}}'],
        ['\n', null, null],
      ],
    },
    { name: 'an element that breaks off', stream: '[{"a":"b', want: [['[{"a":"b', null, '{"a":"b']] },
    {
      name: 'no JSON',
      stream: 'some words] more',
      want: [
        ['some', null, 'some'],
        [' words', null, 'words'],
        ['] more', null, 'more'],
      ],
    },
  ])('$name', ({ stream, want }) => {
    expect(seen(createJsonArrayFramer(), [Buffer.from(stream, 'utf8')])).toEqual(want);
  });

  const element = fc.oneof(fc.json({ maxDepth: 3 }), fc.constantFrom('{"é":"😀\\u0041]"}', '{}', '[[]]', '"\\\\"'));
  const array = fc
    .tuple(
      fc.array(fc.tuple(element, fc.constantFrom(',', ' ,\n', ',\r\n', '\n,\t')), { maxLength: 5 }),
      fc.constantFrom(']', '\n]\n', ''),
    )
    .map(([elements, end]) => Buffer.from(`[${elements.map((pair) => pair.join('')).join('')}${end}`, 'utf8'));

  test('any cutting of the bytes yields the same elements, which in a row are the stream', () => {
    fc.assert(
      fc.property(array, fc.array(fc.nat()), (bytes, cuts) => {
        const whole = seen(createJsonArrayFramer(), [bytes]);
        expect(seen(createJsonArrayFramer(), cutAt(bytes, cuts))).toEqual(whole);
        const events = drive(createJsonArrayFramer(), [bytes]);
        if (typeof events === 'string') throw new Error(events);
        expect(Buffer.concat(events.map((event) => event.bytes))).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  test('the payloads are the elements, and one written anew leaves the rest as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.json({ maxDepth: 3 }), { minLength: 1, maxLength: 4 }), (elements) => {
        const framer = createJsonArrayFramer();
        const events = drive(framer, [Buffer.from(`[${elements.join(' ,\n')}\n]`, 'utf8')]);
        if (typeof events === 'string') throw new Error(events);
        expect(events.flatMap(({ payload }) => payload ?? [])).toEqual(elements);
        const written = events.map((event) => (event.payload === null ? event.bytes : framer.write(event, '{"é":1}')));
        expect(Buffer.concat(written).toString('utf8')).toBe(`[${elements.map(() => '{"é":1}').join(' ,\n')}\n]`);
      }),
    );
  });

  test('bounds an element, and refuses ill-formed UTF-8', () => {
    expect(seen(createJsonArrayFramer(10), [Buffer.from('[{"a":12345678}]')])).toBe('body_too_large');
    expect(seen(createJsonArrayFramer(10), cutAt(Buffer.from('[{"a":12345678}]'), [6, 12]))).toBe('body_too_large');
    expect(seen(createJsonArrayFramer(), [Buffer.from([0x5b, 0x22, 0xc3, 0x28, 0x22])])).toBe('invalid_utf8');
  });
});
