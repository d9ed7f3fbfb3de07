import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { limits } from '../../../src/lib/limits.ts';
import { createAnthropicMessages } from '../../../src/llm/anthropic-messages.ts';
import type { OmittedCount, SealedKind } from '../../../src/llm/conversation.ts';
import type { Dialect, StreamFraming } from '../../../src/llm/dialect.ts';
import { createOpenAiResponses } from '../../../src/llm/openai-responses.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createStreamTransform, type StreamSummary } from '../../../src/mask/stream-transform.ts';
import { caseFile, readable, sealedStreamCases, streamCases, streamOf } from '../../support/llm-cases.ts';
import { cut, pieceSizes } from '../../support/sensitive-texts.ts';

const detector = createDetector({ tier: 'core' });
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(rules.map(({ entity }) => entity)),
});
const both: readonly SealedKind[] = ['signed', 'encrypted'];

function omitting(
  dialect: Dialect,
  framing: StreamFraming,
  pieces: readonly Buffer[],
  kinds: readonly SealedKind[] = both,
  redact: 'label' | null = null,
): { readonly bytes: Buffer; readonly summary: StreamSummary } {
  const plan = compilePlan(
    redact === null ? [] : [{ entity: '*', method: redact }],
    kinds.map((blocks) => ({ blocks })),
  );
  const transform = createStreamTransform({
    framing,
    reader: dialect.openStream(),
    filter: dialect.openBlockFilter?.(plan.omits) ?? null,
    detector,
    plan,
    minter,
    onHeldBack: () => {},
  });
  const bytes = Buffer.concat([...pieces.map((piece) => transform.push(piece)), transform.finish()]);
  return { bytes, summary: transform.summary() };
}

const countsOf: Readonly<Record<string, readonly OmittedCount[]>> = {
  'openai-chat-sealed.stream': [
    { kind: 'encrypted', count: 1 },
    { kind: 'signed', count: 3 },
  ],
  'openai-responses-sealed.stream': [{ kind: 'encrypted', count: 2 }],
  'anthropic-sealed.stream': [
    { kind: 'encrypted', count: 3 },
    { kind: 'signed', count: 2 },
  ],
  'anthropic-batch-results.stream': [{ kind: 'signed', count: 1 }],
  'google-sealed.stream': [{ kind: 'signed', count: 4 }],
  'bedrock-converse-sealed.stream': [
    { kind: 'encrypted', count: 1 },
    { kind: 'signed', count: 1 },
  ],
  'bedrock-invoke-sealed.stream': [
    { kind: 'encrypted', count: 3 },
    { kind: 'signed', count: 2 },
  ],
  'bedrock-invoke-nova.stream': [{ kind: 'signed', count: 1 }],
};

