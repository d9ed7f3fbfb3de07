/**
 * Cost of one decision by the shipped policies: `npm run bench:policy`. Best and median of many short slices, the sizes
 * visited in turn, so that a busy machine disturbs all of them alike.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBundle, readBundle } from '../../src/policy/bundle-files.ts';
import type { PolicyInput } from '../../src/policy/decision.ts';
import { loadPolicy } from '../../src/policy/opa-wasm.ts';
import { ordinaryRequest, shippedPolicies } from '../support/policy.ts';
import { promptText } from '../support/prompt-text.ts';

const out = join(await mkdtemp(join(tmpdir(), 'countersign-bench-')), 'bundle.tar.gz');
const built = await buildBundle({ root: shippedPolicies, out });
if (!built.ok) throw new Error(built.error.message);
const bundle = await readBundle(out);
const policy = await loadPolicy(bundle);

/** A system prompt of a quarter of the text, then turns of user and assistant; three findings in the last. */
function request(kilobytes: number): PolicyInput {
  const roles = ['system', 'user', 'assistant', 'user'];
  const segments = roles.map((role, index) => ({
    pointer: `/messages/${index}/content`,
    role,
    kind: 'text',
    text: promptText(kilobytes * 256, index, false),
  }));
  const findings = ['CREDIT_CARD', 'US_SSN', 'EMAIL_ADDRESS'].map((entity) => ({
    entity,
    detector: entity.toLowerCase(),
    score: 1,
    pointer: '/messages/3/content',
    role: 'user',
    count: 1,
  }));
  return { ...ordinaryRequest, conversation: { ...ordinaryRequest.conversation, segments }, findings };
}

const response: PolicyInput = {
  ...ordinaryRequest,
  phase: 'response',
  resource: { ...ordinaryRequest.resource, status: 200 },
  conversation: { segments: [], tools: [], uninspected: [] },
};

const questions = [
  { name: 'request,  1 KB of text', input: request(1) },
  { name: 'request,  4 KB of text', input: request(4) },
  { name: 'request, 16 KB of text', input: request(16) },
  { name: 'response', input: response },
].map((question) => ({ ...question, slices: [] as number[] }));

for (let slice = 0; slice < 200; slice += 1) {
  for (const { input, slices } of questions) {
    const begin = performance.now();
    for (let call = 0; call < 50; call += 1) policy.evaluate(input);
    slices.push(((performance.now() - begin) / 50) * 1000);
  }
}

for (const { name, input, slices } of questions) {
  slices.sort((a, b) => a - b);
  const [best = 0, median = 0] = [slices[0], slices[slices.length >> 1]];
  const bytes = JSON.stringify(input).length;
  console.log(
    `${name.padEnd(24)} ${String(bytes).padStart(6)} bytes  best ${best.toFixed(1)} us  median ${median.toFixed(1)} us`,
  );
}
