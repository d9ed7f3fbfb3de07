import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import type { Detector } from '../../../src/detect/finding.ts';
import { limits } from '../../../src/lib/limits.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type Redaction } from '../../../src/mask/plan.ts';
import { createStreamTransform, type StreamTransform } from '../../../src/mask/stream-transform.ts';
import { createFakeDetector, fakeEntities } from '../../support/fake-detector.ts';
import { createFakeStreamReader } from '../../support/fake-stream-reader.ts';

const minter = createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: fakeEntities });
const card = '4111111111111111';
const token = minter.token('CREDIT_CARD', card);
const everything: readonly Redaction[] = [{ entity: '*', method: 'token' }];

function open(
  framing: 'sse' | 'ndjson' | 'text' = 'sse',
  redact = everything,
  held: number[] = [],
  detector: Detector = createFakeDetector(),
): StreamTransform {
  return createStreamTransform({
    framing,
    reader: createFakeStreamReader(),
    detector,
    plan: compilePlan(redact),
    minter,
    onHeldBack: (characters) => held.push(characters),
  });
}

function sse(...events: readonly object[]): string {
  return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
}

function ndjson(...events: readonly object[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}

function run(transform: StreamTransform, ...pieces: readonly string[]): string {
  const out = pieces.map((piece) => transform.push(Buffer.from(piece)));
  return Buffer.concat([...out, transform.finish()]).toString();
}

describe('events', () => {
  test.each([
    {
      name: 'a value in one event',
      given: sse({ text: { a: `pay ${card} now` } }, { end: true }),
      want: sse({ text: { a: `pay ${token} now` } }, { end: true }),
    },
    {
      name: 'a value over three events stands in the first',
      given: sse({ text: { a: 'pay 4111' } }, { text: { a: '11111111' } }, { text: { a: '1111 now' } }, { end: true }),
      want: sse({ text: { a: `pay ${token}` } }, { text: { a: '' } }, { text: { a: ' now' } }, { end: true }),
    },
    {
      name: 'two running texts, interleaved',
      given: sse(
        { text: { a: '41111111' } },
        { text: { b: '123-45' } },
        { text: { a: '11111111', b: '-6789' } },
        { end: 1 },
      ),
      want: sse(
        { text: { a: token } },
        { text: { b: minter.token('US_SSN', '123-45-6789') } },
        { text: { a: '', b: '' } },
        { end: 1 },
      ),
    },
    {
      name: 'a closed text is decided',
      given: sse({ text: { a: card } }, { text: { b: 'x' }, close: ['text.a'] }, { end: true }),
      want: sse({ text: { a: token } }, { text: { b: 'x' }, close: ['text.a'] }, { end: true }),
    },
    {
      name: 'a terminal copy agrees',
      given: sse({ text: { a: '4111' } }, { text: { a: '111111111111' } }, { close: ['text.a'], whole: `${card}` }),
      want: sse({ text: { a: token } }, { text: { a: '' } }, { close: ['text.a'], whole: token }),
    },
    {
      name: 'what depends on a changed text goes',
      given: sse(
        { text: { a: card }, logprobs: { 'text.a': [1], 'text.b': [2] } },
        { logprobs: { 'text.a': [3] }, end: 1 },
      ),
      want: sse(
        { text: { a: token }, logprobs: { 'text.a': null, 'text.b': [2] } },
        { logprobs: { 'text.a': null }, end: 1 },
      ),
    },
    {
      name: 'arguments in fragments: a number becomes a string',
      given: sse({ args: { a: '{"n":4111' } }, { args: { a: '111111111111,' } }, { args: { a: '"m":1}' } }, { end: 1 }),
      want: sse({ args: { a: `{"n":"${token}"` } }, { args: { a: ',' } }, { args: { a: '"m":1}' } }, { end: 1 }),
    },
    {
      name: 'arguments in fragments: a digit may be written as an escape, and that be cut',
      given: sse({ args: { a: '{"t":"\\u0034\\u00' } }, { args: { a: '3111111111111111"}' } }, { end: 1 }),
      want: sse({ args: { a: `{"t":"${token}` } }, { args: { a: '"}' } }, { end: 1 }),
    },
    {
      name: 'arguments whole, as a copy',
      given: sse({ copy: '{"n":4111111111111111,"t":"\\u0034111111111111111"}', end: 1 }),
      want: sse({ copy: `{"n":"${token}","t":"${token}"}`, end: 1 }),
    },
    {
      name: 'a stream that breaks off',
      given: sse({ text: { a: 'pay 4111' } }, { text: { a: '111111111111' } }),
      want: sse({ text: { a: `pay ${token}` } }, { text: { a: '' } }),
    },
    {
      name: 'a last event without its blank line',
      given: sse({ text: { a: 'pay 4111' } }, { text: { a: '111111111111' } }).slice(0, -1),
      want: sse({ text: { a: `pay ${token}` } }, { text: { a: '' } }).slice(0, -1),
    },
    {
      name: 'comments, names, ids and line ends stay',
      given: `: hello\r\n\r\nid: 7\r\nevent: x\r\ndata: {"text": {"a" : "${card}"}}\r\n\r\nretry: 5\n\n`,
      want: `: hello\r\n\r\nid: 7\r\nevent: x\r\ndata: {"text": {"a" : "${token}"}}\r\n\r\nretry: 5\n\n`,
    },
    {
      name: 'a comment is looked at too',
      given: `: ${card}\n\n`,
      want: `: ${token}\n\n`,
    },
    {
      name: 'a value on both sides of a close that came too early',
      given: sse({ text: { a: 'pay 41111111' }, close: ['text.a'] }, { text: { a: '11111111 now' } }, { end: 1 }),
      want: sse({ text: { a: 'pay 41111111' }, close: ['text.a'] }, { text: { a: `${token} now` } }, { end: 1 }),
    },
    {
      name: 'an empty text after the close',
      given: sse({ text: { a: card }, close: ['text.a'] }, { text: { a: '' } }, { end: 1 }),
      want: sse({ text: { a: token }, close: ['text.a'] }, { text: { a: '' } }, { end: 1 }),
    },
  ])('$name', ({ given, want }) => {
    expect(run(open(), given)).toBe(want);
    expect(run(open(), ...given)).toBe(want);
  });

  test('of NDJSON', () => {
    const given = ndjson({ text: { a: 'pay 4111' } }, { text: { a: '111111111111' } }, { end: 1 });
    const want = ndjson({ text: { a: `pay ${token}` } }, { text: { a: '' } }, { end: 1 });
    expect(run(open('ndjson'), given)).toBe(want);
    expect(run(open('ndjson'), ...given)).toBe(want);
  });

  test('are released as soon as their text is decided, and not before', () => {
    const transform = open();
    const first = sse({ text: { a: `${'x'.repeat(40)}4111` } });
    expect(transform.push(Buffer.from(first)).toString()).toBe('');
    const second = sse({ text: { a: 'y'.repeat(40) } });
    expect(transform.push(Buffer.from(second)).toString()).toBe(first);
    const third = sse({ text: { a: '' }, close: ['text.a'] });
    expect(transform.push(Buffer.from(third)).toString()).toBe(second + third);
    expect(transform.finish().toString()).toBe('');
  });

  test('hold nothing back when nothing is to be masked, and are counted all the same', () => {
    const transform = open('sse', []);
    const given = sse({ text: { a: card } }, { whole: card });
    expect(transform.push(Buffer.from(given)).toString()).toBe(given);
    transform.finish();
    expect(transform.summary()).toEqual({
      counts: [{ entity: 'CREDIT_CARD', method: null, count: 2 }],
      uninspected: [],
      omitted: [],
      isTouched: false,
      isTruncated: false,
      eventsReleased: 2,
      eventsHeldMax: 0,
      charactersHeldMax: 0,
    });
  });

  test('are summed up', () => {
    const held: number[] = [];
    const transform = open('sse', everything, held);
    const given = sse({ text: { a: 'pay 4111' } }, { text: { a: '111111111111' } }, { image: 1, whole: card, end: 1 });
    run(transform, given);
    expect(transform.summary()).toEqual({
      counts: [{ entity: 'CREDIT_CARD', method: 'token', count: 2 }],
      uninspected: [{ pointer: '/image', kind: 'image' }],
      omitted: [],
      isTouched: true,
      isTruncated: false,
      eventsReleased: 3,
      eventsHeldMax: 2,
      charactersHeldMax: 20,
    });
    expect(held).toEqual([12, 0]);
  });

  describe('behind a text that had no piece for long', () => {
    const detector = createDetector({ tier: 'core' });
    const others = Array.from({ length: 80 }, () => ({ text: { b: 'x ' } }));
    test.each([
      { name: 'go when its end is a plain word', tail: 'answer international.', isHeld: false },
      { name: 'go when its end is short', tail: 'answer 42', isHeld: false },
      { name: 'wait when its end may be a value', tail: 'answer 41111111', isHeld: true },
      { name: 'wait when its end may be a key', tail: 'answer ghp_abcDEF', isHeld: true },
    ])('$name', ({ tail, isHeld }) => {
      const transform = open('sse', everything, [], detector);
      const given = sse({ text: { a: `The ${tail}` } }, ...others);
      const out = transform.push(Buffer.from(given)).toString();
      expect(out === '').toBe(isHeld);
      expect(out + transform.finish().toString()).toBe(given);
    });

    test('the rest of a value that goes on after all is masked', () => {
      const given = sse({ text: { a: 'pay 4111' } }, ...others, { text: { a: '111111111111 now' } });
      const want = sse({ text: { a: 'pay 4111' } }, ...others, { text: { a: `${token} now` } });
      expect(run(open('sse', everything, [], detector), given)).toBe(want);
    });
  });

  test('a rest that breaks off inside of its JSON is not let out', () => {
    const transform = open();
    const whole = sse({ text: { a: 'hello' } });
    expect(run(transform, `${whole}data: {"text":{"a":"4111`)).toBe(whole);
    expect(transform.summary().isTruncated).toBe(true);
  });
});

describe('a stream that cannot be read', () => {
  test.each([
    { name: 'an event that is no JSON', bytes: Buffer.from('data: {"text":\n\n') },
    { name: 'ill-formed UTF-8', bytes: Buffer.from('data: {"text":{"a":"\xff"}}\n\n', 'latin1') },
    { name: 'an endless event', bytes: Buffer.from(`data: ${' '.repeat(limits.eventBytesMax)}`) },
    {
      name: 'too many running texts',
      bytes: Buffer.from(sse(...Array.from({ length: 1025 }, (_, i) => ({ text: { [`k${i}`]: 'x' } })))),
    },
    {
      name: 'too many events behind a held text',
      bytes: Buffer.from(
        sse({ text: { a: '41111111' } }, ...Array.from({ length: 16_384 }, () => ({ text: { b: 'x' } }))),
      ),
    },
    {
      name: 'too many bytes behind a held text',
      bytes: Buffer.from(
        sse({ text: { a: '41111111' } }, ...Array.from({ length: 9 }, () => ({ pad: 'x'.repeat(1_000_000) }))),
      ),
    },
  ])('$name is a fault, and what was held never goes out', ({ bytes }) => {
    const transform = open();
    expect(transform.push(Buffer.from(sse({ text: { z: '4111' } }))).toString()).toBe('');
    expect(() => transform.push(bytes)).toThrow(expect.objectContaining({ code: 'masking_failed' }));
    expect(() => transform.push(Buffer.from('\n\n'))).toThrow(expect.objectContaining({ code: 'masking_failed' }));
    expect(() => transform.finish()).toThrow(expect.objectContaining({ code: 'masking_failed' }));
  });
});

describe('what stood before an event that cannot be read', () => {
  const good = sse({ text: { a: `pay ${card} now.` } }, { end: true });
  const want = sse({ text: { a: `pay ${token} now.` } }, { end: true });

  test.each([
    { name: 'that is no JSON', bad: Buffer.from('data: {"text":\n\n') },
    { name: 'that is no UTF-8', bad: Buffer.from('data: {"text":{"a":"\xff"}}\n\n', 'latin1') },
  ])('goes out, however the stream was cut: one $name', ({ bad }) => {
    const stream = Buffer.concat([Buffer.from(good), Buffer.from(sse({ text: { b: '4111' } })), bad]);
    for (let cut = 0; cut < stream.length; cut++) {
      const transform = open();
      const first = transform.push(stream.subarray(0, cut));
      expect(() => transform.push(stream.subarray(cut))).toThrow(expect.objectContaining({ code: 'masking_failed' }));
      expect(`${first}${transform.proven()}`).toBe(want);
      expect(transform.proven()).toHaveLength(0);
    }
  });

  test('there is nothing more of where all went well', () => {
    const transform = open();
    expect(transform.push(Buffer.from(good)).toString()).toBe(want);
    expect(transform.proven()).toHaveLength(0);
  });
});

describe('a bound that is reached', () => {
  /** It never makes up its mind, or reports one value after the other. */
  function detectorThat(findings: number): Detector {
    return {
      ...createFakeDetector(),
      openStream: () => ({
        push: () => ({
          findings: Array.from({ length: findings }, (_, i) => ({
            entity: 'US_SSN',
            detector: 'x',
            start: i,
            end: i + 1,
            score: 1,
            continuation: false,
          })),
          decided: findings,
        }),
        close: () => ({ findings: [], decided: findings }),
      }),
    };
  }

  test('of text that waits is a fault', () => {
    const transform = open('text', everything, [], detectorThat(0));
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 8; i++) expect(transform.push(piece).length).toBe(0);
    expect(() => transform.push(piece)).toThrow(expect.objectContaining({ code: 'masking_failed' }));
  });

  test('of values in one stream is a fault', () => {
    const transform = open('text', [{ entity: '*', method: 'label' }], [], detectorThat(10_001));
    const piece = Buffer.alloc(20_000, ' ');
    expect(() => transform.push(piece)).toThrow(expect.objectContaining({ code: 'masking_failed' }));
  });
});

