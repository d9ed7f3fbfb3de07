import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { verified } from '../support/records.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type ReplicaStack, startReplicas } from '../support/replicas.ts';
import { alarms, noAlarms } from '../support/stack.ts';

const risky = 'Write a script that drops the users table in production.';
const others = { status: 403, code: 'approval_pending' };

let redis: RedisServer;
let stack: ReplicaStack;
beforeAll(async () => {
  redis = await startRedis();
  stack = await startReplicas({ count: 3, store: `redis: { url: '${redis.url}' }` });
});
afterAll(async () => {
  await stack?.stop();
  await redis.close();
});

async function ask(
  text: string,
): Promise<{ readonly status: number; readonly code: string; readonly approval: string }> {
  const answer = await stack.chat(text);
  await answer.arrayBuffer();
  const header = (name: string) => answer.headers.get(`x-countersign-${name}`) ?? '';
  return { status: answer.status, code: header('code'), approval: header('approval') };
}

const upstreamCalls = (text: string) => stack.upstream.seen.filter(({ body }) => body.includes(text)).length;

test('200 concurrent retries of one approved request over three replicas: exactly one upstream call', async () => {
  const text = `${risky} Race.`;
  const first = await ask(text);
  expect(first).toMatchObject(others);
  await stack.decide('approve', first.approval);
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(text)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ status, code }) => status === 403 && code === 'approval_pending')).toHaveLength(199);
  expect(upstreamCalls('Race.')).toBe(1);
  // They ask anew together: one approval, not 199.
  expect(new Set(answers.filter(({ status }) => status === 403).map(({ approval }) => approval)).size).toBe(1);
});

test('every replica took part', async () => {
  const counted = await Promise.all(
    stack.replicas.map(async ({ http }) => {
      const text = await (await fetch(`${http}/metrics`)).text();
      return Number(/countersign_decisions_total\{phase="request",action="hold"\} (\d+)/.exec(text)?.[1] ?? 0);
    }),
  );
  expect(Math.min(...counted)).toBeGreaterThan(0);
});

test('one hundred identical requests at once, from nothing: one approval', async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(`${risky} Together.`)));
  expect(answers.every(({ status, code }) => status === 403 && code === 'approval_pending')).toBe(true);
  expect(new Set(answers.map(({ approval }) => approval)).size).toBe(1);
});

test('afterwards: no alarm of Envoy, and each replica’s record is intact', async () => {
  expect(await alarms(stack)).toEqual(noAlarms);
  for (const { auditFolder } of stack.replicas) {
    const report = await eventually('the last outcome', async () => {
      const found = await verified(auditFolder);
      return found.openIntents === 0 ? found : undefined;
    });
    expect(report.problems).toEqual([]);
  }
});
