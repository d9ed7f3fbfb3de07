import { describe, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { openLevelTable } from '../../src/approval/level-store.ts';
import { createRedisClient } from '../../src/approval/redis-client.ts';
import { createRedisStore, openRedisTable } from '../../src/approval/redis-store.ts';
import { approve, consume, create, expire, revoke, type Step } from '../../src/approval/state-machine.ts';
import type { ApprovalTable, Keeping } from '../../src/approval/table.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import { type OpenTable, redisOfFile, tablesIn } from '../support/approval-tables.ts';
import { actor, held, scratch, startMs, terms } from '../support/approvals.ts';

const redis = redisOfFile();

const implementations = tablesIn(redis, 'table');

/** A test on a table of its own. */
function onFresh(open: () => Promise<OpenTable>) {
  return (name: string, body: (table: ApprovalTable) => Promise<void>) =>
    test(name, async () => {
      const { table, close } = await open();
      await body(table).finally(close);
    });
}

const ada = { by: actor('ada'), reason: null, atMs: startMs };
const pending = create('a', 'digest', held(), terms({ grant: { uses: 2, ttlS: 300 } }), startMs);
const approved = taken(approve(pending, ada));
const grantEndMs = startMs + 300_000;
const purgeAtMs = startMs + 3_600_000;
const keeping: Keeping = { nextAtMs: pending.pendingUntilMs, purgeAtMs };
const grantKeeping: Keeping = { nextAtMs: grantEndMs, purgeAtMs };

describe.each(implementations)('approval table: $name', ({ open }) => {
  const it = onFresh(open);

  it('inserts only over the latest it was told of', async (table) => {
    expect(await table.insert(pending, 'somebody', keeping, startMs)).toBe(false);
    expect(await table.insert(pending, null, keeping, startMs)).toBe(true);
    expect(await table.insert({ ...pending, id: 'b' }, null, keeping, startMs)).toBe(false);
    expect(await table.insert({ ...pending, id: 'b' }, 'a', keeping, startMs)).toBe(true);
    expect((await table.latest('digest'))?.approval.id).toBe('b');
    expect(await table.read('a')).toEqual({ approval: pending, staged: null });
  });

  it('stages one transition of the version it was told of, without effect until it is settled', async (table) => {
    await table.insert(pending, null, keeping, startMs);
    expect(await table.stage({ ...approved, version: 3 }, startMs)).toBe(false);
    expect(await table.stage({ ...approved, id: 'nobody' }, startMs)).toBe(false);
    expect(await table.stage(approved, startMs)).toBe(true);
    expect(await table.stage(approved, startMs)).toBe(false);
    expect(await table.read('a')).toEqual({ approval: pending, staged: approved });
    expect(await table.consume(approved, grantKeeping, startMs)).toBeNull();
    await table.settle(approved, grantKeeping, startMs);
    expect(await table.read('a')).toEqual({ approval: approved, staged: null });
  });

  it('consumes a live grant, and none that is past its instant, used up or about to change', async (table) => {
    await grant(table);
    expect(await table.consume(approved, grantKeeping, grantEndMs)).toBeNull();
    const once = taken(consume(approved, grantEndMs - 1));
    expect(await table.consume(approved, grantKeeping, grantEndMs - 1)).toEqual(once);
    const revoked = taken(revoke(once, ada));
    expect(await table.stage(revoked, startMs)).toBe(true);
    expect(await table.consume(approved, grantKeeping, startMs)).toBeNull();
    await table.settle(revoked, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
    expect(await table.consume(approved, grantKeeping, startMs)).toBeNull();
    expect((await table.read('a'))?.approval).toEqual(revoked);
  });

  it('has nothing left to consume after the last use', async (table) => {
    await grant(table);
    await table.consume(approved, grantKeeping, startMs);
    const last = await table.consume(approved, grantKeeping, startMs);
    if (last === null) throw new Error('nothing to consume');
    expect(last.state).toBe('consumed');
    expect(await table.consume(approved, grantKeeping, startMs)).toBeNull();
    await table.settle(last, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
    expect(ids(await table.scan('approved', null, 10))).toEqual([[], null]);
    expect(ids(await table.scan('consumed', null, 10))).toEqual([['a'], null]);
    expect(await table.due(grantEndMs, 10)).toEqual([]);
    expect(await table.due(purgeAtMs, 10)).toEqual(['a']);
  });

  it('tells what is not on record, with before and after, oldest first', async (table) => {
    await table.insert(pending, null, keeping, startMs);
    await table.stage(approved, startMs + 1);
    expect(await table.unsettled(startMs - 1, startMs - 1, 10)).toEqual([]);
    expect(await table.unsettled(startMs + 1, startMs + 1, 10)).toEqual([
      { approval: pending, before: null },
      { approval: approved, before: pending },
    ]);
    expect(await table.unsettled(startMs + 1, startMs + 1, 1)).toHaveLength(1);
    await table.settle(pending, keeping, startMs);
    await table.settle(approved, grantKeeping, startMs);
    const once = await table.consume(approved, grantKeeping, startMs + 2);
    expect(await table.unsettled(startMs + 2, startMs + 2, 10)).toEqual([{ approval: once, before: approved }]);
  });

  it('tells of each use that is not on record, in whatever order the others are settled', async (table) => {
    const [first, second, third] = [await use(table, 5), await use(table, 5), await use(table, 5)];
    await table.settle(second, grantKeeping, startMs);
    const lost = async () => (await table.unsettled(startMs, startMs, 10)).map(({ approval }) => approval);
    expect(await lost()).toEqual([first, third]);
    await table.settle(second, grantKeeping, startMs);
    await table.settle(first, grantKeeping, startMs);
    expect(await lost()).toEqual([third]);
    await table.settle(third, grantKeeping, startMs);
    expect(await lost()).toEqual([]);
    await table.settle(third, grantKeeping, startMs);
    expect((await table.changes(startMs + 1, 10)).map(({ id, at }) => [id, at - startMs])).toEqual([['a', 4]]);
  });

  it('does not forget a use that is not on record: not when the last one is, and not when the grant is revoked', async (table) => {
    const [first, last] = [await use(table, 2), await use(table, 2)];
    expect(last.state).toBe('consumed');
    await table.settle(last, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
    expect(ids(await table.scan('consumed', null, 10))).toEqual([['a'], null]);
    await table.remove(last);
    expect((await table.unsettled(startMs, startMs, 10)).map(({ approval }) => approval)).toEqual([first]);
    await table.settle(first, grantKeeping, startMs);
    expect((await table.read('a'))?.approval).toEqual(last);
    await table.remove(last);
    expect(await table.read('a')).toBeNull();

    const used = await use(table, 2, 'b');
    const revoked = taken(revoke(used, ada));
    await table.stage(revoked, startMs);
    expect((await table.read('b'))?.approval).toEqual(used);
    await table.settle(revoked, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
    await table.remove(revoked);
    expect((await table.unsettled(startMs, startMs, 10)).map(({ approval }) => approval)).toEqual([used]);
    await table.settle(used, grantKeeping, startMs);
    expect(await table.unsettled(startMs, startMs, 10)).toEqual([]);
    expect((await table.read('b'))?.approval).toEqual(revoked);
    await table.remove(revoked);
    expect(await table.read('b')).toBeNull();
  });

  it('looks at all grants in turn, however few at a time', async (table) => {
    const lost = [];
    for (const id of ['a', 'b', 'c', 'd', 'e']) lost.push(await use(table, 1, id));
    const found = new Set<string>();
    for (let n = 0; n < 12; n += 1) {
      const [one] = await table.unsettled(startMs, startMs, 1);
      if (one === undefined) continue;
      found.add(one.approval.id);
      await table.settle(one.approval, grantKeeping, startMs);
    }
    expect([...found].sort()).toEqual(lost.map(({ id }) => id));
  });

  it('settles once: a second time changes nothing', async (table) => {
    await grant(table);
    const once = await table.consume(approved, grantKeeping, startMs);
    await table.settle(approved, grantKeeping, startMs);
    await table.settle(pending, keeping, startMs);
    expect((await table.read('a'))?.approval).toEqual(once);
    await table.settle({ ...pending, id: 'nobody' }, keeping, startMs);
    expect(await table.read('nobody')).toBeNull();
  });

  it('looks at a row when its date has come, and at the new date once it has changed', async (table) => {
    await table.insert(pending, null, keeping, startMs);
    expect(await table.due(pending.pendingUntilMs - 1, 10)).toEqual([]);
    expect(await table.due(pending.pendingUntilMs, 10)).toEqual(['a']);
    await table.settle(pending, keeping, startMs);
    const expired = taken(expire(pending, pending.pendingUntilMs));
    await table.stage(expired, startMs);
    await table.settle(expired, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
    expect(await table.due(purgeAtMs - 1, 10)).toEqual([]);
    expect(await table.due(purgeAtMs, 10)).toEqual(['a']);
  });

  it('forgets a row wholly, but not while it is not on record', async (table) => {
    await table.insert(pending, null, keeping, startMs);
    await table.remove(pending);
    expect(await table.read('a')).not.toBeNull();
    await table.settle(pending, keeping, startMs);
    await table.remove(pending);
    expect(await table.read('a')).toBeNull();
    expect(await table.latest('digest')).toBeNull();
    expect(await table.due(purgeAtMs, 10)).toEqual([]);
    expect(await table.scan(null, null, 10)).toEqual({ approvals: [], last: null });
  });

  it('does not forget the latest of a digest with an earlier one', async (table) => {
    await table.insert(pending, null, keeping, startMs);
    await table.settle(pending, keeping, startMs);
    await table.insert({ ...pending, id: 'b' }, 'a', keeping, startMs);
    await table.remove(pending);
    expect((await table.latest('digest'))?.approval.id).toBe('b');
  });

  it('scans downwards, state by state', async (table) => {
    for (const id of ['a', 'b', 'c']) await table.insert({ ...pending, id, digest: id }, null, keeping, startMs);
    expect(ids(await table.scan(null, null, 2))).toEqual([['c', 'b'], 'b']);
    expect(ids(await table.scan(null, 'b', 2))).toEqual([['a'], null]);
    expect(ids(await table.scan('pending', null, 10))).toEqual([['c', 'b', 'a'], null]);
    expect(ids(await table.scan('approved', null, 10))).toEqual([[], null]);
  });
});

describe.each(implementations)('what happened, in order: $name', ({ open }) => {
  const it = onFresh(open);

  it('knows each approval once, at the place of its last change', async (table) => {
    expect(await table.lastChange()).toBe(0);
    expect(await table.changes(0, 10)).toEqual([]);
    await table.insert(pending, null, keeping, startMs);
    expect(await table.changes(0, 10)).toEqual([]);
    await table.settle(pending, keeping, startMs);
    await table.insert({ ...pending, id: 'b', digest: 'b' }, null, keeping, startMs);
    await table.settle({ ...pending, id: 'b' }, keeping, startMs);
    expect(await table.changes(0, 10)).toEqual([
      { id: 'a', at: startMs },
      { id: 'b', at: startMs + 1 },
    ]);
    await table.stage(approved, startMs);
    await table.settle(approved, grantKeeping, startMs);
    expect(await table.changes(0, 10)).toEqual([
      { id: 'b', at: startMs + 1 },
      { id: 'a', at: startMs + 2 },
    ]);
    expect(await table.changes(startMs + 1, 10)).toEqual([{ id: 'a', at: startMs + 2 }]);
    expect(await table.changes(0, 1)).toEqual([{ id: 'b', at: startMs + 1 }]);
    expect(await table.lastChange()).toBe(startMs + 2);
    await table.remove({ ...pending, id: 'b' });
    expect(await table.changes(0, 10)).toEqual([{ id: 'a', at: startMs + 2 }]);
  });

  it('takes later places by the clock, and never an earlier one', async (table) => {
    await grant(table);
    const consumed = await table.consume(approved, grantKeeping, startMs + 5_000);
    if (consumed === null) throw new Error('nothing to consume');
    await table.settle(consumed, grantKeeping, startMs + 5_000);
    expect(await table.changes(startMs + 1, 10)).toEqual([{ id: 'a', at: startMs + 5_000 }]);
    const again = await table.consume(approved, grantKeeping, startMs);
    if (again === null) throw new Error('nothing to consume');
    await table.settle(again, grantKeeping, startMs);
    expect(await table.changes(0, 10)).toEqual([{ id: 'a', at: startMs + 5_001 }]);
    await table.settle(again, grantKeeping, startMs);
    expect(await table.lastChange()).toBe(startMs + 5_001);
  });

  it('finds what an exchange caused, the last of it, until it is forgotten', async (table) => {
    expect(await table.byExchange('exchange-1')).toBeNull();
    await table.insert(pending, null, keeping, startMs);
    await table.settle(pending, keeping, startMs);
    expect((await table.byExchange('exchange-1'))?.approval).toEqual(pending);
    const answer = { ...pending, id: 'b', digest: 'b' };
    await table.insert(answer, null, keeping, startMs);
    await table.settle(answer, keeping, startMs);
    expect((await table.byExchange('exchange-1'))?.approval.id).toBe('b');
    await table.remove(pending);
    expect((await table.byExchange('exchange-1'))?.approval.id).toBe('b');
    await table.remove(answer);
    expect(await table.byExchange('exchange-1')).toBeNull();
  });

  it('counts a state between two ids', async (table) => {
    for (const id of ['1-a', '2-a', '3-a']) await table.insert({ ...pending, id, digest: id }, null, keeping, startMs);
    expect(await table.count('pending', '1', '3')).toBe(2);
    expect(await table.count('pending', '3', '4')).toBe(1);
    expect(await table.count('approved', '0', '9')).toBe(0);
  });

  it('binds a key to what it came with first', async (table) => {
    const untilMs = startMs + 60_000;
    expect(await table.claim('k', 'one', untilMs, startMs)).toBe('one');
    expect(await table.claim('k', 'two', untilMs, startMs)).toBe('one');
    expect(await table.claim('k2', 'two', untilMs, startMs)).toBe('two');
    await table.forgetClaims(startMs, 10);
    await table.release('k', 'two');
    expect(await table.claim('k', 'two', untilMs, untilMs - 1)).toBe('one');
    await table.release('k', 'one');
    await table.release('nobody', 'one');
    expect(await table.claim('k', 'two', untilMs, untilMs - 1)).toBe('two');
  });
});

test('the embedded table forgets claims', async () => {
  const { directory, remove } = scratch('claims');
  const table = await openLevelTable(directory);
  await table.claim('k', 'one', startMs + 1_000, startMs);
  expect(await table.claim('k', 'two', startMs + 9_000, startMs + 1_000)).toBe('two');
  await table.forgetClaims(startMs + 8_999, 10);
  expect(await table.claim('k', 'three', startMs + 9_000, startMs + 8_999)).toBe('two');
  await table.forgetClaims(startMs + 9_000, 10);
  expect(await table.claim('k', 'three', startMs + 20_000, startMs)).toBe('three');
  await table.close();
  remove();
});

test('a use of what Redis has lost leaves nothing behind, and an approval without a grant as it was', async () => {
  const client = await createRedisClient({ target: { kind: 'single', url: redis.url() } }, silentLog);
  const prefix = 'lost:{approval}:';
  const table = await openRedisTable(client, prefix);
  expect(await table.consume(approved, grantKeeping, startMs)).toBeNull();
  expect(await client.ask((connection) => connection.keys(`${prefix}*`))).toEqual([]);
  await table.insert(pending, null, keeping, startMs);
  expect(await table.consume(approved, grantKeeping, startMs)).toBeNull();
  expect(await table.read('a')).toEqual({ approval: pending, staged: null });
  await table.close();
});

test('grants whose uses are all on record are not looked at any more', async () => {
  const client = await createRedisClient({ target: { kind: 'single', url: redis.url() } }, silentLog);
  const prefix = 'done:{approval}:';
  const table = await openRedisTable(client, prefix);
  const looked = () => client.ask((connection) => connection.zrange(`${prefix}grants`, '0', '-1'));
  const [first, last] = [await use(table, 2), await use(table, 2)];
  const late = await use(table, 2, 'b');
  expect(await looked()).toEqual(['a', 'b']);
  await table.settle(last, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
  const revoked = taken(revoke(late, ada));
  await table.stage(revoked, startMs);
  await table.settle(revoked, { nextAtMs: purgeAtMs, purgeAtMs }, startMs);
  expect(await looked()).toEqual(['a', 'b']);
  await table.settle(first, grantKeeping, startMs);
  expect(await looked()).toEqual(['b']);
  await table.settle(late, grantKeeping, startMs);
  expect(await looked()).toEqual([]);
  await use(table, 2, 'c');
  await client.ask((connection) => connection.del(`${prefix}row:c`));
  expect(await table.unsettled(startMs, startMs, 10)).toEqual([]);
  expect(await looked()).toEqual([]);
  await table.close();
});

test('every key of the Redis table has a time to live', async () => {
  const target = { kind: 'single', url: redis.url() } as const;
  const client = await createRedisClient({ target }, silentLog);
  const clock = { nowMs: () => startMs, nowNs: () => 0n, monoNs: () => 0n };
  const prefix = 'ttl:{approval}:';
  const store = await createRedisStore({ target, prefix }, { clock, onTransition: async () => {}, log: silentLog });
  const intent = { by: actor('ada'), reason: null };
  for (const id of ['a', 'b', 'c']) await store.open({ id, digest: id, held: held(), terms: terms() });
  await store.approve('a', intent);
  await store.consume('a');
  await store.reject('b', intent);
  await store.claim('key', 'content');
  const keys = await client.ask((connection) => connection.keys(`${prefix}*`));
  expect(keys.length).toBeGreaterThan(9);
  const forever: string[] = [];
  for (const key of keys) if ((await client.ask((one) => one.pttl(key))) < 0) forever.push(key);
  expect(forever).toEqual([]);
  await store.close();
  await client.close();
});

/** One use of the approval's grant, which is made where there is none yet. */
async function use(table: ApprovalTable, uses: number, id = 'a'): Promise<Approval> {
  const asked = create(id, id, held(), terms({ grant: { uses, ttlS: 300 } }), startMs);
  const granted = taken(approve(asked, ada));
  if ((await table.read(id)) === null) {
    await table.insert(asked, null, keeping, startMs);
    await table.settle(asked, keeping, startMs);
    await table.stage(granted, startMs);
    await table.settle(granted, grantKeeping, startMs);
  }
  const used = await table.consume(granted, grantKeeping, startMs);
  if (used === null) throw new Error('nothing to consume');
  return used;
}

async function grant(table: ApprovalTable): Promise<void> {
  await table.insert(pending, null, keeping, startMs);
  await table.settle(pending, keeping, startMs);
  await table.stage(approved, startMs);
  await table.settle(approved, grantKeeping, startMs);
}

function taken(step: Step): Approval {
  if (!step.ok) throw new Error(step.error.kind);
  return step.value;
}

function ids(scanned: { readonly approvals: readonly Approval[]; readonly last: string | null }) {
  return [scanned.approvals.map((approval) => approval.id), scanned.last];
}
