import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWitnessKey } from '../../src/audit/witness/witness-key.ts';
import { type CliProcess, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { outcomeOf, verified } from '../support/records.ts';
import { say } from '../support/refusals.ts';
import { freePorts, startTestStack, type TestStack } from '../support/stack.ts';

const seed = Buffer.alloc(32, 6);
const name = 'witness.example/w1';
let stack: TestStack;
let witness: CliProcess;
let port: number;

beforeAll(async () => {
  [port = 0] = await freePorts(1);
  const { verifierKey } = createWitnessKey(name, seed);
  stack = await startTestStack({
    serviceConfig: (yaml) =>
      yaml.replace(
        /^audit:\n/m,
        `audit:\n  witnesses: [{ name: w1, key: "${verifierKey}", url: "http://127.0.0.1:${port}" }]\n  witness: { required: 1, max_lag: 5s }\n`,
      ),
  });
});

afterAll(async () => {
  witness?.child.kill('SIGTERM');
  await stack?.stop();
});

test('a witness that is required and away: exchanges are refused and recorded as such, until it is there', async () => {
  const ready = async (): Promise<{ ok: boolean; text: string }> => {
    const response = await fetch(`${stack.http}/readyz`);
    return { ok: response.ok, text: await response.text() };
  };
  const text = 'hello';
  const folder = join(stack.dataFolder, 'audit');
  const away = await eventually('the way to close', async () => {
    const answer = await say(stack, 'openai', { text });
    return answer.status === 503 ? answer : undefined;
  });
  expect(away.headers['x-countersign-code']).toBe('audit_unavailable');
  expect(await ready()).toEqual({ ok: false, text: expect.stringContaining('fewer than 1 witnesses have cosigned') });
  await eventually('its lag to be told', async () =>
    /countersign_audit_witness_quorum_lag_seconds (?:[5-9]|\d\d)/.test(
      await (await fetch(`${stack.http}/metrics`)).text(),
    )
      ? true
      : undefined,
  );
  const exchange = String(away.headers['x-countersign-exchange']);
  expect(await outcomeOf(folder, exchange)).toMatchObject({
    facts: { ended: 'refused', code: 'audit_unavailable', final: true },
  });

  const state = join(stack.dataFolder, 'witness');
  mkdirSync(state);
  writeFileSync(join(state, 'key'), seed.toString('base64'), { mode: 0o600 });
  witness = startCli([
    ...['audit', 'witness', '--log', join(folder, 'log.vkey'), '--name', name, '--key', join(state, 'key')],
    ...['--state', state, '--listen', `127.0.0.1:${port}`],
  ]);
  await eventually('the way to open', async () => {
    const answer = await say(stack, 'openai', { text });
    return answer.status === 200 ? true : undefined;
  });
  expect((await ready()).ok).toBe(true);
  expect(readFileSync(join(folder, 'checkpoint.witnessed'), 'utf8')).toContain(`\u2014 ${name} `);
  expect((await verified(folder)).problems).toEqual([]);
});
