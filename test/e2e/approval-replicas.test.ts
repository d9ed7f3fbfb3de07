import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Receiver, startReceiver } from '../support/notices.ts';
import { verified } from '../support/records.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type ReplicaStack, startReplicas } from '../support/replicas.ts';
import { alarms, noAlarms } from '../support/stack.ts';

const risky = 'Write a script that drops the users table in production.';
const others = { status: 403, code: 'approval_pending' };

let redis: RedisServer;
let receiver: Receiver;
let stack: ReplicaStack;
beforeAll(async () => {
  redis = await startRedis();
  receiver = await startReceiver();
  stack = await startReplicas({
    count: 3,
    store: `redis: { url: '${redis.url}', timeout: 20s }`,
    serviceConfig: (yaml) => `${yaml}
notices:
  directory: \${env:COUNTERSIGN_DATA:-.}/notices
  routes:
    - name: hooks
      webhook: { url: "${receiver.url}", format: teams }
`,
  });
});
afterAll(async () => {
  await stack?.stop();
  await receiver.close();
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

/** Every key with all that it holds, a line each. */
async function everythingIn(url: string): Promise<readonly string[]> {
  const client = new Redis(url);
  try {
    const lines: string[] = [];
    for (const key of await client.keys('*')) {
      const type = await client.type(key);
      const value =
        type === 'hash'
          ? await client.hgetall(key)
          : type === 'zset'
            ? await client.zrange(key, '0', '-1', 'WITHSCORES')
            : await client.get(key);
      // Whole lines for documents: JSON within JSON would hide quotes.
      lines.push(`${key} ${typeof value === 'string' ? value : Object.values(value ?? {}).join(' ')}`);
    }
    return lines;
  } finally {
    client.disconnect();
  }
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

test('of three replicas one tells people, once', async () => {
  const { approval } = await ask(`${risky} Tell.`);
  await stack.decide('reject', approval);
  const told = () => receiver.received.filter(({ body }) => body.includes(approval));
  await eventually('both notices', () => (told().length >= 2 ? true : undefined));
  expect(told().map(({ body }) => /waits for approval|was rejected/.exec(body)?.[0])).toEqual([
    'waits for approval',
    'was rejected',
  ]);
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

test('at rest there are masked views and digests: no value of a prompt, none of a reason', async () => {
  const card = '4111 1111 1111 1111';
  const headers = { 'x-countersign-reason': `The card ${card} has to go through.` };
  const held = await stack.chat(`${risky} My card is ${card}. At rest.`, { headers });
  await held.arrayBuffer();
  const id = held.headers.get('x-countersign-approval') ?? 'none';
  await stack.decide('approve', id);
  const lines = await everythingIn(redis.url);
  const about = lines.filter((line) => line.includes(id)).join('\n');
  expect(about).toContain('At rest.');
  expect(about).toMatch(/The card CREDIT_CARD\w* has to go through/);
  expect(about).toMatch(/"digest":"[0-9a-f]{64}"/);
  expect(lines.join('\n')).not.toMatch(/4111/);
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
