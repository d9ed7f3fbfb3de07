/**
 * How long bodies that are large or made to hurt hold up the event loop, phase by phase: `npm run bench:stalls [-- name]`. Per phase the
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
import { inspect } from '../../src/exchange/inspect.ts';
import { anonymous } from '../../src/identity/subject.ts';
import { inSlices } from '../../src/lib/slices.ts';
import { createOpenAiChat } from '../../src/llm/openai-chat.ts';
import { maskBody } from '../../src/mask/mask-body.ts';
import { createMinter } from '../../src/mask/placeholder.ts';
import { compilePlan } from '../../src/mask/plan.ts';
import { buildBundle, readBundle } from '../../src/policy/bundle-files.ts';
import { buildPolicyInput } from '../../src/policy/input.ts';
import { loadPolicy } from '../../src/policy/opa-wasm.ts';
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

for (const [name, source] of bodies) {
  if (name.includes(process.argv[2] ?? '')) console.log(`${name}: ${await stretchesOf(Buffer.from(source))}`);
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

async function stretchesOf(body: Buffer): Promise<string> {
  const runs: Run[] = [];
  for (let run = 0; run < 3; run++) runs.push(await runOf(body));
  const told = [...(runs[0]?.stretches.keys() ?? [])].map((phase) => {
    const least = (of: keyof Stretch): number =>
      Math.min(...runs.map(({ stretches }) => stretches.get(phase)?.[of] ?? Number.NaN));
    const [longestMs, tookMs] = [least('longestMs'), least('tookMs')];
    return `${phase} ${longestMs.toFixed(0)}${tookMs > longestMs * 1.2 ? ` of ${tookMs.toFixed(0)}` : ''}`;
  });
  const p99Ms = Math.min(...runs.map((run) => run.p99Ms));
  return `${told.join(', ')}${runs[0]?.outcome ? `: ${runs[0].outcome}` : ''}; p99 of the delay ${p99Ms.toFixed(0)}`;
}

async function runOf(body: Buffer): Promise<Run> {
  const stretches = new Map<string, Stretch>();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const phase = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    const { result, ...stretch } = await watched(work);
    stretches.set(what, stretch);
    return result;
  };
  delay.enable();
  const outcome = await phasesOf(body, phase);
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
