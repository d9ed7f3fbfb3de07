import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../src/lib/json.ts';
import { buildBundle, readBundle } from '../../src/policy/bundle-files.ts';
import type { Phase, PinnedPolicy, PolicyInput } from '../../src/policy/decision.ts';
import { loadPolicy } from '../../src/policy/opa-wasm.ts';
import { parseDecision } from '../../src/policy/result.ts';
import { opaPath, ordinaryRequest, shippedPolicies } from '../support/policy.ts';

/** An input that is ordinary but for members that are set and removed by JSON pointer (RFC 6901). */
interface Case {
  readonly description: string;
  readonly set: Readonly<Record<string, JsonValue>>;
  readonly remove: readonly string[];
  /** The raw result of the entry point; null: undefined. */
  readonly want: JsonValue;
}

const folder = new URL('../cases/policy/', import.meta.url).pathname;
const files: readonly { readonly name: string; readonly case: Case }[] = readdirSync(folder)
  .sort()
  .map((name) => ({ name, case: JSON.parse(readFileSync(join(folder, name), 'utf8')) }));

function inputOf(given: Pick<Case, 'set' | 'remove'>): PolicyInput {
  const input = structuredClone(ordinaryRequest);
  const parentOf = (pointer: string): [object, string] => {
    const path = pointer.split('/').slice(1);
    const last = path.pop() ?? '';
    return [path.reduce<object>((parent, key) => Reflect.get(parent, key), input), last];
  };
  for (const [pointer, value] of Object.entries(given.set)) Reflect.set(...parentOf(pointer), value);
  for (const pointer of given.remove) Reflect.deleteProperty(...parentOf(pointer));
  return input;
}

/** Raw results of `opa eval` on the bundle's sources and data, both entry points for every input; null: undefined. */
function evalAll(root: string, inputs: readonly PolicyInput[]): readonly Record<Phase, JsonValue>[] {
  const query = `[result |
    some asked in input
    result := {
      "request": object.get({"x": r | r := data.countersign.request with input as asked}, "x", null),
      "response": object.get({"x": r | r := data.countersign.response with input as asked}, "x", null),
    }
  ]`;
  const sources = ['main.rego', 'rules', 'data'].flatMap((path) => ['--data', path]);
  const args = ['eval', '--format', 'raw', '--stdin-input', '--ignore', '*_test.rego', ...sources, query];
  return JSON.parse(
    execFileSync(opaPath(), args, { cwd: root, input: JSON.stringify(inputs), encoding: 'utf8', maxBuffer: 1 << 28 }),
  );
}

/** What the service makes of an input: a decision, or the code of a fault. */
function decisionOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? { fault: thrown.code } : thrown;
  }
}

function expectParity(
  policy: PinnedPolicy,
  inputs: readonly PolicyInput[],
  raw: readonly Record<Phase, JsonValue>[],
): void {
  expect(raw.length).toBe(inputs.length);
  for (const [index, input] of inputs.entries()) {
    for (const phase of ['request', 'response'] as const) {
      if (input.phase !== phase) continue;
      const interpreted = decisionOf(() => parseDecision(raw[index]?.[phase] ?? undefined));
      expect(decisionOf(() => policy.evaluate(input))).toEqual(interpreted);
    }
  }
}

async function load(root: string): Promise<PinnedPolicy> {
  const out = join(await mkdtemp(join(tmpdir(), 'countersign-test-')), 'bundle.tar.gz');
  const built = await buildBundle({ root, out });
  if (!built.ok) throw new Error(built.error.message);
  return loadPolicy(await readBundle(out));
}

describe('cases', () => {
  let policy: PinnedPolicy;
  let raw: readonly Record<Phase, JsonValue>[];
  beforeAll(async () => {
    policy = await load(shippedPolicies);
    raw = evalAll(
      shippedPolicies,
      files.map((file) => inputOf(file.case)),
    );
  });

  test.each(files.map((file, index) => ({ ...file, index })))('$name: $case.description', ({ case: given, index }) => {
    const input = inputOf(given);
    expect(raw[index]?.[input.phase] ?? null).toEqual(given.want);
    if (input.phase) expectParity(policy, [input], raw.slice(index, index + 1));
    else expect(decisionOf(() => policy.evaluate(input))).toEqual({ fault: 'policy_failed' });
  });
});

const text = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom('deploy', 'Deploy', 'terraform apply', 'prod', 'PRODUCTION', 'in production'),
    },
    { weight: 2, arbitrary: fc.constantFrom('product', '.', '\n', 'é', '🚀', '"', '\\', '\u0000', './chart') },
  ),
  { maxLength: 8 },
);

/** Inputs of any sort that the service could build, and some that it could not: members removed, values of other types. */
const anyInput: fc.Arbitrary<PolicyInput> = fc
  .record({
    set: fc
      .record(
        {
          '/phase': fc.constantFrom<Phase>('request', 'response'),
          '/subject/authenticated': fc.constantFrom<JsonValue>(true, false, null, 'true', 0),
          '/subject/groups': fc.subarray(['engineering', 'research', 'everyone', '*']),
          '/resource/model': fc.constantFrom<JsonValue>('gpt-4o', 'gpt-4o-mini', 'claude-x', '', null, 7),
          '/conversation/segments/0/text': text.map((parts) => parts.join(' ')),
          '/conversation/segments/0/role': fc.constantFrom('user', 'system', 'tool'),
          '/conversation/uninspected': fc.array(
            fc.record({
              pointer: fc.constant('/x'),
              kind: fc.constantFrom<JsonValue>('image', 'audio', 'encrypted', 3),
            }),
            { maxLength: 3 },
          ),
          '/http/headers': fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }), { maxKeys: 2 }),
        },
        { requiredKeys: ['/phase'] },
      )
      .map((set): Record<string, JsonValue> => ({ ...set })),
    remove: fc.subarray(['/subject', '/resource', '/findings', '/http', '/envoy'], { maxLength: 1 }),
  })
  .filter(({ set, remove }) => !Object.keys(set).some((pointer) => remove.some((gone) => pointer.startsWith(gone))))
  .map(inputOf);

const strict: JsonObject = {
  settings: {
    ...JSON.parse(readFileSync(join(shippedPolicies, 'data', 'data.json'), 'utf8')).settings,
    capture: 'masked',
    identity: { required: false },
    models: [
      { groups: ['engineering'], models: ['gpt-4o'] },
      { groups: ['*'], models: ['claude-*'] },
    ],
    uninspected: { default: 'label', kinds: { encrypted: 'deny' } },
    mask: { request: { personal_data: [{ entity: 'US_SSN', method: 'hash', roles: ['user'], min_score: 0.5 }] } },
  },
};

test.each([
  { name: 'shipped settings', data: null },
  { name: 'other settings', data: strict },
  { name: 'no settings', data: {} },
])('any input is decided alike: $name', async ({ data }) => {
  const root = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  await cp(shippedPolicies, root, { recursive: true });
  if (data) await writeFile(join(root, 'data', 'data.json'), JSON.stringify(data));
  const inputs = fc.sample(anyInput, { numRuns: 200, seed: 20_250_601 });
  expectParity(await load(root), inputs, evalAll(root, inputs));
});
