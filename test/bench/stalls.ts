/**
 * How long bodies that are large or made to hurt hold up the event loop, phase by phase, and streamed answers that a gateway has buffered and
 * hands over in one piece: `npm run bench:stalls [-- name]`. Per phase the
 * longest stretch in which nothing else had a turn, in milliseconds; where it gave way, the whole time beside it. At the end of a line the
 * 99th percentile of the loop's delay over all phases (perf_hooks), and the longest. Another process on the machine lengthens a stretch as
 * well: of three runs the least counts.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createDetector } from '../../src/detect/detector.ts';
import { rules } from '../../src/detect/rules/catalogue.ts';
import { createAnswerBody } from '../../src/exchange/answer-body.ts';
import { inspect } from '../../src/exchange/inspect.ts';
import { anonymous } from '../../src/identity/subject.ts';
import { inSlices } from '../../src/lib/slices.ts';
import { createDialects } from '../../src/llm/dialects.ts';
import { createOpenAiChat } from '../../src/llm/openai-chat.ts';
import { maskBody } from '../../src/mask/mask-body.ts';
import { createMinter } from '../../src/mask/placeholder.ts';
import { compilePlan } from '../../src/mask/plan.ts';
import { buildBundle, readBundle } from '../../src/policy/bundle-files.ts';
import { buildPolicyInput } from '../../src/policy/input.ts';
import { loadPolicy } from '../../src/policy/opa-wasm.ts';
import { encodeFrame } from '../support/eventstream.ts';
import { shippedPolicies } from '../support/policy.ts';
import { promptText } from '../support/prompt-text.ts';

const MB = 1_048_576;
const bundle = join(await mkdtemp(join(tmpdir(), 'countersign-bench-')), 'bundle.tar.gz');
const built = await buildBundle({ root: shippedPolicies, out: bundle });
if (!built.ok) throw new Error(built.error.message);
const policy = await loadPolicy(await readBundle(bundle));
const detector = createDetector({ tier: 'core' });
const entities = new Set(rules.map(({ entity }) => entity));
const minter = createMinter({ key: Buffer.alloc(32, 7), scope: 'bench', entities });
const plan = compilePlan([{ entity: '*', method: 'token' }]);
const dialect = createOpenAiChat();
const route = { method: 'POST', path: '/v1/chat/completions', header: () => null };
const head = {
  method: 'POST',
  path: route.path,
  host: 'bench',
  headers: new Map<string, string>(),
  source: { address: '', principal: null },
  destination: '',
  contextExtensions: {},
  metadata: {},
};

const kilobyte = promptText(1_000, 1);
const saying = (content: string): string => JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] });
const members = (count: number, value: string): string =>
  `{"messages":[],"metadata":{${Array.from({ length: count }, (_, i) => `"k${i}":${value}`).join(',')}}}`;
const bodies: readonly (readonly [name: string, source: string])[] = [
  ['10,000 deep', `{"messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
  ['1 M keys', members(1_000_000, '1')],
  ['60 K keys', members(30_000, '"some words"')],
  ['10 MB of prose', saying(kilobyte.repeat(10_000))],
  [
    '10 MB, a value a KB',
    saying(Array.from({ length: 10_000 }, (_, i) => `${kilobyte} mail u${i}@example.com `).join('')),
  ],
  ['10 MB of digits', saying('4111 1111 '.repeat(MB))],
  ['10 MB of @', saying('a@'.repeat(5 * MB))],
  ['10 MB of words that policy looks for', saying('prod deploy delete drop '.repeat(430_000))],
  [
    '10 MB in 10,000 messages',
    JSON.stringify({ messages: Array.from({ length: 10_000 }, () => ({ role: 'user', content: kilobyte })) }),
  ],
  ['1 MB of prose', saying(kilobyte.repeat(1_000))],
  ['128 KB of prose', saying(kilobyte.repeat(128))],
];

/** 10 MB of events, each with `text`; a value in every fortieth. */
const eventsOf = (event: (text: string, index: number) => string | Buffer, bytes = 10 * MB): Buffer => {
  const parts: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes; i++) {
    const text = i % 40 === 0 ? ` mail u${i}@example.com ` : kilobyte.slice(i % 900, (i % 900) + 40);
    const part = Buffer.from(event(text, i));
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts);
};
const line = (of: object): string => `data: ${JSON.stringify(of)}\n\n`;
const chunk = (content: string): object => ({ id: 'c', choices: [{ index: 0, delta: { content } }] });
const candidate = (text: string): object => ({ candidates: [{ content: { parts: [{ text }], role: 'model' } }] });
const answers: readonly (readonly [name: string, path: string, mediaType: string, body: () => Buffer])[] = [
  ['10 MB of SSE', '/v1/chat/completions', 'text/event-stream', () => eventsOf((text) => line(chunk(text)))],
  [
    '10 MB of SSE, blocks left out',
    '/v1/messages',
    'text/event-stream',
    () =>
      eventsOf((text, i) =>
        line({
          type: 'content_block_delta',
          index: i % 2,
          delta: { type: i % 2 ? 'text_delta' : 'thinking_delta', text },
        }),
      ),
  ],
  [
    '10 MB of SSE, the last 3 MB a copy',
    '/v1/responses',
    'text/event-stream',
    () => {
      const type = 'response.output_text.delta';
      const told = eventsOf((delta) => line({ type, output_index: 0, content_index: 0, delta }), 7 * MB);
      const content = [{ type: 'output_text', text: kilobyte.repeat(3_000) }];
      const response = { output: [{ type: 'message', role: 'assistant', content }] };
      return Buffer.concat([told, Buffer.from(line({ type: 'response.completed', response }))]);
    },
  ],
  [
    '10 MB of NDJSON',
    '/api/chat',
    'application/x-ndjson',
    () => eventsOf((content) => `${JSON.stringify({ message: { role: 'assistant', content } })}\n`),
  ],
  [
    '10 MB of an array',
    '/v1beta/models/m:streamGenerateContent',
    'application/json',
    () =>
      Buffer.concat([
        Buffer.from('['),
        eventsOf((text, i) => (i ? ',\n' : '') + JSON.stringify(candidate(text))),
        Buffer.from(']'),
      ]),
  ],
  [
    '10 MB of eventstream',
    '/model/m/converse-stream',
    'application/vnd.amazon.eventstream',
    () =>
      eventsOf((text) =>
        encodeFrame({ event: 'contentBlockDelta', payload: { contentBlockIndex: 0, delta: { text } } }),
      ),
  ],
  ['10 MB of text', '/v1/audio/transcriptions', 'text/plain', () => eventsOf((text) => text)],
];

