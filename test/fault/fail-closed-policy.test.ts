import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { regoAllow } from '../support/policy.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { allRecords, verified } from '../support/records.ts';
import { expectNeverSent, expectRefused, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const text = `my card is ${card}`;

describe('a policy that goes bad', () => {
  let policy: PolicyVariant;
  let stack: TestStack;
  beforeAll(async () => {
    policy = await policyVariant({});
    stack = await startTestStack({ serviceConfig: following(policy.bundle) });
  });
  afterAll(async () => {
    await stack?.stop();
    policy.remove();
  });

  test.each([
    { name: 'is no archive', break: () => writeFileSync(policy.bundle, 'not a bundle') },
    { name: 'is cut off', break: () => writeFileSync(policy.bundle, Buffer.from('1f8b0800000000000003', 'hex')) },
    {
      name: 'decides nothing',
      break: () => policy.rebuild({ files: { 'main.rego': deciding('{"action": "perhaps"}') } }),
    },
    { name: 'is gone', break: () => rmSync(policy.bundle) },
  ])('a new bundle that $name is refused on record, and the one before keeps serving', async ({ break: harm }) => {
    const before = await refusals(stack);
    await harm();
    await eventually('the refusal on record', async () => ((await refusals(stack)) > before ? true : undefined));
    const passed = await say(stack, 'openai', { text });
    expect(passed.status).toBe(200);
    expect(stack.upstream.seen.at(-1)?.body.toString('utf8')).toMatch(/my card is CREDIT_CARD_/);
    expect((await fetch(`${stack.http}/readyz`)).status).toBe(200);
  });

  test('a good one after it goes into service without a restart', async () => {
    await policy.rebuild({ settings: { models: [{ groups: ['*'], models: ['other-*'] }] } });
    await eventually('the new policy', async () => {
      const answer = await say(stack, 'openai', { text });
      return answer.status === 403 ? true : undefined;
    });
    await expectRefused(stack, 'anthropic', { text }, { status: 403, code: 'model_not_allowed' });
  });

  test('afterwards: no raw value ever left, the record is intact', async () => {
    expectNeverSent(stack, card);
    expect((await verified(stack.auditFolder)).problems).toEqual([]);
  });
});

describe('no usable policy from the start', () => {
  let policy: PolicyVariant;
  let stack: TestStack;
  beforeAll(async () => {
    policy = await policyVariant({});
    writeFileSync(policy.bundle, 'not a bundle');
    stack = await startTestStack({ serviceConfig: following(policy.bundle), until: 'live' });
  });
  afterAll(async () => {
    await stack?.stop();
    policy.remove();
  });

  test('everything is refused, and the service says that it is not ready; it is, when there is one', async () => {
    for (const spoken of ['openai', 'anthropic', 'json'] as const) {
      await expectRefused(stack, spoken, { text }, { status: 503, code: 'policy_unavailable' });
    }
    expect((await fetch(`${stack.http}/readyz`)).status).toBe(503);
    await policy.rebuild({});
    await eventually('the service to be ready', async () =>
      (await fetch(`${stack.http}/readyz`)).ok ? true : undefined,
    );
    expect((await say(stack, 'openai', { text })).status).toBe(200);
    expectNeverSent(stack, card);
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});

describe('a policy that fails on some requests', () => {
  let policy: PolicyVariant;
  let stack: TestStack;
  beforeAll(async () => {
    policy = await policyVariant({ files: { 'main.rego': sometimes } });
    stack = await startTestStack({ serviceConfig: following(policy.bundle) });
  });
  afterAll(async () => {
    await stack?.stop();
    policy.remove();
  });

  test.each([
    { name: 'an undefined decision', path: 'undefined' },
    { name: 'a conflict of two decisions', path: 'conflict' },
    { name: 'a decision of the wrong shape', path: 'misshapen' },
  ])('$name is a refusal; the next request is not touched by it', async ({ path }) => {
    const failing = { text, headers: { 'x-fail': path } };
    await expectRefused(stack, 'openai', failing, { status: 503, code: 'policy_failed' });
    await expectRefused(stack, 'anthropic', failing, { status: 503, code: 'policy_failed' });
    expect((await say(stack, 'openai', { text })).status).toBe(200);
  });

  test.each([
    { name: 'an undefined decision', status: 299 },
    { name: 'a conflict of two decisions', status: 298 },
  ])('$name about an answer: not a byte of it passes', async ({ status }) => {
    const script = { status, chunks: [JSON.stringify({ choices: [{ message: { content: card } }] })] };
    const answer = await say(stack, 'openai', { text: 'hello', script });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([503, 'policy_failed']);
    expect(answer.body).not.toContain(card);
  });

  test('afterwards: no raw value ever left, the record is intact', async () => {
    expectNeverSent(stack, card);
    expect(await alarms(stack)).toEqual(noAlarms);
    expect((await verified(stack.auditFolder)).problems).toEqual([]);
  });
});

/** Looks for a new bundle often, and shows policy the header that the tests steer it by. */
function following(bundle: string): (yaml: string) => string {
  return (yaml) => withBundle(bundle)(yaml).replace('reload: 2s', 'reload: 100ms\n  headers: [x-fail]');
}

async function refusals(stack: TestStack): Promise<number> {
  const records = await allRecords(stack.auditFolder);
  return records.filter((record) => record.kind === 'policy' && record.facts['event'] === 'refused').length;
}

function deciding(expression: string): string {
  return `package countersign\n\nrequest := ${expression}\n\nresponse := ${expression}\n`;
}

const masking = regoAllow.replace('"redact": []', '"redact": [{"entity": "*", "method": "label"}]');

const sometimes = `package countersign

_fails(how) if input.http.headers["x-fail"] == how

_misshapen := {"action": "allow"} if _fails("misshapen")

_allow := ${masking}

request := _misshapen if _fails("misshapen")

request := _allow if not _steered

request := {"action": "allow", "n": 1} if _fails("conflict")

request := {"action": "allow", "n": 2} if _fails("conflict")

_steered if input.http.headers["x-fail"]

response := _allow if not input.resource.status in {298, 299}

response := {"n": 1} if input.resource.status == 298

response := {"n": 2} if input.resource.status == 298
`;
