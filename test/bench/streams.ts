/**
 * What masking a streamed answer costs, dialect by dialect, without Envoy: `npm run bench:streams`. An answer of 64 KB in deltas of 40
 * characters, clean and with a value in every kilobyte: megabytes of stream and microseconds of processor time per event. Then, of answers
 * that come in pieces of 4 characters: what is held back, and what the first token waits for. All rows are visited in turn in short slices;
 * medians. What an event costs with gRPC and beside a no-op server, `npm run bench` tells.
 */
import { createDetector } from '../../src/detect/detector.ts';
import { rules } from '../../src/detect/rules/catalogue.ts';
import { createAnthropicMessages } from '../../src/llm/anthropic-messages.ts';
import { createBedrock } from '../../src/llm/bedrock.ts';
import { createCohere } from '../../src/llm/cohere.ts';
import type { Dialect, StreamFraming } from '../../src/llm/dialect.ts';
import { createGenericJson } from '../../src/llm/generic-json.ts';
import { createGenericText } from '../../src/llm/generic-text.ts';
import { createGoogleGenerate } from '../../src/llm/google-generate.ts';
import { createOllama } from '../../src/llm/ollama.ts';
import { createOpenAiChat } from '../../src/llm/openai-chat.ts';
import { createOpenAiResponses } from '../../src/llm/openai-responses.ts';
import { createMinter } from '../../src/mask/placeholder.ts';
import { compilePlan } from '../../src/mask/plan.ts';
import { createStreamTransform } from '../../src/mask/stream-transform.ts';
import { encodeFrame } from '../support/eventstream.ts';
import { promptText } from '../support/prompt-text.ts';

interface Row {
  readonly dialect: Dialect;
  readonly framing: StreamFraming;
  /** One event that says `text`; `isFirst`: of the stream. */
  readonly event: (text: string, isFirst: boolean) => Buffer;
  readonly end: Buffer;
}

const detector = createDetector({ tier: 'core' });
const entities = new Set(rules.map(({ entity }) => entity));
const minter = createMinter({ key: Buffer.alloc(32, 7), scope: 'bench', entities });
const plan = compilePlan([{ entity: '*', method: 'label' }]);

function sse(value: { readonly type?: string }): Buffer {
  return Buffer.from(`${value.type ? `event: ${value.type}\n` : ''}data: ${JSON.stringify(value)}\n\n`);
}

const nothing = Buffer.alloc(0);
const chat = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'bench-1' };
const google = (text: string): object => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0 }],
});

const rows: readonly Row[] = [
  {
    dialect: createOpenAiChat(),
    framing: 'sse',
    event: (content) => sse({ ...chat, choices: [{ index: 0, delta: { content }, finish_reason: null }] } as object),
    end: Buffer.from('data: [DONE]\n\n'),
  },
  {
    dialect: createOpenAiResponses(),
    framing: 'sse',
    event: (delta) =>
      sse({ type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta } as object),
    end: nothing,
  },
  {
    dialect: createAnthropicMessages(),
    framing: 'sse',
    event: (text) => sse({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } } as object),
    end: nothing,
  },
  { dialect: createGoogleGenerate(), framing: 'sse', event: (text) => sse(google(text)), end: nothing },
  {
    dialect: createGoogleGenerate(),
    framing: 'json-array',
    event: (text, isFirst) => Buffer.from(`${isFirst ? '[' : ',\r\n'}${JSON.stringify(google(text))}`),
    end: Buffer.from(']'),
  },
  {
    dialect: createCohere(),
    framing: 'sse',
    event: (text) => sse({ type: 'content-delta', index: 0, delta: { message: { content: { text } } } } as object),
    end: nothing,
  },
  {
    dialect: createBedrock(),
    framing: 'eventstream',
    event: (text) =>
      encodeFrame({ event: 'contentBlockDelta', payload: { contentBlockIndex: 0, delta: { text }, p: 'abcdefgh' } }),
    end: nothing,
  },
  {
    dialect: createOllama(),
    framing: 'ndjson',
    event: (content) =>
      Buffer.from(`${JSON.stringify({ model: 'bench-1', message: { role: 'assistant', content }, done: false })}\n`),
    end: nothing,
  },
  { dialect: createGenericJson(), framing: 'sse', event: (text) => sse({ text } as object), end: nothing },
  { dialect: createGenericText(), framing: 'text', event: (text) => Buffer.from(text), end: nothing },
];