for (const [name, source] of bodies) {
  if (name.includes(process.argv[2] ?? '')) {
    const body = Buffer.from(source);
    console.log(`${name}: ${await stretchesOf((phase) => phasesOf(body, phase))}`);
  }
}
for (const [name, path, mediaType, body] of answers) {
  if (name.includes(process.argv[2] ?? '')) {
    const made = body();
    console.log(`${name}: ${await stretchesOf((phase) => phasesOfAnswer(path, mediaType, made, phase))}`);
  }
}

interface Stretch {
  readonly longestMs: number;
  readonly tookMs: number;
}

/** By phase; `outcome`: why the body was refused, if it was. */
interface Run {
  readonly stretches: ReadonlyMap<string, Stretch>;
  readonly p99Ms: number;
  readonly outcome: string | null;
}

async function stretchesOf(phases: (phase: Phase) => Promise<string | null>): Promise<string> {
  const runs: Run[] = [];
  for (let run = 0; run < 3; run++) runs.push(await runOf(phases));
  const told = [...(runs[0]?.stretches.keys() ?? [])].map((phase) => {
    const least = (of: keyof Stretch): number =>
      Math.min(...runs.map(({ stretches }) => stretches.get(phase)?.[of] ?? Number.NaN));
    const [longestMs, tookMs] = [least('longestMs'), least('tookMs')];
    return `${phase} ${longestMs.toFixed(0)}${tookMs > longestMs * 1.2 ? ` of ${tookMs.toFixed(0)}` : ''}`;
  });
  const p99Ms = Math.min(...runs.map((run) => run.p99Ms));
  return `${told.join(', ')}${runs[0]?.outcome ? `: ${runs[0].outcome}` : ''}; p99 of the delay ${p99Ms.toFixed(0)}`;
}

async function runOf(phases: (phase: Phase) => Promise<string | null>): Promise<Run> {
  const stretches = new Map<string, Stretch>();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const phase = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    const { result, ...stretch } = await watched(work);
    stretches.set(what, stretch);
    return result;
  };
  delay.enable();
  const outcome = await phases(phase);
  delay.disable();
  return { stretches, p99Ms: delay.percentile(99) / 1e6, outcome };
}

type Phase = <T>(what: string, work: () => T | Promise<T>) => Promise<T>;

async function phasesOf(body: Buffer, phase: Phase): Promise<string | null> {
  const parsed = await phase('read', () => inSlices(dialect.readRequest(body, route)));
  if (!parsed.ok) return parsed.error.kind;
  const { conversation } = parsed.value;
  const scans = await phase('detect', () => inspect(detector, conversation.segments));
  const input = await phase('input', () =>
    buildPolicyInput({
      phase: 'request',
      exchange: { id: 'bench', session: 'bench', receivedNs: 0n },
      subject: anonymous,
      head,
      policyHeaders: [],
      conversation,
      scans,
      status: null,
    }),
  );
  await phase('policy', () => policy.decide(input));
  await phase('mask', () => inSlices(maskBody(parsed.value, scans, 'input', plan, minter)));
  return null;
}

async function phasesOfAnswer(path: string, mediaType: string, body: Buffer, phase: Phase): Promise<string | null> {
  const asked = { method: 'POST', path, header: () => null };
  const answer = createAnswerBody({
    route: asked,
    head: { status: 200, headers: new Map([['content-type', mediaType]]) },
    dialect: createDialects()(asked, 'application/json'),
    detector,
    plan: compilePlan([{ entity: '*', method: 'token' }], [{ blocks: 'signed' }]),
    minter,
    restorer: null,
    recoding: 'identity',
    bodyBytesMax: 2 * body.length,
    exchangeId: 'bench',
    onHeldBack: () => {},
  });
  await phase('push', () => answer.push(body, true));
  const end = await phase('finish', () => answer.finish());
  return end.ok ? null : end.error.code;
}

/** Runs `work` while something else would like a turn whenever it can have one. */
async function watched<T>(
  work: () => T | Promise<T>,
): Promise<{ readonly result: T; readonly longestMs: number; readonly tookMs: number }> {
  let isDone = false;
  let longestMs = 0;
  const begun = performance.now();
  let last = begun;
  const turn = (): void => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  isDone = true;
  turn();
  return { result, longestMs, tookMs: performance.now() - begun };
}
