import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import type { RedisTarget } from '../../src/approval/redis-client.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore } from '../../src/approval/store.ts';
import { type Log, silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, handClock, held, scratch, terms } from '../support/approvals.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const plainHints = 'redis has no sharded pub/sub: hints go to every node of the cluster';
const ada = { by: actor('ada'), reason: null };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('a cluster keeps all keys of the approvals in one slot', async () => {
  const node = await clusterNode();
  await checkAll({ kind: 'cluster', nodes: [{ host: '127.0.0.1', port: node.port }] });
});

test('a cluster that knows no sharded channels tells by ordinary ones, and the log says so', async () => {
  const unknown = ['--rename-command', 'SSUBSCRIBE', '', '--rename-command', 'SPUBLISH', ''];
  const node = await clusterNode(unknown);
  const warned: string[] = [];
  const log = { ...silentLog, warn: (event: string) => void warned.push(event) };
  await checkAll({ kind: 'cluster', nodes: [{ host: '127.0.0.1', port: node.port }] }, log);
  // Once each. A machine that is busy may have lost a connection as well.
  expect(warned.filter((event) => event === plainHints)).toHaveLength(2);
});

test('the access rule of the operations page for a cluster is enough', async () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, rule = ''] = /```acl\n(user .+?)\n```/s.exec(page) ?? [];
  const [, more = ''] = /With Cluster add `([^`]+)`/.exec(page) ?? [];
  const [, instead = '', plain = ''] = /put `([^`]+)` in the place of `([^`]+)`/.exec(page) ?? [];
  const password = ['not', 'a', 'secret'].join('-');
  const given = rule.replace('<password>', password).replace(plain, `${instead} ${more}`);
  const [, username = '', ...rules] = given.split(/\s+/);
  const node = await clusterNode();
  await admin(node, (redis) => redis.call('ACL', 'SETUSER', username, ...rules));
  await checkAll({ kind: 'cluster', nodes: [{ host: '127.0.0.1', port: node.port }], username, password });
  let refused: unknown = null;
  await admin(node, async (redis) => {
    refused = await redis.call('ACL', 'LOG');
  });
  expect(refused).toEqual([]);
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
async function checkAll(target: RedisTarget, log: Log = silentLog): Promise<void> {
  const [one, two] = [await connect(target, log), await connect(target, log)];
  const heard = new Promise<string>((resolve) => {
    two.subscribe((hint) => hint.kind === 'changed' && resolve(hint.id));
  });
  await one.open({ id: 'a', digest: 'digest', held: held(), terms: terms() });
  expect(await heard).toBe('a');
  expect((await two.approve('a', ada)).ok).toBe(true);
  const taken = await Promise.all([one, two, one, two].map((store) => store.consume('a')));
  expect(taken.filter((outcome) => outcome.ok)).toHaveLength(1);
  await eventually('an index that has followed', async () => {
    const page = await two.list({ state: 'consumed', accepts: () => true, pageSize: 10, after: null });
    return page.approvals.map((approval) => approval.id).join() === 'a' ? true : undefined;
  });
  expect(await one.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
}

async function server(settings: readonly string[] = []): Promise<RedisServer> {
  const started = await startRedis(settings);
  cleanups.push(started.close);
  return started;
}

/** All slots on one node. */
async function clusterNode(settings: readonly string[] = []): Promise<RedisServer> {
  const node = await server(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', ...settings]);
  await admin(node, async (redis) => {
    await redis.cluster('ADDSLOTSRANGE', 0, 16_383);
    await eventually('a cluster', async () =>
      String(await redis.cluster('INFO')).includes('cluster_state:ok') ? true : undefined,
    );
  });
  return node;
}

async function connect(target: RedisTarget, log: Log = silentLog): Promise<ApprovalStore> {
  const deps = { clock: handClock(), onTransition: async () => {}, log };
  const store = await createRedisStore({ target }, deps);
  cleanups.push(store.close);
  return store;
}

async function admin(node: RedisServer, run: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(node.url);
  await run(redis);
  redis.disconnect();
}
