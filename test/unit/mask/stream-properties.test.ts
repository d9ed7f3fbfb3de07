import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import type { Masking } from '../../../src/mask/decider.ts';
import { createJsonStreamMasker, maskJsonText } from '../../../src/mask/json-stream-masker.ts';
import { maskText } from '../../../src/mask/mask-text.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type MaskMethod, type Redaction } from '../../../src/mask/plan.ts';
import { createTextStreamMasker, type StreamMasker } from '../../../src/mask/stream-masker.ts';
import { createStreamTransform } from '../../../src/mask/stream-transform.ts';
import { createTally } from '../../../src/mask/tally.ts';
import { createFakeStreamReader } from '../../support/fake-stream-reader.ts';
import { cut, pieceSizes, sensitiveTexts, sensitiveValues } from '../../support/sensitive-texts.ts';

const detector = createDetector({ tier: 'core' });
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(rules.map((rule) => rule.entity)),
});
const methods = fc.constantFrom<MaskMethod>('token', 'surrogate', 'label', 'hash', 'partial', 'drop');

function maskingOf(method: MaskMethod): Masking {
  return { detector, minter, plan: compilePlan([{ entity: '*', method }]), tally: createTally() };
}

/** The masked text of a whole, by the batch path. */
function batch(text: string, { plan }: Masking): string {
  return maskText(text, detector.scan(text).findings, 'assistant', plan, minter).text;
}

/** The same by the stream path: pushed in pieces, taken at every step as far as it is decided. */
function streamed(masker: StreamMasker, pieces: readonly string[]): string {
  let out = '';
  let taken = 0;
  const text = pieces.join('');
  function take(): void {
    const to = masker.decided();
    out += masker.take(to) ?? text.slice(taken, to);
    taken = to;
  }
  for (const piece of pieces) {
    masker.push(piece);
    take();
  }
  masker.close();
  take();
  expect(taken).toBe(text.length);
  return out;
}

describe('a running text', () => {
  test('is masked in pieces as it is in one', () => {
    fc.assert(
      fc.property(sensitiveTexts, pieceSizes, methods, (text, sizes, method) => {
        const masking = maskingOf(method);
        expect(streamed(createTextStreamMasker(masking, 'assistant'), cut(text, sizes))).toBe(batch(text, masking));
      }),
      { numRuns: 100 },
    );
  });

  test('is masked once: masking it again changes nothing', () => {
    // Values far apart: of two that touch, the second may only be seen when the first is gone.
    const apart = fc
      .array(fc.constantFrom(...sensitiveValues), { maxLength: 6 })
      .map((values) => values.join('; and then, '));
    fc.assert(
      fc.property(apart, pieceSizes, (text, sizes) => {
        const masking = maskingOf('token');
        const once = streamed(createTextStreamMasker(masking, 'assistant'), cut(text, sizes));
        expect(streamed(createTextStreamMasker(masking, 'assistant'), cut(once, sizes))).toBe(once);
      }),
      { numRuns: 100 },
    );
  });
});

/** JSON text of any value, and the same with escapes where none are needed. */
const jsonPairs = fc
  .tuple(
    fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        sensitiveTexts,
        fc.constantFrom<unknown>(4111111111111111, 536904399, -4111111111111111, 0.5, 41e20, true, null, ''),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(sensitiveTexts, fc.constantFrom('card', 'password', 'n')), tie('value'), { maxKeys: 3 }),
      ),
    })).value,
    fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }),
    fc.constantFrom('', ' ', '\n  '),
  )
  .map(([value, gaps, space]) => {
    const json = JSON.stringify(value, null, space);
    return { json, escaped: escapeSome(json, gaps) };
  });
const jsonTexts = jsonPairs.map(({ escaped }) => escaped);

