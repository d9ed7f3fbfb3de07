import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkPolicies, testPolicies } from '../../../src/policy/bundle-files.ts';
import { policyCapabilities } from '../../../src/policy/capabilities.ts';
import { opaPath, shippedPolicies } from '../../support/policy.ts';

test('the shipped policies are right', async () => {
  expect(await checkPolicies({ root: shippedPolicies })).toMatchObject({ ok: true });
});

test('their tests pass and reach every line', async () => {
  const report = await testPolicies({ root: shippedPolicies });
  expect(report).toEqual({
    ok: true,
    value: { passed: expect.any(Number), failed: [], coverage: 100, notCovered: [] },
  });
  expect(report.ok && report.value.passed).toBeGreaterThan(80);
});

const capabilities = JSON.parse(readFileSync(join(shippedPolicies, 'capabilities.json'), 'utf8'));

test('the capabilities are those of the engine and of the compiler in use, less what is not deterministic', () => {
  const engine = new URL('../../../node_modules/@open-policy-agent/opa-wasm/capabilities.json', import.meta.url);
  const compiler = execFileSync(opaPath(), ['capabilities', '--current'], { encoding: 'utf8', maxBuffer: 1 << 26 });
  expect(capabilities).toEqual(policyCapabilities(JSON.parse(readFileSync(engine, 'utf8')), JSON.parse(compiler)));
});

test('no clock, network, chance or environment is among them', () => {
  const names: readonly string[] = capabilities.builtins.map((builtin: { name: string }) => builtin.name);
  expect(names.filter((name) => /^(http|time\.now|rand|opa|net\.lookup|uuid|trace|io\.jwt)/.test(name))).toEqual([]);
  expect(names.length).toBeGreaterThan(80);
  expect(capabilities.allow_net).toEqual([]);
});