describe('plain text', () => {
  test.each([
    { name: 'nothing found', given: 'h\u00e9llo \ud83d\ude00 w\u00f6rld', want: 'h\u00e9llo \ud83d\ude00 w\u00f6rld' },
    { name: 'a byte order mark', given: '\ufeffhello', want: '\ufeffhello' },
    {
      name: 'a value',
      given: `pay \ud83d\ude00${card}\ud83d\ude00 now`,
      want: `pay \ud83d\ude00${token}\ud83d\ude00 now`,
    },
  ])('$name', ({ given, want }) => {
    expect(run(open('text'), given)).toBe(want);
    const transform = open('text');
    const bytes = [...Buffer.from(given)].map((byte) => transform.push(Buffer.from([byte])));
    expect(Buffer.concat([...bytes, transform.finish()]).toString()).toBe(want);
  });

  test('that is no UTF-8 is a fault', () => {
    const transform = open('text');
    expect(() => transform.push(Buffer.from([0xff]))).toThrow(expect.objectContaining({ code: 'masking_failed' }));
    expect(() => transform.finish()).toThrow(expect.objectContaining({ code: 'masking_failed' }));
  });

  test('that ends inside of a character loses that character', () => {
    const transform = open('text');
    const out = [transform.push(Buffer.from([0x61, 0xc3])), transform.finish()];
    expect(Buffer.concat(out).toString()).toBe('a');
    expect(transform.summary().isTruncated).toBe(true);
  });
});
