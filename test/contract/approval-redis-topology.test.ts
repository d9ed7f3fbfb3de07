import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import type { RedisTarget } from '../../src/approval/redis-client.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore } from '../../src/approval/store.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, handClock, held, scratch, terms } from '../support/approvals.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const ada = { by: actor('ada'), reason: null };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('a cluster keeps all keys of the approvals in one slot', async () => {
  const node = await server(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
  await admin(node, async (redis) => {
    await redis.cluster('ADDSLOTSRANGE', 0, 16_383);
    while (!String(await redis.cluster('INFO')).includes('cluster_state:ok')) await new Promise(setImmediate);
  });
  await checkAll({ kind: 'cluster', nodes: [{ host: '127.0.0.1', port: node.port }] });
});

test('a sentinel says where the master is', async () => {
  const master = await server();
  const { directory, remove } = scratch('sentinel');
  cleanups.push(remove);
  const config = join(directory, 'sentinel.conf');
  writeFileSync(config, `sentinel monitor approvals 127.0.0.1 ${master.port} 1\n`);
  const sentinel = await startRedis([], config);
  cleanups.push(sentinel.close);
  await checkAll({ kind: 'sentinel', name: 'approvals', sentinels: [{ host: '127.0.0.1', port: sentinel.port }] });
});

test('what a full Redis has evicted does not block its digest', async () => {
  const node = await server();
  const store = await connect({ kind: 'single', url: node.url });
  await store.open({ id: 'a', digest: 'digest', held: held(), terms: terms() });
  await admin(node, (redis) => redis.del('countersign:{approval}:row:a'));
  expect((await store.open({ id: 'b', digest: 'digest', held: held(), terms: terms() })).kind).toBe('created');
  expect((await store.list({ state: null, accepts: () => true, pageSize: 10, after: null })).approvals).toHaveLength(1);
});

/** Every script, the pipelines and the subscription. */
async function checkAll(target: RedisTarget): Promise<void> {
  const [one, two] = [await connect(target), await connect(target)];
  const heard = new Promise<string>((resolve) => {
    two.subscribe((hint) => hint.kind === 'changed' && resolve(hint.id));
  });
  await one.open({ id: 'a', digest: 'digest', held: held(), terms: terms() });
  expect(await heard).toBe('a');
  expect((await two.approve('a', ada)).ok).toBe(true);
  const taken = await Promise.all([one, two, one, two].map((store) => store.consume('a')));
  expect(taken.filter((outcome) => outcome.ok)).toHaveLength(1);
  const page = await two.list({ state: 'consumed', accepts: () => true, pageSize: 10, after: null });
  expect(page.approvals.map((approval) => approval.id)).toEqual(['a']);
  expect(await one.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
}

async function server(settings: readonly string[] = []): Promise<RedisServer> {
  const started = await startRedis(settings);
  cleanups.push(started.close);
  return started;
}

async function connect(target: RedisTarget): Promise<ApprovalStore> {
  const deps = { clock: handClock(), onTransition: async () => {}, log: silentLog };
  const store = await createRedisStore({ target }, deps);
  cleanups.push(store.close);
  return store;
}

async function admin(node: RedisServer, run: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(node.url);
  await run(redis);
  redis.disconnect();
}
