import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import type { StreamFraming } from '../../../src/llm/dialect.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createRestorables } from '../../../src/mask/restorables.ts';
import { createRestoringTransform, createStreamTransform } from '../../../src/mask/stream-transform.ts';
import { readable, streamCases, streamOf } from '../../support/llm-cases.ts';

const select = createDialects();
const detector = createDetector({ tier: 'core' });
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(['CREDIT_CARD', 'EMAIL_ADDRESS']),
});
const card = minter.token('CREDIT_CARD', '4111 1111 1111 1111');
const password = minter.token('SECRET_PASSWORD', 'a"b');

/** The stream, masked and then restored, fed in pieces of these sizes. */
function through(path: string, framing: StreamFraming, body: Buffer, sizes: readonly number[]): string {
  const restorables = createRestorables([{ entity: '*', tools: true }]);
  restorables.add(card, 'CREDIT_CARD', '4111 1111 1111 1111');
  restorables.add(password, 'SECRET_PASSWORD', 'a"b');
  const restorer = restorables.forAnswer([]);
  if (restorer === null) throw new Error('nothing to restore');
  const dialect = select({ method: 'POST', path, header: () => null }, 'application/json');
  const plan = compilePlan([{ entity: '*', method: 'label' }]);
  const masking = createStreamTransform({
    framing,
    reader: dialect.openStream(),
    detector,
    plan,
    minter,
    onHeldBack: () => {},
  });
  const restoring = createRestoringTransform({ framing, reader: dialect.openStream(), restorer });
  let out = '';
  for (let at = 0, i = 0; at < body.length; i++) {
    const to = at + (sizes[i % sizes.length] ?? 1);
    out += restoring.push(masking.push(body.subarray(at, to))).toString();
    at = to;
  }
  return out + restoring.push(masking.finish()).toString() + restoring.finish().toString();
}

/** The text in pieces of a few characters. */
function pieces(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size));
}

const said = `Card ${card} is valid, mail other@example.org, ${card.slice(0, -1)}~ is none.`;
const wantSaid = `Card 4111 1111 1111 1111 is valid, mail EMAIL_ADDRESS_REDACTED, ${card.slice(0, -1)}~ is none.`;
const args = JSON.stringify({ number: card, password });
const wantArgs = { number: '4111 1111 1111 1111', password: 'a"b' };

const openai = (size: number): string =>
  [
    ...pieces(said, size).map((content) => ({ choices: [{ index: 0, delta: { content } }] })),
    ...pieces(args, size).map((piece) => ({
      choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: piece } }] } }],
    })),
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .join('')
    .concat('data: [DONE]\n\n');

const anthropic = (size: number): string =>
  [
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...pieces(said, size).map((text) => ({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text },
    })),
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't', name: 'pay', input: {} } },
    ...pieces(args, size).map((partial_json) => ({
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'input_json_delta', partial_json },
    })),
    { type: 'content_block_stop', index: 1 },
    { type: 'message_stop' },
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join('');

const ollama = (size: number): string =>
  [...pieces(said, size).map((content) => ({ message: { role: 'assistant', content }, done: false })), { done: true }]
    .map((event) => `${JSON.stringify(event)}\n`)
    .join('');

/** All values of string members of this name, in order, joined. */
function joined(stream: string, member: string): string {
  const found = [...stream.matchAll(new RegExp(`"${member}":("(?:[^"\\\\]|\\\\.)*")`, 'g'))];
  return found.map(([, literal]) => JSON.parse(literal ?? '""') as string).join('');
}

describe('a stream is restored however its text and its bytes are cut', () => {
  test.each<{
    path: string;
    framing: StreamFraming;
    stream: (size: number) => string;
    text: string;
    json: string | null;
  }>([
    { path: '/v1/chat/completions', framing: 'sse', stream: openai, text: 'content', json: 'arguments' },
    { path: '/v1/messages', framing: 'sse', stream: anthropic, text: 'text', json: 'partial_json' },
    { path: '/api/chat', framing: 'ndjson', stream: ollama, text: 'content', json: null },
  ])('$path', ({ path, framing, stream, text, json }) => {
    const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), sizes, (size, cuts) => {
        const out = through(path, framing, Buffer.from(stream(size)), cuts);
        expect(joined(out, text)).toBe(wantSaid);
        if (json !== null) expect(JSON.parse(joined(out, json))).toEqual(wantArgs);
      }),
      { numRuns: 40 },
    );
  });

  test.each(streamCases)('$name: masked and restored, wherever it is cut', (given) => {
    const restorables = createRestorables([{ entity: '*', tools: true }]);
    const entities = new Set(rules.map((rule) => rule.entity));
    const own = createMinter({ key: Buffer.alloc(32, 2), scope: 's', entities, onReversible: restorables.add });
    const masking = createStreamTransform({
      framing: given.framing,
      reader: given.create().openStream(),
      detector,
      plan: compilePlan([{ entity: '*', method: 'token' }]),
      minter: own,
      onHeldBack: () => {},
    });
    const masked = Buffer.concat([masking.push(streamOf(given)), masking.finish()]);
    const restore = (pieces: readonly Buffer[]): Buffer => {
      const restorer = restorables.forAnswer([]);
      if (restorer === null) throw new Error('nothing to restore');
      const transform = createRestoringTransform({
        framing: given.framing,
        reader: given.create().openStream(),
        restorer,
      });
      const out = Buffer.concat([...pieces.map((piece) => transform.push(piece)), transform.finish()]);
      expect(restorer.counts().length).toBeGreaterThan(0);
      return out;
    };
    const whole = restore([masked]);
    expect(readable(given, whole)).not.toMatch(/(?:CREDIT_CARD|EMAIL_ADDRESS|US_SSN)_[0-9A-HJKMNP-TV-Z]{10}\b/);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }), (sizes) => {
        const pieces: Buffer[] = [];
        for (let at = 0, i = 0; at < masked.length; i++) {
          const to = at + (sizes[i % sizes.length] ?? 1);
          pieces.push(masked.subarray(at, to));
          at = to;
        }
        expect(restore(pieces).equals(whole)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test('plain text', () => {
    const body = Buffer.from(said);
    for (let size = 1; size < 40; size += 3) {
      expect(through('/v1/audio/transcriptions', 'text', body, [size])).toBe(wantSaid);
    }
  });

  test('a stream without placeholders leaves byte for byte', () => {
    const clean = 'data: {"choices":[{"index":0,"delta":{"content":"CREDIT"}}]}\n\n: note\n\ndata: [DONE]\n\n';
    expect(through('/v1/chat/completions', 'sse', Buffer.from(clean), [7])).toBe(clean);
  });
});
