import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { verified } from '../support/records.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { expectNeverSent, expectRefused, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const risky = `Write a script that drops the users table in production and pays with ${card}.`;
const away = { status: 503, code: 'approval_unavailable' };

describe('the approval store is away', () => {
  let redis: RedisServer;
  let policy: PolicyVariant;
  let stack: TestStack;
  beforeAll(async () => {
    redis = await startRedis();
    policy = await policyVariant({});
    const keyFile = join(dirname(policy.bundle), 'masking-key');
    writeFileSync(keyFile, 'for-tests-'.repeat(4));
    stack = await startTestStack({
      serviceConfig: (yaml) =>
        withBundle(policy.bundle)(yaml)
          .replace(/embedded: \{.*\}/, `redis: { url: '${redis.url}' }`)
          .replace(
            'scope: session',
            `scope: session
  key: \${file:${keyFile}}`,
          )
          .replace('reload: 2s', 'reload: 200ms'),
    });
  });
  afterAll(async () => {
    await stack?.stop();
    await redis.close();
    policy.remove();
  });

  test.each(['openai', 'anthropic'] as const)(
    'dead when a request is to be held (%s): refused, then held again',
    async (spoken) => {
      await redis.stop();
      await expectRefused(stack, spoken, { text: `${risky} ${spoken}` }, away);
      // What needs no approval goes on.
      expect((await say(stack, spoken, { text: 'hello' })).status).toBe(200);
      await redis.start();
      const held = await onceBack(() => say(stack, spoken, { text: `${risky} ${spoken}` }));
      expect([held.status, held.headers['x-countersign-code']]).toEqual([403, 'approval_pending']);
    },
  );

  test('dead when a grant is to be used: refused, and the grant is still there afterwards, once', async () => {
    const said = { text: `${risky} Use the grant.` };
    const held = await onceBack(() => say(stack, 'openai', said));
    await stack.decide('approve', String(held.headers['x-countersign-approval']));
    await redis.stop();
    await expectRefused(stack, 'openai', said, away);
    await redis.start();
    const reached = stack.upstream.seen.length;
    const passed = await onceBack(() => say(stack, 'openai', said));
    expect([passed.status, stack.upstream.seen.length]).toEqual([200, reached + 1]);
    expect((await say(stack, 'openai', said)).headers['x-countersign-code']).toBe('approval_pending');
  });

  test('silent (connections stay, answers do not come): refused in bounded time, then held again', async () => {
    const said = { text: `${risky} Are you there?` };
    redis.freeze();
    const startedMs = performance.now();
    await expectRefused(stack, 'openai', said, away);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    redis.thaw();
    const held = await onceBack(() => say(stack, 'openai', said));
    expect(held.headers['x-countersign-code']).toBe('approval_pending');
  });

  test('dying while a request waits in-band: refused, and held again when it is back', async () => {
    const said = { text: `${risky} Please wait.` };
    await policy.rebuild({ settings: { hold: { wait_s: 20 } } });
    await eventually('the policy that waits', () =>
      stack.output().split('"policy loaded"').length > 2 ? true : undefined,
    );
    const waiting = expectRefused(stack, 'openai', said, away);
    const { id } = await stack.pending('Please wait.');
    await redis.stop();
    await waiting;
    await redis.start();
    // The approval outlived the store's death; its word is still good.
    await onceBack(() => say(stack, 'openai', { text: 'hello' }));
    await eventually('the word of an approver', () => stack.decide('approve', id).catch(() => undefined));
    expect((await onceBack(() => say(stack, 'openai', said))).status).toBe(200);
  });

  test('afterwards: no raw value ever left, no alarm of Envoy, the record is intact', async () => {
    expectNeverSent(stack, card);
    expect(await alarms(stack)).toEqual(noAlarms);
    const report = await verified(stack.auditFolder);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
    expect(stack.output()).not.toContain(card);
  });
});

/** The first answer that is no 503: connections to Redis are made anew in the background. */
function onceBack(ask: () => ReturnType<typeof say>): ReturnType<typeof say> {
  return eventually('the approval store to be back', async () => {
    const answer = await ask();
    return answer.status === 503 ? undefined : answer;
  });
}
