/**
 * How long bodies that are large or made to hurt hold up the event loop, phase by phase: `npm run bench:stalls [-- name]`. Per phase the
 * longest stretch in which nothing else had a turn, in milliseconds; where it gave way, the whole time beside it.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

async function stretchesOf(body: Buffer): Promise<string> {
  const told: string[] = [];
  const phase = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    const { result, longestMs, tookMs } = await watched(work);
    told.push(`${what} ${longestMs.toFixed(0)}${tookMs > longestMs * 1.2 ? ` of ${tookMs.toFixed(0)}` : ''}`);
    return result;
  };
  // Twice: what runs for the first time runs in the interpreter.
  await inSlices(dialect.readRequest(body, route));
  const parsed = await phase('read', () => inSlices(dialect.readRequest(body, route)));
  if (!parsed.ok) return `${told.join(', ')}: ${parsed.error.kind}`;
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
  return told.join(', ');
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
