import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { createRecordedStore } from '../../src/approval/recorded-store.ts';
import { createRedisClient } from '../../src/approval/redis-client.ts';
import { openRedisTable } from '../../src/approval/redis-store.ts';
import { approve, isForced } from '../../src/approval/state-machine.ts';
import type { ApprovalStore, OnTransition } from '../../src/approval/store.ts';
import type { ApprovalTable } from '../../src/approval/table.ts';
import { Fault } from '../../src/lib/fault.ts';
import { type LogFields, silentLog } from '../../src/telemetry/telemetry.ts';
import { redisOfFile, tablesIn } from '../support/approval-tables.ts';
import { actor, type HandClock, handClock, held, startMs, terms } from '../support/approvals.ts';
import { eventually } from '../support/eventually.ts';

const redis = redisOfFile();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const implementations = tablesIn(redis, 'consume').map(({ name, open }) => ({
  name,
  open: async (): Promise<ApprovalTable> => {
    const { table, close } = await open();
    cleanups.push(close);
    return table;
  },
}));

const ada = { by: actor('ada'), reason: null };

describe.each(implementations)('a use of a grant: $name', ({ open }) => {
  test('what the caller has read is as good as a read, and what it has read too early or too long ago is read again', async () => {
    const { store } = await stand(await open());
    const seenPending = await opened(store, 3);
    await store.approve('a', ada);
    expect(await store.consume('a', seenPending)).toMatchObject({ ok: true, value: { usesLeft: 2, version: 3 } });
    const seenApproved = (await store.get('a')) ?? undefined;
    expect(seenApproved).toMatchObject({ usesLeft: 2, version: 3 });
    await store.consume('a');
    // It has seen two uses left, and takes the last.
    const last = await store.consume('a', seenApproved);
    expect(last).toMatchObject({ ok: true, value: { state: 'consumed', usesLeft: 0, version: 5 } });
    expect(last).toEqual({ ok: true, value: await store.get('a') });
    expect(await store.consume('a', seenApproved)).toMatchObject({
      ok: false,
      error: { kind: 'already_resolved', state: 'consumed' },
    });
    // An approval that somebody else read tells nothing about this one.
    expect(await store.consume('nobody', seenApproved)).toEqual({ ok: false, error: { kind: 'not_found' } });
  });

  test('a grant that was revoked, or whose time is over, since it was seen', async () => {
    const { store, clock } = await stand(await open());
    await opened(store, 3);
    const seen = approvalOf(await store.approve('a', ada));
    await store.revoke('a', ada);
    expect(await store.consume('a', seen)).toMatchObject({ ok: false, error: { state: 'revoked' } });
    await opened(store, 3, 'b');
    const other = approvalOf(await store.approve('b', ada));
    clock.move(300_000);
    expect(await store.consume('b', other)).toMatchObject({ ok: false, error: { state: 'expired' } });
  });

  test('one that was given in an emergency says so, used or not', async () => {
    const { store, recorded } = await stand(await open());
    await store.open({ id: 'a', digest: 'a', held: held(), terms: terms({ breakGlassGroups: ['oncall'] }) });
    await store.breakGlass('a', { by: actor('olga', ['oncall']), reason: 'production is down' });
    const consumed = approvalOf(await store.consume('a'));
    expect(isForced(consumed)).toBe(true);
    expect(consumed).toEqual(await store.get('a'));
    expect(recorded.at(-1)).toEqual(consumed);
  });

  test('is on record before it is given out, and settled afterwards; what nobody settled the next sweep does', async () => {
    const table = await open();
    const broken = { ...table, settle: onceConsumed(table, () => Promise.reject(new Error('away'))) };
    const { store, recorded, clock } = await stand(broken);
    await opened(store, 1);
    const seen = approvalOf(await store.approve('a', ada));
    const consumed = approvalOf(await store.consume('a', seen));
    expect(recorded.at(-1)).toEqual(consumed);
    // Nobody has told the indexes; nobody is told otherwise by a list.
    const list = (state: Approval['state']) =>
      store.list({ state, accepts: () => true, pageSize: 10, after: null }).then((page) => page.approvals);
    expect(await list('approved')).toEqual([]);

    const { store: another, recorded: later } = await stand(table, clock);
    expect(await another.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
    clock.move(9_999);
    expect(await another.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
    clock.move(1);
    expect(await another.sweep()).toEqual({ expired: 0, settled: 1, purged: 0 });
    // At least once: the same transition, by id and version.
    expect(later).toEqual([consumed]);
    expect(await list('consumed')).toEqual([consumed]);
    expect(await table.changes(0, 10)).toHaveLength(1);
    expect(await another.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
  });

  test('its author died before it was on record: the use is gone, and a sweep records it', async () => {
    const table = await open();
    const { store, clock } = await stand(table);
    await opened(store, 2);
    const seen = approvalOf(await store.approve('a', ada));
    // What a process has done that is killed between the two.
    await table.consume(seen, { nextAtMs: seen.grantUntilMs ?? 0, purgeAtMs: seen.grantUntilMs ?? 0 }, clock.nowMs());
    const { store: another, recorded } = await stand(table, clock);
    await another.sweep();
    clock.move(10_000);
    expect((await another.sweep()).settled).toBe(1);
    expect(recorded).toMatchObject([{ id: 'a', version: 3, usesLeft: 1, state: 'approved' }]);
    expect(await another.consume('a')).toMatchObject({ ok: true, value: { usesLeft: 0 } });
    expect((await another.consume('a')).ok).toBe(false);
  });

  test('is recorded before its approval is forgotten, however short that is kept', async () => {
    const table = await open();
    const broken = { ...table, settle: onceConsumed(table, () => Promise.reject(new Error('away'))) };
    const { store, clock } = await stand(broken, handClock(), undefined, 0);
    await store.open({ id: 'a', digest: 'a', held: held(), terms: terms({ ttlS: 1, grant: { uses: 1, ttlS: 300 } }) });
    await store.approve('a', ada);
    clock.move(299_999);
    const consumed = approvalOf(await store.consume('a'));
    clock.move(10_001);
    const { store: another, recorded } = await stand(table, clock, undefined, 0);
    // Whoever has not looked before may be another ten seconds behind; the approval waits for it.
    const { settled } = await another.sweep();
    expect((await table.read('a'))?.approval ?? null).toEqual(settled === 1 ? null : consumed);
    clock.move(10_000);
    await another.sweep();
    expect(recorded).toEqual([consumed]);
    expect(await table.read('a')).toBeNull();
    expect(await table.unsettled(clock.nowMs(), clock.nowMs(), 10)).toEqual([]);
  });

  test('that is left to a sweep is told to operators, once an outage, and says nothing of what was asked', async () => {
    const table = await open();
    let isAway = true;
    const settle = async (...[after, keeping, nowMs]: Parameters<ApprovalTable['settle']>): Promise<void> => {
      if (isAway && after.version > 2) throw new Fault('approval_unavailable', 'Redis did not answer within 2000 ms');
      await table.settle(after, keeping, nowMs);
    };
    const lines: (readonly [string, LogFields | undefined])[] = [];
    const log = { warn: (event: string, fields?: LogFields) => void lines.push([event, fields]) };
    const onTransition = async () => {};
    const store = createRecordedStore(
      { ...table, settle, close: async () => {} },
      { clock: handClock(), onTransition, log },
    );
    await opened(store, 5);
    await store.approve('a', ada);
    const use = async () => {
      expect((await store.consume('a')).ok).toBe(true);
      await new Promise(setImmediate);
    };
    await use();
    await use();
    const line = [
      'uses of grants are not settled: a sweep will do it',
      { approval: 'a', code: 'approval_unavailable', reason: 'Redis did not answer within 2000 ms' },
    ] as const;
    expect(lines).toEqual([line]);
    isAway = false;
    await use();
    await eventually('it is settled', async () =>
      (await table.changes(0, 10))[0]?.at === startMs + 2 ? true : undefined,
    );
    isAway = true;
    await use();
    expect(lines).toEqual([line, line]);
    await store.close();
  });

  test('nobody waits for what follows, but the end of the store does', async () => {
    const table = await open();
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = { ...table, close: async () => {}, settle: onceConsumed(table, () => held) };
    const { store } = await stand(slow);
    await opened(store, 1);
    await store.approve('a', ada);
    expect((await store.consume('a')).ok).toBe(true);
    let isClosed = false;
    const closed = store.close().then(() => {
      isClosed = true;
    });
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    release();
    await closed;
    expect((await table.read('a'))?.approval.state).toBe('consumed');
  });
});

test.each(implementations)(
  'who asks again about what is due and was half decided by the dead waits as long as for anything else: $name',
  async ({ open }) => {
    const table = await open();
    let reads = 0;
    const read = (id: string) => {
      reads += 1;
      return table.read(id);
    };
    const clock = handClock();
    const store = createRecordedStore(
      { ...table, read, close: async () => {} },
      { clock, onTransition: async () => {} },
      { contentionMs: 20 },
    );
    const asked = await opened(store, 1);
    const decided = approve(asked, { ...ada, atMs: startMs });
    if (!decided.ok) throw new Error(decided.error.kind);
    expect(await table.stage(decided.value, startMs)).toBe(true);
    clock.move(asked.pendingUntilMs - startMs);
    reads = 0;
    await expect(opened(store, 1)).rejects.toMatchObject({ code: 'approval_unavailable' });
    // So many fit into the time; not as many for each of as many tries.
    expect(reads).toBeLessThan(12);
    clock.move(10_000);
    await store.sweep();
    // What was decided in time counts, and its grant was not used in time.
    expect((await opened(store, 1, 'a', 'b')).id).toBe('b');
  },
);

test('whoever has seen the grant needs one call of Redis that runs one command, and has its record before the second', async () => {
  const url = redis.url();
  const admin = new Redis(url);
  cleanups.push(() => admin.disconnect());
  const client = await createRedisClient({ target: { kind: 'single', url } }, silentLog);
  const table = await openRedisTable(client, 'consume-seen:{approval}:');
  cleanups.push(() => table.close());
  let atRecord: ReadonlyMap<string, number> | null = null;
  const { store } = await stand(table, handClock(), async ({ usesLeft }) => {
    if (usesLeft === 1) atRecord = await calls(admin);
  });
  await opened(store, 3);
  const seen = approvalOf(await store.approve('a', ada));
  // The first makes Redis know the script.
  await store.consume('a', seen);
  await store.get('a');
  await admin.config('RESETSTAT');
  await store.consume('a', seen);
  expect(Object.fromEntries(atRecord ?? [])).toEqual({ evalsha: 1, hincrby: 1 });
});

/** How often each command ran since the statistics were reset, those of scripts included. */
async function calls(admin: Redis): Promise<ReadonlyMap<string, number>> {
  const stats = await admin.info('commandstats');
  const found = [...stats.matchAll(/^cmdstat_([a-z|]+):calls=(\d+)/gm)].map(
    ([, name = '', count]) => [name, Number(count)] as const,
  );
  return new Map(found.filter(([name]) => !name.startsWith('config') && name !== 'info'));
}

/** Settles everything but the last use of a grant, which is up to `instead`. */
function onceConsumed(table: ApprovalTable, instead: () => Promise<void>): ApprovalTable['settle'] {
  return async (after, keeping, nowMs) => {
    if (after.state === 'consumed') await instead();
    await table.settle(after, keeping, nowMs);
  };
}

interface Stand {
  readonly store: ApprovalStore;
  readonly clock: HandClock;
  readonly recorded: Approval[];
}

async function stand(
  table: ApprovalTable,
  clock: HandClock = handClock(),
  onRecord: OnTransition = async () => {},
  retentionMs = 3_600_000,
): Promise<Stand> {
  const recorded: Approval[] = [];
  const onTransition: OnTransition = async (approval, before) => {
    recorded.push(approval);
    await onRecord(approval, before);
  };
  return { store: createRecordedStore(table, { clock, onTransition }, { retentionMs }), clock, recorded };
}

async function opened(store: ApprovalStore, uses: number, digest = 'a', id = digest): Promise<Approval> {
  const wanted = terms({ grant: { uses, ttlS: 300 } });
  return (await store.open({ id, digest, held: held(), terms: wanted })).approval;
}

function approvalOf(outcome: Awaited<ReturnType<ApprovalStore['consume']>>): Approval {
  if (!outcome.ok) throw new Error(outcome.error.kind);
  return outcome.value;
}
