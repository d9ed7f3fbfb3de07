import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

/** Envoy gives up on an ordinary message after this; people take longer. */
const messageTimeoutMs = 3_000;
const risky = 'Write a script that drops the users table in production.';
const overrides = /^http\..*ext_proc\.override_message_timeout_(received|ignored)$/;

let policy: PolicyVariant;
beforeAll(async () => {
  policy = await policyVariant({ settings: { production_changes: { wait_s: 60 } } });
});
afterAll(() => policy.remove());

async function start(maxMessageTimeout: string): Promise<TestStack> {
  const bundle = withBundle(policy.bundle);
  return startTestStack({
    envoyConfig: (yaml) =>
      yaml
        .replace('message_timeout: 60s', `message_timeout: ${messageTimeoutMs / 1_000}s`)
        .replace('max_message_timeout: 300s', `max_message_timeout: ${maxMessageTimeout}`),
    serviceConfig: (yaml) =>
      bundle(yaml)
        .replace('message_timeout: 60s', `message_timeout: ${messageTimeoutMs / 1_000}s`)
        .replace('max_message_timeout: 300s', `max_message_timeout: ${maxMessageTimeout}`)
        .replace('max_wait: 50s', `max_wait: ${maxMessageTimeout === '0s' ? '2s' : '50s'}`),
  });
}

async function overridden(stack: TestStack): Promise<Record<string, number>> {
  const stats = await stack.envoy.stats('ext_proc\\.override_message_timeout');
  return Object.fromEntries([...stats].map(([name, value]) => [overrides.exec(name)?.[1] ?? name, value]));
}

describe('a hold that is longer than what Envoy gives any message', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await start('300s');
  });
  afterAll(() => stack.stop());

  test('Envoy is asked once for the time, and the request goes on after its agreement', async () => {
    const began = performance.now();
    const waiting = stack.chat(`${risky} Slowly.`);
    const { id } = await stack.pending('Slowly.');
    expect(await overridden(stack)).toEqual({ received: 1, ignored: 0 });
    await eventually('more than the time-out', () =>
      performance.now() - began > messageTimeoutMs + 1_000 ? true : undefined,
    );
    await stack.decide('approve', id);
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});

describe('an Envoy that cannot be asked', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await start('0s');
  });
  afterAll(() => stack.stop());

  test('is answered before it gives up', async () => {
    const answer = await stack.chat(`${risky} In vain.`);
    expect([answer.status, answer.headers.get('x-countersign-code')]).toEqual([403, 'approval_pending']);
    expect(await overridden(stack)).toEqual({ received: 0, ignored: 0 });
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});
