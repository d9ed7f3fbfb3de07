import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../../src/config/schema.ts';
import { agentgatewayPaths } from '../../../src/pep/agentgateway-http.ts';
import { liteLlmPath } from '../../../src/pep/litellm-http.ts';

const page = readFileSync(new URL('../../../docs/gateways.md', import.meta.url), 'utf8');
const [ours = '', ...theirs] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => block ?? '');

test('our settings are right', () => {
  const given: unknown = parse(ours.replace(/\$\{[^}]*\}/, 'a-key-that-gateways-show'));
  const read = configSchema('/').safeParse({ ...Object(given), policy: { bundle: 'x' } });
  expect(read.success && read.data.gateways?.listen).toEqual({ host: '127.0.0.1', port: 9194, tls: null });
});

test('theirs are YAML, and lead to our listener', () => {
  expect(theirs.length).toBe(2);
  for (const block of theirs) expect(JSON.stringify(parse(block))).toContain('127.0.0.1:9194');
});

test('the paths are those that are served', () => {
  const rows = [...page.matchAll(/^\| `(\/[^`]+)` /gm)].map(([, path]) => path);
  expect(rows).toEqual([liteLlmPath, agentgatewayPaths.request, agentgatewayPaths.answer]);
});
