import { afterEach, describe, expect, test } from 'vitest';
import type { RedisTarget } from '../../src/approval/redis-client.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { brokenPromises, openReplicas, type Replicas, storm } from '../support/approval-storm.ts';
import { actor, handClock, held, startMs, terms } from '../support/approvals.ts';
import { eventually } from '../support/eventually.ts';
import { startPartition } from '../support/partition.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { asked, startCluster, startSentinels } from '../support/redis-topology.ts';

const ada = { by: actor('ada'), reason: null };
const uses = 10;
const grants = { count: 10, uses };
const unavailable = { code: 'approval_unavailable' };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function replicas(targets: readonly RedisTarget[], clocks = [systemClock]): Promise<Replicas> {
  const opened = await openReplicas(targets, clocks);
  cleanups.push(opened.close);
  return opened;
}

async function server(): Promise<RedisServer> {
  const started = await startRedis();
  cleanups.push(started.close);
  return started;
}

const opening = (id: string) => ({ id, digest: id, held: held(), terms: terms({ ttlS: 3_600 }) });

describe('Sentinel fail-over', () => {
  test('during approve and consume: no use too many, each on record, no restart', async () => {
    const stand = await startSentinels();
    cleanups.push(stand.close);
    const all = await replicas([stand.target, stand.target, stand.target]);
    const heard: string[] = [];
    all.stores[0]?.subscribe((hint) => heard.push(hint.kind));
    const done = await storm(all, grants, async (progress) => {
      await progress();
      await stand.master.stop();
      await stand.failedOver();
    });
    expect(brokenPromises(all, done, uses)).toEqual([]);
    expect(done.faults).toBeGreaterThan(0);
    // What was decided before is there, and whoever waits has been told to look again.
    expect(heard).toContain('resync');
    const page = await all.stores[1]?.list({ state: 'consumed', accepts: () => true, pageSize: 100, after: null });
    expect(page?.approvals.length).toBe(grants.count);
  });
});

describe('a cluster of three nodes', () => {
  test('everything works, whichever node has the slot; it may move while approvals are made and used', async () => {
    const stand = await startCluster();
    cleanups.push(stand.close);
    const all = await replicas([stand.target, stand.target, stand.target]);
    const [one, two] = all.stores;
    const told = new Promise<string>((resolve) =>
      two?.subscribe((hint) => hint.kind === 'changed' && resolve(hint.id)),
    );
    await one?.open(opening('first'));
    expect(await told).toBe('first');
    const before = await stand.ownerOf('{approval}');
    const done = await storm(all, grants, async (progress) => {
      await progress();
      await stand.moveSlotOf('{approval}');
      await progress();
    });
    expect((await stand.ownerOf('{approval}')).port).not.toBe(before.port);
    expect(brokenPromises(all, done, uses).filter((broken) => !broken.startsWith('first'))).toEqual([]);
  });

  test('hints stay on the node that has the slot, and follow it', async () => {
    const stand = await startCluster();
    cleanups.push(stand.close);
    const { stores } = await replicas([stand.target, stand.target]);
    const [one, two] = stores;
    const heard: string[] = [];
    two?.subscribe((hint) => heard.push(hint.kind === 'changed' ? hint.id : hint.kind));
    const hears = (what: string) =>
      eventually(`a hint of ${what}`, () => (heard.includes(what) ? true : undefined), 20_000);
    await one?.open(opening('here'));
    await hears('here');
    const before = await stand.ownerOf('{approval}');
    for (const { port } of stand.nodes) {
      const [sharded, plain] = await asked(port, (redis) =>
        Promise.all([redis.call('PUBSUB', 'SHARDCHANNELS'), redis.call('PUBSUB', 'CHANNELS')]),
      );
      expect(sharded).toEqual(port === before.port ? ['countersign:{approval}:changes'] : []);
      expect(plain).toEqual([]);
    }
    await stand.moveSlotOf('{approval}');
    await hears('resync');
    await one?.open(opening('there'));
    await hears('there');
  });

  test('the node that has the slot dies: a fault at once, and its return needs no restart', async () => {
    const stand = await startCluster();
    cleanups.push(stand.close);
    const { stores } = await replicas([stand.target]);
    const [store] = stores;
    if (store === undefined) throw new Error('there is a store');
    await store.open(opening('a'));
    const owner = await stand.ownerOf('{approval}');
    await owner.stop();
    await expect(store.approve('a', ada)).rejects.toMatchObject(unavailable);
    await owner.start();
    const decided = await eventually(
      'a node that is back',
      () => store.approve('a', ada).catch(() => undefined),
      30_000,
    );
    expect(decided.ok || decided.error.kind === 'already_decided' || decided.error.kind === 'already_resolved').toBe(
      true,
    );
    expect((await store.get('a'))?.state).toBe('approved');
  });
});

