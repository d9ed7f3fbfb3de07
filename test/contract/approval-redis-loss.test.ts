import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGate } from '../../src/approval/gate.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore, Opening } from '../../src/approval/store.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, countingIds, handClock, held, terms } from '../support/approvals.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const deadlineMs = 300;
const ada = { by: actor('ada'), reason: null };
const unavailable = { name: 'Fault', code: 'approval_unavailable' };
const clock = handClock();

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

test('a Redis that is gone is a fault at once, and its return needs no restart', async () => {
  const store = await connect('gone');
  await store.open(opening('a'));
  await redis.stop();
  const calls: readonly (() => Promise<unknown>)[] = [
    () => store.get('a'),
    () => store.consume('a'),
    () => store.open(opening('b')),
    store.sweep,
  ];
  for (const call of calls) {
    await expect(within(2 * deadlineMs, call())).rejects.toMatchObject(unavailable);
  }
  await redis.start();
  await returned(store);
  expect((await store.get('a'))?.state).toBe('pending');
  expect((await store.approve('a', ada)).ok).toBe(true);
  await store.close();
});

test('a Redis that hangs is a fault after the deadline, and bounded', async () => {
  const store = await connect('hung');
  await store.open(opening('a'));
  redis.freeze();
  const calls = Array.from({ length: 20 }, () => store.get('a'));
  const outcomes = await within(4 * deadlineMs, Promise.allSettled(calls));
  for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable });
  redis.thaw();
  await returned(store);
  await store.close();
});

test('starts without Redis, and finds it later', async () => {
  await redis.stop();
  const store = await connect('late');
  await expect(store.get('a')).rejects.toMatchObject(unavailable);
  await redis.start();
  await returned(store);
  expect((await store.open(opening('a'))).kind).toBe('created');
  await store.close();
});

test('starts although Redis hangs, gives up the connection that it got, and finds it when it goes on', async () => {
  redis.freeze();
  const store = await connect('frozen');
  await expect(store.get('a')).rejects.toMatchObject(unavailable);
  redis.thaw();
  await returned(store);
  expect((await store.open(opening('a'))).kind).toBe('created');
  await store.close();
});

test('a waiter fails closed when Redis goes, and the decision survives a restart of Redis', async () => {
  const store = await connect('waiter');
  const gate = createGate({ store, clock, newId: countingIds(), observe: noMetrics }, { pollMs: 50 });
  const pass = (waitS: number) => gate.pass('digest', held(), terms({ waitS }), new AbortController().signal);
  await pass(0);
  const waiting = expect(pass(20)).rejects.toMatchObject(unavailable);
  await redis.stop();
  await waiting;
  await redis.start();
  await returned(store);
  await store.approve('id-000001', ada);
  await redis.stop();
  await redis.start();
  await returned(store);
  expect((await pass(0)).kind).toBe('granted');
  await store.close();
});

test('hints come again after the subscription was lost', async () => {
  const store = await connect('hints');
  const resync = new Promise<void>((resolve) => store.subscribe((hint) => hint.kind === 'resync' && resolve()));
  await redis.stop();
  await redis.start();
  await resync;
  await returned(store);
  const changed = new Promise<string>((resolve) =>
    store.subscribe((hint) => hint.kind === 'changed' && resolve(hint.id)),
  );
  await store.open(opening('a'));
  expect(await changed).toBe('a');
  await store.close();
});

test('scripts that Redis has forgotten are loaded again', async () => {
  const store = await connect('scripts');
  await store.open(opening('a'));
  await redis.stop();
  await redis.start();
  await returned(store);
  expect((await store.reject('a', ada)).ok).toBe(true);
  await store.close();
});

function connect(name: string): Promise<ApprovalStore> {
  return createRedisStore(
    { target: { kind: 'single', url: redis.url }, prefix: `${name}:{approval}:`, deadlineMs },
    { clock, onTransition: async () => {}, log: silentLog },
  );
}

function opening(id: string): Opening {
  return { id, digest: 'digest', held: held(), terms: terms() };
}

/** Asks until there is an answer. */
async function returned(store: ApprovalStore): Promise<void> {
  for (;;) {
    const answered = await store.get('a').then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function within<T>(ms: number, what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
  });
  return Promise.race([what, late]).finally(() => clearTimeout(timer));
}