/** Writes every so many characters of string contents as a `\u` escape. */
function escapeSome(json: string, gaps: readonly number[]): string {
  let count = 0;
  let gap = 0;
  return json.replace(/"(?:[^"\\]|\\.)*"/g, (literal) =>
    literal.replace(/\\.|[^"\\]/g, (unit) => {
      if (unit.startsWith('\\') || ++count < (gaps[gap % gaps.length] ?? 1)) return unit;
      count = 0;
      gap++;
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
    }),
  );
}

describe('JSON in pieces', () => {
  test('stays valid, and is masked in pieces as in one', () => {
    fc.assert(
      fc.property(jsonTexts, pieceSizes, methods, (json, sizes, method) => {
        const masking = maskingOf(method);
        const whole = maskJsonText(json, masking, 'assistant');
        expect(streamed(createJsonStreamMasker(masking, 'assistant'), cut(json, sizes))).toBe(whole);
        expect(() => JSON.parse(whole)).not.toThrow();
      }),
      { numRuns: 100 },
    );
  });

  test('is masked the same however its characters are written', () => {
    fc.assert(
      fc.property(jsonPairs, methods, ({ json, escaped }, method) => {
        const masked = (text: string) => JSON.parse(maskJsonText(text, maskingOf(method), 'assistant'));
        expect(masked(escaped)).toEqual(masked(json));
      }),
      { numRuns: 100 },
    );
  });

  test('need not be valid', () => {
    fc.assert(
      fc.property(sensitiveTexts, pieceSizes, methods, (text, sizes, method) => {
        const masking = maskingOf(method);
        const whole = maskJsonText(text, masking, 'assistant');
        expect(streamed(createJsonStreamMasker(masking, 'assistant'), cut(text, sizes))).toBe(whole);
      }),
      { numRuns: 100 },
    );
  });
});

/** What one stream says: some running texts (plain or arguments), the sizes of their pieces, the order in which they come. */
const streams = fc.record({
  texts: fc.array(sensitiveTexts, { minLength: 1, maxLength: 3 }),
  args: fc.array(jsonTexts, { maxLength: 2 }),
  sizes: pieceSizes,
  order: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 30 }),
  copies: fc.boolean(),
  ending: fc.constantFrom('end', 'close', 'cut'),
});

interface Told {
  readonly body: Buffer;
  /** Running texts by key, whole. */
  readonly texts: ReadonlyMap<string, string>;
}

function tell(given: typeof streams extends fc.Arbitrary<infer T> ? T : never, framing: 'sse' | 'ndjson'): Told {
  const texts = new Map([
    ...given.texts.map((text, i): [string, string] => [`text.${i}`, text]),
    ...given.args.map((text, i): [string, string] => [`args.${i}`, text]),
  ]);
  const queues = [...texts].map(([key, text]) => ({ key, pieces: cut(text, given.sizes) }));
  const events: object[] = [];
  for (let i = 0; queues.some((queue) => queue.pieces.length > 0); i++) {
    const at = (given.order[i % given.order.length] ?? 0) + Math.floor(i / given.order.length);
    const queue = queues[at % queues.length];
    const piece = queue?.pieces.shift();
    if (queue === undefined || piece === undefined) continue;
    const [kind = '', name = ''] = queue.key.split('.');
    events.push({ [kind]: { [name]: piece }, logprobs: { [queue.key]: [piece] } });
  }
  if (given.ending === 'close') events.push({ close: [...texts.keys()] });
  if (given.copies) for (const [key, text] of texts) events.push({ [key.startsWith('args') ? 'copy' : 'whole']: text });
  if (given.ending === 'end') events.push({ end: true });
  const lines = events.map((event) =>
    framing === 'sse' ? `data: ${JSON.stringify(event)}\n\n` : `${JSON.stringify(event)}\n`,
  );
  return { body: Buffer.from(lines.join('')), texts };
}

function transformed(
  pieces: readonly Buffer[],
  framing: 'sse' | 'ndjson' | 'text',
  redact: readonly Redaction[],
): Buffer {
  const transform = createStreamTransform({
    framing,
    reader: createFakeStreamReader(),
    detector,
    plan: compilePlan(redact),
    minter,
    onHeldBack: () => {},
  });
  return Buffer.concat([...pieces.map((piece) => transform.push(piece)), transform.finish()]);
}