/** An answer in pieces of so many characters. */
function streamOf({ event, end }: Row, text: string, pieceChars: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < text.length; at += pieceChars) pieces.push(event(text.slice(at, at + pieceChars), at === 0));
  return [...pieces, end];
}

function run({ dialect, framing }: Row, pieces: readonly Buffer[], onHeldBack: (characters: number) => void): void {
  const reader = dialect.openStream();
  const transform = createStreamTransform({ framing, reader, detector, plan, minter, onHeldBack });
  for (const piece of pieces) transform.push(piece);
  transform.finish();
}

const clean = promptText(65_536, 3);
const dense = Array.from({ length: 64 }, (_, at) => `${promptText(1_000, at)} mail user${at}@example.com `).join('');

const works = rows.flatMap((row) =>
  [
    { name: 'clean', text: clean },
    { name: 'a value a KB', text: dense },
  ].map(({ name, text }) => {
    const pieces = streamOf(row, text, 40);
    return { row, name, pieces, bytes: Buffer.concat(pieces).length, slices: [] as number[] };
  }),
);

/** Microseconds of processor time: other processes on the machine do not count. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

// What runs for the first time runs in the interpreter.
for (const until = cpuUs() + 3_000_000; cpuUs() < until; )
  for (const { row, pieces } of works) run(row, pieces, () => {});
for (let slice = 0; slice < 15; slice++) {
  for (const { row, pieces, slices } of works) {
    const begun = cpuUs();
    for (let times = 0; times < 3; times++) run(row, pieces, () => {});
    slices.push((cpuUs() - begun) / 3);
  }
}
console.table(
  works.map(({ row, name, pieces, bytes, slices }) => {
    const us = quantile(slices, 0.5);
    return {
      dialect: row.dialect.id,
      framing: row.framing,
      text: name,
      'MB/s': (bytes / us).toFixed(1),
      'us an event': (us / pieces.length).toFixed(1),
      quartiles: [0.25, 0.75].map((q) => (quantile(slices, q) / pieces.length).toFixed(1)).join('-'),
    };
  }),
);

const [openAiChat] = rows;
if (openAiChat) {
  const held: number[] = [];
  for (let seed = 0; seed < 20; seed++) {
    run(openAiChat, streamOf(openAiChat, promptText(8_192, seed), 4), (characters) => void held.push(characters));
  }
  const [median, p99, most] = [0.5, 0.99, 1].map((q) => quantile(held, q));
  firstToken(openAiChat);
  console.log(`held back, in characters, at ${held.length} events: median ${median}, p99 ${p99}, most ${most}`);
}

/** How long the first text of an answer waits: for so many further pieces of the model's, and for so much work of ours. */
function firstToken(row: Row): void {
  const events: number[] = [];
  const work: number[] = [];
  const { dialect, framing } = row;
  for (let seed = 0; seed < 200; seed++) {
    const reader = dialect.openStream();
    const transform = createStreamTransform({ framing, reader, detector, plan, minter, onHeldBack: () => {} });
    const pieces = streamOf(row, promptText(1_024, seed), 4);
    const begun = performance.now();
    let after = 0;
    while (after < pieces.length && transform.push(pieces[after] ?? nothing).length === 0) after++;
    work.push((performance.now() - begun) * 1_000);
    events.push(after);
  }
  const [pieces, us] = [events, work].map((values) => [0.5, 0.99].map((q) => quantile(values, q).toFixed(0)));
  console.log(
    `the first token waits for ${pieces?.[0]} further pieces (p99 ${pieces?.[1]}) and ${us?.[0]} us (p99 ${us?.[1]})`,
  );
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
