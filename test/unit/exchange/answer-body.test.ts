import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { type AnswerBody, createAnswerBody } from '../../../src/exchange/answer-body.ts';
import type { Recoding } from '../../../src/exchange/deps.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createRestorables } from '../../../src/mask/restorables.ts';
import { streamCases, streamOf } from '../../support/llm-cases.ts';

const select = createDialects();
const detector = createDetector({ tier: 'core' });

const placeholder = 'EMAIL_ADDRESS_0123456789';
const restorables = createRestorables([{ entity: '*', tools: true }]);
restorables.add(placeholder, 'EMAIL_ADDRESS', 'jane@example.com');

interface Given {
  readonly encoding?: string;
  readonly recoding?: Recoding;
  readonly isRestored?: boolean;
}

function open(
  path: string,
  contentType: string,
  { encoding, recoding = 'identity', isRestored }: Given = {},
): AnswerBody {
  const route = { method: 'POST', path, header: () => null };
  return createAnswerBody({
    route,
    head: {
      status: 200,
      headers: new Map([['content-type', contentType], ...(encoding ? [['content-encoding', encoding] as const] : [])]),
    },
    dialect: select(route, 'application/json'),
    detector,
    plan: compilePlan([{ entity: '*', method: 'label' }], [{ blocks: 'signed' }]),
    minter: createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: new Set() }),
    restorer: isRestored ? restorables.forAnswer([]) : null,
    recoding,
    bodyBytesMax: 4_000_000,
    exchangeId: 'x-1',
    onHeldBack: () => {},
  });
}

describe('an answer is a stream or a whole', () => {
  test.each([
    { path: '/v1/chat/completions', contentType: 'text/event-stream; charset=utf-8', mode: 'stream', framing: 'sse' },
    { path: '/v1/chat/completions', contentType: 'application/json', mode: 'whole', framing: null },
    {
      path: '/v1beta/models/g:streamGenerateContent',
      contentType: 'application/json; charset=UTF-8',
      mode: 'stream',
      framing: 'json-array',
    },
    { path: '/v1beta/models/g:generateContent', contentType: 'application/json', mode: 'whole', framing: null },
    { path: '/api/chat', contentType: 'application/x-ndjson', mode: 'stream', framing: 'ndjson' },
    { path: '/v1/messages/batches/b/results', contentType: 'application/x-jsonl', mode: 'stream', framing: 'ndjson' },
    { path: '/v1/files/f/content', contentType: 'application/jsonl', mode: 'stream', framing: 'ndjson' },
    {
      path: '/model/m/converse-stream',
      contentType: 'application/vnd.amazon.eventstream',
      mode: 'stream',
      framing: 'eventstream',
    },
    { path: '/v1/audio/transcriptions', contentType: 'text/plain', mode: 'stream', framing: 'text' },
    { path: '/v1/audio/speech', contentType: 'audio/mpeg', mode: 'pass', framing: null },
  ])('$path, $contentType: $mode $framing', ({ path, contentType, mode, framing }) => {
    const body = open(path, contentType);
    expect({ mode: body.mode, framing: body.framing }).toEqual({ mode, framing });
  });

  test('an array is masked element by element', async () => {
    const body = open('/v1beta/models/g:streamGenerateContent', 'application/json');
    const chunk = (text: string) => JSON.stringify({ candidates: [{ content: { parts: [{ text }] } }] });
    const first = body.push(Buffer.from(`[${chunk('Hello, this is ')}`)).bytes.toString();
    body.push(Buffer.from(`,\r\n${chunk('jane.doe@exam')}`));
    body.push(Buffer.from(`,\r\n${chunk('ple.com indeed.')}\n]`));
    const rest = await body.finish();
    expect(first).toBe(`[${chunk('Hello, this is ')}`);
    expect(rest.ok && body.counts()).toEqual([{ entity: 'EMAIL_ADDRESS', method: 'label', count: 1 }]);
  });
});