describe('one Redis', () => {
  test('restarted again and again during approve and consume', async () => {
    const redis = await server();
    const target: RedisTarget = { kind: 'single', url: redis.url };
    const all = await replicas([target, target, target]);
    const done = await storm(all, grants, async (progress) => {
      for (let n = 0; n < 3; n += 1) {
        await progress();
        await redis.stop();
        await redis.start();
      }
    });
    expect(brokenPromises(all, done, uses)).toEqual([]);
    expect(done.faults).toBeGreaterThan(0);
  });

  test('partitioned from one replica of three: that one fails closed, the others go on, and it comes back', async () => {
    const redis = await server();
    const partition = await startPartition(redis.port);
    cleanups.push(partition.close);
    const target: RedisTarget = { kind: 'single', url: redis.url };
    const behind: RedisTarget = { kind: 'single', url: `redis://127.0.0.1:${partition.port}` };
    const all = await replicas([behind, target, target]);
    const [cut, well] = all.stores;
    const done = await storm(all, grants, async (progress) => {
      await progress();
      partition.cut();
      await expect(cut?.get('storm-0000')).rejects.toMatchObject(unavailable);
      expect((await well?.open(opening('meanwhile')))?.kind).toBe('created');
      // What was on its way arrives late, as in life: it may have been done, and is not done again.
      partition.heal();
    });
    expect(brokenPromises(all, done, uses).filter((broken) => !broken.startsWith('meanwhile'))).toEqual([]);
    expect(done.faults).toBeGreaterThan(0);
    expect((await cut?.get('meanwhile'))?.state).toBe('pending');
  });
});

describe('clocks that are five minutes off, both ways', () => {
  const skewMs = 300_000;

  test('during approve and consume: no use too many, each on record', async () => {
    const redis = await server();
    const target: RedisTarget = { kind: 'single', url: redis.url };
    const skewed = [-skewMs, 0, skewMs].map((ms) => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms }));
    const all = await replicas([target, target, target], skewed);
    const done = await storm(all, grants, async (progress) => {
      await progress();
    });
    expect(brokenPromises(all, done, uses)).toEqual([]);
  });

  test('who is early ends a grant for all; nobody uses it afterwards, and nobody gives it back', async () => {
    const redis = await server();
    const target: RedisTarget = { kind: 'single', url: redis.url };
    const [slow, right, fast] = [-skewMs, 0, skewMs].map((ms) => handClock(startMs + ms));
    if (slow === undefined || right === undefined || fast === undefined) throw new Error('three clocks');
    const { stores } = await replicas([target, target, target], [slow, right, fast]);
    const [late, exact, early] = stores;
    const short = terms({ ttlS: 600, grant: { uses: 5, ttlS: 240 } });
    await exact?.open({ id: 'a', digest: 'a', held: held(), terms: short });
    expect((await late?.approve('a', ada))?.ok).toBe(true);
    // Decided by a clock that is slow: the grant ends so much earlier, never later, for the clocks that are right or fast.
    expect(await early?.consume('a')).toMatchObject({
      ok: false,
      error: { kind: 'already_resolved', state: 'expired' },
    });
    for (const store of [late, exact]) {
      expect(await store?.consume('a')).toMatchObject({ ok: false, error: { state: 'expired' } });
      expect(await store?.approve('a', { by: actor('ben'), reason: null })).toMatchObject({
        ok: false,
        error: { state: 'expired' },
      });
    }
  });

  test('a grant lasts at most the skew longer than decided', async () => {
    const redis = await server();
    const target: RedisTarget = { kind: 'single', url: redis.url };
    const [slow, fast] = [-skewMs, skewMs].map((ms) => handClock(startMs + ms));
    if (slow === undefined || fast === undefined) throw new Error('two clocks');
    const [late, early] = (await replicas([target, target], [slow, fast])).stores;
    await early?.open({
      id: 'a',
      digest: 'a',
      held: held(),
      terms: terms({ ttlS: 600, grant: { uses: 5, ttlS: 60 } }),
    });
    expect((await early?.approve('a', ada))?.ok).toBe(true);
    slow.move(2 * skewMs + 59_999);
    expect((await late?.consume('a'))?.ok).toBe(true);
    slow.move(1);
    expect(await late?.consume('a')).toMatchObject({ ok: false, error: { state: 'expired' } });
  });
});