/** The running texts and the whole copies that a client puts together from a body. */
function heard(body: Buffer, framing: 'sse' | 'ndjson') {
  const texts = new Map<string, string>();
  const copies: string[] = [];
  const events = body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(framing === 'sse' ? line.slice('data: '.length) : line));
  for (const event of events) {
    for (const kind of ['text', 'args']) {
      for (const [name, piece] of Object.entries(event[kind] ?? {})) {
        texts.set(`${kind}.${name}`, (texts.get(`${kind}.${name}`) ?? '') + piece);
      }
    }
    for (const copy of [event.whole, event.copy]) if (copy !== undefined) copies.push(copy);
  }
  const logprobs = (key: string): string[] => events.map((event) => event.logprobs?.[key]?.[0] ?? '');
  return { texts, copies, logprobs };
}

describe('a stream', () => {
  const framings = fc.constantFrom<'sse' | 'ndjson'>('sse', 'ndjson');

  test('says in pieces what its texts say masked, in every copy, whatever the cutting of its bytes', () => {
    fc.assert(
      fc.property(streams, framings, pieceSizes, methods, (given, framing, sizes, method) => {
        const { body, texts } = tell(given, framing);
        const redact = [{ entity: '*', method }];
        const out = transformed([body], framing, redact);
        expect(transformed(cut<Buffer>(body, sizes), framing, redact).toString()).toBe(out.toString());
        const masking = maskingOf(method);
        const want = new Map(
          [...texts]
            .filter(([, text]) => text !== '')
            .map(([key, text]) => [
              key,
              key.startsWith('args') ? maskJsonText(text, masking, 'assistant') : batch(text, masking),
            ]),
        );
        const got = heard(out, framing);
        expect(new Map([...got.texts].sort())).toEqual(new Map([...want].sort()));
        if (given.copies) {
          expect(got.copies).toEqual([...texts.keys()].map((key) => want.get(key) ?? ''));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('never lets out eight characters of a value', () => {
    fc.assert(
      fc.property(streams, framings, pieceSizes, (given, framing, sizes) => {
        const { body, texts } = tell(given, framing);
        const got = heard(transformed(cut<Buffer>(body, sizes), framing, [{ entity: '*', method: 'label' }]), framing);
        for (const [key, text] of texts) {
          if (key.startsWith('args')) continue;
          const masked = batch(text, maskingOf('label'));
          for (const { start, end } of detector.scan(text).findings) {
            for (let at = start; at + 8 <= end; at++) {
              const run = text.slice(at, at + 8);
              // The same characters may stand elsewhere in the text as no part of any value.
              if (masked.includes(run) || minter.covers(text, start, end)) continue;
              expect(got.texts.get(key)).not.toContain(run);
              expect(got.logprobs(key).join('\0')).not.toContain(run);
            }
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test('without values to mask goes out byte for byte', () => {
    fc.assert(
      fc.property(streams, framings, pieceSizes, (given, framing, sizes) => {
        const { body } = tell(given, framing);
        expect(transformed(cut<Buffer>(body, sizes), framing, []).equals(body)).toBe(true);
        expect(transformed(cut<Buffer>(body, sizes), framing, [{ entity: 'NONE', method: 'drop' }]).equals(body)).toBe(
          true,
        );
      }),
      { numRuns: 100 },
    );
  });

  test('of plain text is masked as the whole, whatever the cutting', () => {
    fc.assert(
      fc.property(sensitiveTexts, pieceSizes, methods, (text, sizes, method) => {
        const wellFormed = text.toWellFormed();
        const out = transformed(cut<Buffer>(Buffer.from(wellFormed), sizes), 'text', [{ entity: '*', method }]);
        expect(out.toString()).toBe(batch(wellFormed, maskingOf(method)));
      }),
      { numRuns: 100 },
    );
  });
});