describe.each(sealedStreamCases)('$name, $framing', (given) => {
  const { name, create, framing, extension } = given;
  const stream = streamOf(given);
  const whole = omitting(create(), framing, [stream]);

  test('goes without its sealed blocks', async () => {
    await expect(readable(given, whole.bytes)).toMatchFileSnapshot(caseFile(name, 'omitted', extension));
    expect(whole.summary.omitted).toEqual(countsOf[name]);
    expect(whole.summary.isTouched).toBe(true);
    expect(whole.summary.uninspected.filter(({ kind }) => kind === 'signed' || kind === 'encrypted')).toEqual([]);
  });

  test('byte for byte when nothing is left out', () => {
    expect(omitting(create(), framing, [stream], []).bytes.equals(stream)).toBe(true);
  });

  test('the same however it is cut, masked or not', () => {
    const masked = omitting(create(), framing, [stream], both, 'label').bytes;
    expect(masked.toString('latin1')).not.toContain('alice@example.test');
    fc.assert(
      fc.property(pieceSizes, (sizes) => {
        const pieces = cut(stream, sizes);
        expect(omitting(create(), framing, pieces).bytes.equals(whole.bytes)).toBe(true);
        expect(omitting(create(), framing, pieces, both, 'label').bytes.equals(masked)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  test('what has gone does not come back', () => {
    const again = omitting(create(), framing, [whole.bytes]);
    expect(again.bytes.equals(whole.bytes)).toBe(true);
    expect(again.summary.omitted).toEqual([]);
  });
});

test.each(streamCases)('$name, $framing: a kind of which it has no block changes nothing', (given) => {
  const stream = streamOf(given);
  const { bytes, summary } = omitting(given.create(), given.framing, [stream]);
  expect(bytes.equals(stream)).toBe(summary.omitted.length === 0);
});

interface Event {
  readonly type: string;
  readonly [member: string]: unknown;
}

function sse(events: readonly Event[]): Buffer {
  return Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
}

function eventsOf(bytes: Buffer): unknown[] {
  return [...bytes.toString().matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
}

describe('blocks behind one that goes move up without a gap', () => {
  test('of Anthropic, in any order of kinds, interleaved or not', () => {
    const kind = fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use');
    fc.assert(
      fc.property(
        fc.array(kind, { maxLength: 6 }),
        fc.boolean(),
        fc.subarray([...both]),
        (types, isInterleaved, kinds) => {
          const start = types.map((type, index) => ({ type: 'content_block_start', index, content_block: { type } }));
          const piece = types.map((type, index) => ({
            type: 'content_block_delta',
            index,
            delta:
              type === 'thinking' ? { type: 'signature_delta', signature: 'EqQB' } : { type: 'x_delta', type_of: type },
          }));
          const stop = types.map((_, index) => ({ type: 'content_block_stop', index }));
          const given = isInterleaved
            ? [...start, ...piece, ...stop]
            : types.flatMap((_, i) => [start[i], piece[i], stop[i]].filter((event) => event !== undefined));
          const isGone = (type: string): boolean =>
            (type === 'thinking' && kinds.includes('signed')) ||
            (type === 'redacted_thinking' && kinds.includes('encrypted'));
          const moved = (index: number): number => types.slice(0, index).filter((type) => !isGone(type)).length;
          const want = given
            .filter(({ index }) => !isGone(types[index] ?? ''))
            .map((event) => ({ ...event, index: moved(event.index) }));
          const { bytes, summary } = omitting(createAnthropicMessages(), 'sse', [sse(given)], kinds);
          expect(eventsOf(bytes)).toEqual(want);
          expect(summary.omitted.reduce((sum, { count }) => sum + count, 0)).toBe(types.filter(isGone).length);
        },
      ),
    );
  });

  test.each([
    {
      name: 'an item that begins with a piece of reasoning, and is told by its id alone',
      given: [
        { type: 'response.reasoning_text.delta', item_id: 'rs', output_index: 0, content_index: 0, delta: 'hm' },
        { type: 'response.of_tomorrow.delta', item_id: 'rs', delta: 'hm' },
        { type: 'response.output_text.delta', item_id: 'm', output_index: 1, content_index: 0, delta: 'a' },
      ],
      want: [{ type: 'response.output_text.delta', item_id: 'm', output_index: 0, content_index: 0, delta: 'a' }],
    },
    {
      name: 'an item that only its end tells',
      given: [
        { type: 'response.output_item.done', output_index: 0, item: { type: 'compaction', encrypted_content: 'gA' } },
        { type: 'response.output_item.done', output_index: 1, item: { type: 'message', content: [] } },
      ],
      want: [{ type: 'response.output_item.done', output_index: 0, item: { type: 'message', content: [] } }],
    },
    {
      name: 'an item that begins as something else: only what is sealed of it is withheld',
      given: [
        { type: 'response.of_tomorrow.delta', item_id: 'x', output_index: 0, delta: 'a' },
        { type: 'response.output_item.added', output_index: 0, item: { id: 'x', type: 'reasoning' } },
        { type: 'response.output_item.done', output_index: 0, item: { id: 'x', type: 'reasoning' } },
        { type: 'response.output_text.delta', item_id: 'm', output_index: 1, content_index: 0, delta: 'b' },
      ],
      want: [
        { type: 'response.of_tomorrow.delta', item_id: 'x', output_index: 0, delta: 'a' },
        { type: 'response.output_text.delta', item_id: 'm', output_index: 1, content_index: 0, delta: 'b' },
      ],
    },
  ])('of Responses: $name', ({ given, want }) => {
    const { bytes, summary } = omitting(createOpenAiResponses(), 'sse', [sse(given)]);
    expect(eventsOf(bytes)).toEqual(want);
    expect(summary.omitted).toEqual([{ kind: 'encrypted', count: 1 }]);
  });
});

test('a stream of Anthropic that lies about its blocks keeps no piece of thinking', () => {
  const given = sse([
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'EqQB' } },
    { type: 'content_block_stop', index: 0 },
  ]);
  const { bytes, summary } = omitting(createAnthropicMessages(), 'sse', [given]);
  expect(eventsOf(bytes)).toEqual([
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_stop', index: 0 },
  ]);
  expect(summary.omitted).toEqual([{ kind: 'signed', count: 1 }]);
});

test('more blocks than a stream may have end it', () => {
  const events = Array.from({ length: limits.streamKeysMax + 1 }, (_, index) => ({
    type: 'content_block_start',
    index,
    content_block: { type: 'thinking' },
  }));
  expect(() => omitting(createAnthropicMessages(), 'sse', [sse(events)])).toThrow(Fault);
});

test('a last event without its blank line is judged like any', () => {
  const events = sse([
    { type: 'content_block_start', index: 0, content_block: { type: 'redacted_thinking', data: 'Em' } },
  ]);
  expect(omitting(createAnthropicMessages(), 'sse', [events.subarray(0, -2)]).bytes.length).toBe(0);
});