describe('an answer that comes whole is read in turns, and is the same', () => {
  const event = (of: object): string => `data: ${JSON.stringify(of)}\n\n`;
  const delta = (content: string): string => event({ choices: [{ index: 0, delta: { content } }] });
  // In whatever order they come, nothing stands beside the card's digits that makes another number of them.
  const card = [' card 4111 1111', ' 1111 1111, yes'];
  const words = [' some words', ' joe@exam', 'ple.com', ` to ${placeholder}`, ...card, '\u{1f600}'];
  const big = fc.array(fc.constantFrom(...words), { minLength: 3, maxLength: 40 }).map((texts) => {
    const told = Array.from({ length: 600 }, (_, i) => texts[i % texts.length] ?? '');
    // A copy behind the deltas, longer than what is looked at in one turn.
    const copy = { choices: [{ index: 0, message: { content: told.join('').repeat(4) } }] };
    return Buffer.from(`${told.map(delta).join('')}${event(copy)}data: [DONE]\n\n`);
  });

  test.each<{ name: string } & Given>([
    { name: 'plain' },
    { name: 'values put back', isRestored: true },
    { name: 'encoded', encoding: 'gzip' },
    { name: 'encoded again', encoding: 'gzip', recoding: 'same', isRestored: true },
  ])('$name', async (given) => {
    await fc.assert(
      fc.asyncProperty(big, async (stream) => {
        const bytes = given.encoding ? gzipSync(stream, { level: 0 }) : stream;
        const [turns, pieces] = [1, 2].map(() => open('/v1/chat/completions', 'text/event-stream', given));
        if (turns === undefined || pieces === undefined) throw new Error('nothing to compare');
        expect(turns.push(bytes, true).bytes.length === 0).toBe(bytes.length > 8192);
        const whole = await turns.finish();
        const out: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += 1000) out.push(pieces.push(bytes.subarray(at, at + 1000)).bytes);
        const rest = await pieces.finish();
        if (!whole.ok || !rest.ok) throw new Error('it was refused');
        const want = Buffer.concat([...out, rest.value.bytes]).toString();
        if (bytes.length > 8192) expect(whole.value.bytes.toString()).toBe(want);
        expect(want).not.toMatch(/joe@example|4111 1111 1111/);
        expect(turns.counts()).toEqual(pieces.counts());
        if (given.recoding !== 'same') expect(whole.value.wire).toBe(whole.value.bytes);
        if (!given.isRestored) expect(whole.value.masked).toBe(whole.value.bytes);
        else expect(whole.value.masked.toString()).not.toContain('jane@example.com');
      }),
      { numRuns: 3 },
    );
  });

  test.each(streamCases.filter(({ framing }) => framing !== 'json-array'))('$name, $framing', async (given) => {
    const path = given.create().id === 'bedrock' ? '/model/m/converse-stream' : '/anything';
    const types = {
      sse: 'text/event-stream',
      ndjson: 'application/x-ndjson',
      eventstream: 'application/vnd.amazon.eventstream',
    };
    const type = given.framing === 'json-array' ? '' : types[given.framing];
    const once = streamOf(given);
    // Behind a first copy that is as long as a turn.
    const stream = Buffer.concat(Array.from({ length: Math.ceil(8192 / once.length) + 1 }, () => once));
    const [turns, pieces] = [open(path, type), open(path, type)];
    turns.push(stream, true);
    const out = pieces.push(stream).bytes;
    const [whole, rest] = [await turns.finish(), await pieces.finish()];
    if (!whole.ok || !rest.ok) throw new Error('it was refused');
    expect(whole.value.bytes.equals(Buffer.concat([out, rest.value.bytes]))).toBe(true);
  });

  test('others have a turn in between, also inside of one event', async () => {
    const copy = { choices: [{ index: 0, message: { content: 'some words of an answer '.repeat(20_000) } }] };
    for (const stream of [delta('some words of an answer').repeat(3000), event(copy)]) {
      const body = open('/v1/chat/completions', 'text/event-stream');
      body.push(Buffer.from(stream), true);
      let turns = 0;
      let isDone = false;
      const turn = (): void => {
        turns++;
        if (!isDone) setImmediate(turn);
      };
      setImmediate(turn);
      await body.finish();
      isDone = true;
      expect(turns).toBeGreaterThan(20);
    }
  });

  test('where it cannot be read on, what stands before goes out once, and nothing behind it', async () => {
    const body = open('/v1/chat/completions', 'text/event-stream');
    const good = delta('some words. ').repeat(1000);
    body.push(Buffer.from(`${good}data: {no JSON\n\n${delta('more')}`), true);
    await expect(body.finish()).rejects.toMatchObject({ code: 'masking_failed' });
    const proven = body.proven().bytes.toString();
    // The end of the last text could still have become a value.
    expect(good.startsWith(proven)).toBe(true);
    expect(proven.length).toBeGreaterThan(good.length - 1000);
    expect(body.proven().bytes.length).toBe(0);
  });
});
