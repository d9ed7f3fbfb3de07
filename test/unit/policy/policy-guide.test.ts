import { readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/lib/json.ts';
import { checkPolicies, evalPolicy, testPolicies } from '../../../src/policy/bundle-files.ts';
import { loadPolicy } from '../../../src/policy/opa-wasm.ts';
import { parseDecision } from '../../../src/policy/result.ts';
import { bundleFrom, shippedPolicies } from '../../support/policy.ts';

const page = await readFile(new URL('../../../docs/policy-guide.md', import.meta.url), 'utf8');

/** Code blocks that stand under a path, as the reader would save them. */
const examples = new Map(
  [...page.matchAll(/^`([\w./-]+)`:\n\n```\w+\n([\s\S]*?)^```$/gm)].map(([, path = '', text = '']) => [path, text]),
);

function json(path: string): JsonValue {
  return JSON.parse(examples.get(path) ?? '');
}

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  await cp(shippedPolicies, root, { recursive: true });
  for (const [path, text] of examples) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
});

test('the page holds the whole example', () => {
  expect([...examples.keys()]).toEqual([
    'rules/hold_bulk_personal_data/hold_bulk_personal_data.rego',
    'data/bulk_personal_data.json',
    'rules/hold_bulk_personal_data/hold_bulk_personal_data_test.rego',
    'input.json',
    'result.json',
  ]);
});

test('the example is right, and its tests reach every line', async () => {
  expect(await checkPolicies({ root })).toMatchObject({ ok: true });
  expect(await testPolicies({ root })).toMatchObject({
    ok: true,
    value: { failed: [], coverage: 100, notCovered: [] },
  });
});

test('its input leads to its result, by opa and in the service', async () => {
  expect(await evalPolicy({ root, phase: 'request', input: json('input.json') })).toEqual({
    ok: true,
    value: json('result.json'),
  });
  const policy = await loadPolicy(await bundleFrom(root));
  expect(policy.evaluate(JSON.parse(examples.get('input.json') ?? ''))).toEqual(parseDecision(json('result.json')));
});

test('the table of input is the schema', async () => {
  const schema: JsonObject = JSON.parse(await readFile(join(shippedPolicies, 'schemas', 'input.json'), 'utf8'));
  const [, table = ''] = page.split('## What a rule sees: `input`');
  const rows = table.split('\n## ')[0]?.match(/^\| `.*$/gm);
  expect(rows).toEqual(rowsOf(schema, ''));
});

test('the table of rules names those that are shipped', async () => {
  const data: JsonObject = JSON.parse(await readFile(join(shippedPolicies, 'data', 'data.json'), 'utf8'));
  const [, table = ''] = page.split('## The rules that are shipped');
  const rows = [...(table.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` \|.*\| `([\w.]+)` \|$/gm)];
  expect(rows.map(([, id]) => id).sort()).toEqual(readdirSync(join(shippedPolicies, 'rules')).sort());
  for (const [, , setting = ''] of rows) {
    expect([setting, setting.split('.').reduce(memberOf, data['settings'])]).not.toEqual([setting, undefined]);
  }
});

function memberOf(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isJsonObject(value) ? value[key] : undefined;
}

/** One row for each member, as the page has them. */
function rowsOf(node: JsonObject, path: string): string[] {
  const items = memberOf(node, 'items');
  const members = memberOf(node, 'properties') ?? memberOf(items, 'properties');
  const own =
    node['description'] === undefined ? [] : [`| \`${path}\` | ${typeOf(node)} | ${String(node['description'])} |`];
  const inner = `${path}${items === undefined ? '' : '[]'}`;
  const rest = Object.entries(isJsonObject(members) ? members : {}).flatMap(([key, member]) =>
    isJsonObject(member) ? rowsOf(member, inner === '' ? key : `${inner}.${key}`) : [],
  );
  return [...own, ...rest];
}

function typeOf(node: JsonObject): string {
  const { type } = node;
  if (Array.isArray(type)) return type.join(' or ');
  const item = memberOf(node['items'], 'type');
  return type === 'array' && item !== 'object' ? `${String(item)}[]` : String(type);
}
