import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { createGate } from '../../src/approval/gate.ts';
import { createLevelStore } from '../../src/approval/level-store.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore, OnTransition, Opening } from '../../src/approval/store.ts';
import { Fault } from '../../src/lib/fault.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, countingIds, type HandClock, handClock, held, scratch, terms } from '../support/approvals.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

/** A store under test and, where the implementation serves several processes, more of them on the same data. */
interface Stand {
  readonly clock: HandClock;
  readonly store: ApprovalStore;
  readonly recorded: [string, number, string, string | null][];
  /** Set to make the record fail. */
  readonly audit: { failure: Fault | null };
  another(): Promise<ApprovalStore>;
  close(): Promise<void>;
}

interface Implementation {
  readonly name: string;
  stand(): Promise<Stand>;
}

let redis: RedisServer;
let stands = 0;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

const implementations: readonly Implementation[] = [
  {
    name: 'level',
    stand: async () => {
      const { directory, remove } = scratch('contract');
      return stand(
        (clock, onTransition) => createLevelStore({ directory, contentionMs: 500 }, { clock, onTransition }),
        // One process: "another" is the same store.
        (store) => Promise.resolve(store),
        remove,
      );
    },
  },
  {
    name: 'redis',
    stand: () => {
      stands += 1;
      const prefix = `stand-${stands}:{approval}:`;
      return stand((clock, onTransition) =>
        createRedisStore(
          { target: { kind: 'single', url: redis.url }, prefix, contentionMs: 500 },
          { clock, onTransition, log: silentLog },
        ),
      );
    },
  },
];

const ada = { by: actor('ada'), reason: null };
const bob = { by: actor('bob'), reason: 'looks fine' };
const rita = { by: actor('rita', []), reason: 'not needed any more' };

describe.each(implementations)('approval store: $name', (implementation) => {
  const it = (name: string, body: (given: Stand) => Promise<void>) =>
    test(name, async () => {
      const given = await implementation.stand();
      try {
        await body(given);
      } finally {
        await given.close();
      }
    });

  it('keeps what it was given', async ({ store }) => {
    const opened = await store.open(opening('a'));
    expect(opened).toEqual({ kind: 'created', approval: pending('a') });
    expect(await store.get('a')).toEqual(pending('a'));
    expect(await store.get('b')).toBeNull();
  });

  it('attaches to the approval that governs the digest', async ({ store }) => {
    await store.open(opening('a'));
    expect(await store.open(opening('b'))).toEqual({ kind: 'attached', approval: pending('a') });
    expect(await store.open(opening('c', { digest: 'other' }))).toEqual({
      kind: 'created',
      approval: pending('c', { digest: 'other' }),
    });
    expect(await store.get('b')).toBeNull();
  });

  it('creates once when many open at the same time', async ({ store, another }) => {
    const stores = [store, await another(), await another()];
    const opened = await Promise.all(
      Array.from({ length: 30 }, (_, index) => pick(stores, index).open(opening(`id-${index}`))),
    );
    expect(opened.filter((one) => one.kind === 'created')).toHaveLength(1);
    expect(new Set(opened.map((one) => one.approval.id)).size).toBe(1);
  });

  it('approves, consumes once, and asks anew afterwards', async ({ store, clock }) => {
    await store.open(opening('a'));
    clock.move(1_000);
    const approved = await store.approve('a', ada);
    const decision = {
      by: ada.by.person,
      groups: ['reviewers'],
      verdict: 'approve',
      reason: null,
      atMs: clock.nowMs(),
    } as const;
    const granted = pending('a', {
      state: 'approved',
      usesLeft: 1,
      grantUntilMs: clock.nowMs() + 300_000,
      decisions: [decision],
      version: 2,
    });
    expect(approved).toEqual({ ok: true, value: granted });
    expect((await store.open(opening('b'))).approval).toEqual(granted);
    const used = { ...granted, state: 'consumed' as const, usesLeft: 0, version: 3 };
    expect(await store.consume('a')).toEqual({ ok: true, value: used });
    expect(await store.consume('a')).toEqual({
      ok: false,
      error: { kind: 'already_resolved', state: 'consumed', first: decision },
    });
    expect(await store.get('a')).toEqual(used);
    expect((await store.open(opening('b'))).kind).toBe('created');
  });

  it('gives out exactly as many uses as were granted, over all replicas', async ({ store, another }) => {
    for (const uses of [1, 7]) {
      const id = `uses-${uses}`;
      await store.open(opening(id, { digest: id, terms: terms({ grant: { uses, ttlS: 300 } }) }));
      await store.approve(id, ada);
      const stores = [store, await another(), await another()];
      const taken = await Promise.all(Array.from({ length: 50 }, (_, index) => pick(stores, index).consume(id)));
      expect(taken.filter((one) => one.ok)).toHaveLength(uses);
      expect((await store.get(id))?.state).toBe('consumed');
    }
  });

  it('fills a quorum with distinct people only', async ({ store }) => {
    await store.open(opening('a', { terms: terms({ quorum: 2 }) }));
    expect((await store.approve('a', ada)).ok).toBe(true);
    expect((await store.approve('a', ada)).ok).toBe(false);
    expect((await store.get('a'))?.state).toBe('pending');
    expect(await store.consume('a')).toEqual({ ok: false, error: { kind: 'not_approved' } });
    expect(await store.approve('a', bob)).toMatchObject({ ok: true, value: { state: 'approved', version: 3 } });
  });

  it('lets one of two opposite decisions win and names it to the other', async ({ store, another }) => {
    const second = await another();
    await store.open(opening('a'));
    const [yes, no] = await Promise.all([store.approve('a', ada), second.reject('a', bob)]);
    const [won, lost] = yes.ok ? [yes, no] : [no, yes];
    expect(won.ok).toBe(true);
    const now = await store.get('a');
    expect(lost).toEqual({
      ok: false,
      error: { kind: 'already_resolved', state: now?.state, first: now?.decisions[0] },
    });
  });

  it('counts every voice of a quorum although all speak at once', async ({ store, another }) => {
    const stores = [store, await another()];
    await store.open(opening('a', { terms: terms({ quorum: 3 }) }));
    const people = ['ada', 'bob', 'cleo'].map((id, index) =>
      pick(stores, index).approve('a', { by: actor(id), reason: null }),
    );
    expect((await Promise.all(people)).map((one) => one.ok)).toEqual([true, true, true]);
    expect(await store.get('a')).toMatchObject({ state: 'approved', version: 4 });
  });

  it('rejects, cancels and revokes', async ({ store }) => {
    await store.open(opening('r', { digest: 'r' }));
    expect(await store.reject('r', bob)).toMatchObject({ ok: true, value: { state: 'rejected', usesLeft: 0 } });
    await store.open(opening('c', { digest: 'c' }));
    expect(await store.cancel('c', rita)).toMatchObject({ ok: true, value: { state: 'cancelled' } });
    await store.open(opening('v', { digest: 'v' }));
    await store.approve('v', ada);
    expect(await store.revoke('v', bob)).toMatchObject({ ok: true, value: { state: 'revoked', usesLeft: 0 } });
    expect((await store.consume('v')).ok).toBe(false);
    expect(await store.approve('nobody', ada)).toEqual({ ok: false, error: { kind: 'not_found' } });
  });

  it('expires a pending approval and a grant at their instant, writes it, and starts anew', async ({
    store,
    clock,
  }) => {
    await store.open(opening('p', { digest: 'p' }));
    await store.open(opening('g', { digest: 'g' }));
    await store.approve('g', ada);
    clock.move(299_999);
    expect(await store.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
    clock.move(1);
    expect(await store.consume('g')).toMatchObject({
      ok: false,
      error: { kind: 'already_resolved', state: 'expired' },
    });
    expect((await store.get('g'))?.state).toBe('expired');
    clock.move(300_000);
    expect(await store.approve('p', ada)).toEqual({
      ok: false,
      error: { kind: 'already_resolved', state: 'expired', first: null },
    });
    expect((await store.open(opening('p2', { digest: 'p' }))).kind).toBe('created');
  });

  it('sweeps what is due and forgets what is past its retention', async ({ store, clock }) => {
    await store.open(opening('a'));
    clock.move(600_000);
    expect(await store.sweep()).toEqual({ expired: 1, settled: 0, purged: 0 });
    expect((await store.get('a'))?.state).toBe('expired');
    clock.move(8 * 24 * 3_600_000);
    expect(await store.sweep()).toEqual({ expired: 0, settled: 0, purged: 1 });
    expect(await store.get('a')).toBeNull();
    expect(await store.list(query())).toEqual({ approvals: [], next: null });
    expect((await store.open(opening('b'))).kind).toBe('created');
  });

  it('lists newest first, by state, in pages', async ({ store }) => {
    for (const id of ['a1', 'a2', 'a3', 'a4', 'a5']) await store.open(opening(id, { digest: id }));
    await store.reject('a3', ada);
    const first = await store.list(query({ state: 'pending', pageSize: 2 }));
    expect(first.approvals.map((one) => one.id)).toEqual(['a5', 'a4']);
    const second = await store.list(query({ state: 'pending', pageSize: 2, after: first.next }));
    expect(second.approvals.map((one) => one.id)).toEqual(['a2', 'a1']);
    const odd = (approval: Approval) => approval.id === 'a1' || approval.id === 'a3';
    const filtered = await store.list(query({ accepts: odd, pageSize: 10 }));
    expect(filtered).toMatchObject({ approvals: [{ id: 'a3' }, { id: 'a1' }], next: null });
    expect((await store.list(query({ state: 'approved' }))).approvals).toEqual([]);
  });

  it('puts every transition on record, with what was before', async ({ store, recorded, clock }) => {
    await store.open(opening('a'));
    await store.approve('a', ada);
    await store.consume('a');
    await store.open(opening('b'));
    clock.move(600_000);
    await store.sweep();
    expect(recorded).toEqual([
      ['a', 1, 'pending', null],
      ['a', 2, 'approved', 'pending'],
      ['a', 3, 'consumed', 'approved'],
      ['b', 1, 'pending', null],
      ['b', 2, 'expired', 'pending'],
    ]);
  });

  it('a decision that cannot be recorded has no effect until a sweep has recorded it', async (given) => {
    const { store, audit, clock, recorded } = given;
    const other = await given.another();
    await store.open(opening('a'));
    audit.failure = new Fault('audit_unavailable', 'disk full');
    await expect(store.approve('a', ada)).rejects.toMatchObject({ code: 'audit_unavailable' });
    expect((await store.get('a'))?.state).toBe('pending');
    expect(await store.consume('a')).toEqual({ ok: false, error: { kind: 'lost_race' } });
    expect(await other.reject('a', bob)).toEqual({ ok: false, error: { kind: 'lost_race' } });
    audit.failure = null;
    expect(await other.sweep()).toEqual({ expired: 0, settled: 0, purged: 0 });
    clock.move(10_000);
    expect(await other.sweep()).toEqual({ expired: 0, settled: 1, purged: 0 });
    expect(recorded).toEqual([
      ['a', 1, 'pending', null],
      ['a', 2, 'approved', 'pending'],
    ]);
    expect((await store.consume('a')).ok).toBe(true);
  });

  it('a consumption that cannot be recorded is spent, and recorded later', async ({
    store,
    audit,
    clock,
    recorded,
  }) => {
    await store.open(opening('a', { terms: terms({ grant: { uses: 2, ttlS: 300 } }) }));
    await store.approve('a', ada);
    audit.failure = new Fault('audit_unavailable', 'disk full');
    await expect(store.consume('a')).rejects.toMatchObject({ code: 'audit_unavailable' });
    audit.failure = null;
    await store.revoke('a', ada);
    expect((await store.sweep()).settled).toBe(0);
    clock.move(10_000);
    expect((await store.sweep()).settled).toBe(1);
    expect(recorded.slice(2)).toEqual([
      ['a', 4, 'revoked', 'approved'],
      ['a', 3, 'approved', 'approved'],
    ]);
  });

  it('wakes a gate on one replica by a decision on another', async ({ store, another, clock }) => {
    const other = await another();
    const ids = countingIds();
    const gate = createGate({ store, clock, newId: ids, observe: noMetrics }, { pollMs: 60_000 });
    const created = new Promise<void>((resolve) => other.subscribe((hint) => hint.kind === 'changed' && resolve()));
    const outcome = gate.pass('digest', held(), terms({ waitS: 20 }), new AbortController().signal);
    await created;
    await other.approve('id-000001', ada);
    expect((await outcome).kind).toBe('granted');
  });

  for (const [verdict, want] of [
    ['approve', 'granted'],
    ['reject', 'rejected'],
  ] as const) {
    it(`releases the waiters of all replicas by one decision, and none by looking again: ${verdict}`, async (given) => {
      const replicas = [given.store, await given.another(), await given.another()];
      let opened = 0;
      const wakeUps: number[] = [];
      const observe = { ...noMetrics, approvalWakeUp: (seconds: number) => void wakeUps.push(seconds) };
      const ids = countingIds();
      const waiting = replicas.map((store) => {
        const open: ApprovalStore['open'] = async (opening) => {
          const done = await store.open(opening);
          opened += 1;
          return done;
        };
        const gate = createGate(
          { store: { ...store, open }, clock: given.clock, newId: ids, observe },
          { pollMs: 600_000 },
        );
        const wanted = terms({ waitS: 20, grant: { uses: 3, ttlS: 300 } });
        return gate.pass('digest', held(), wanted, new AbortController().signal);
      });
      await eventually('all wait', () => (opened === replicas.length ? true : undefined));
      const [pending] = (await given.store.list({ state: 'pending', accepts: () => true, pageSize: 9, after: null }))
        .approvals;
      const decider = replicas.at(-1) ?? given.store;
      expect((await decider[verdict](pending?.id ?? 'none', ada)).ok).toBe(true);
      expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual([want, want, want]);
      expect(wakeUps).toHaveLength(3);
    });
  }

  it('hints after the transition is visible, until nobody listens', async ({ store }) => {
    const seen: (string | undefined)[] = [];
    let told: () => void = () => {};
    const stop = store.subscribe((hint) => {
      if (hint.kind === 'changed')
        void store
          .get(hint.id)
          .then((now) => seen.push(now?.state))
          .then(() => told());
    });
    const hinted = () => new Promise<void>((resolve) => (told = resolve));
    let next = hinted();
    await store.open(opening('a'));
    await next;
    next = hinted();
    await store.reject('a', ada);
    await next;
    stop();
    await store.open(opening('b', { digest: 'b' }));
    expect(seen).toEqual(['pending', 'rejected']);
  });
});

async function stand(
  create: (clock: HandClock, onTransition: OnTransition) => Promise<ApprovalStore>,
  another: ((store: ApprovalStore) => Promise<ApprovalStore>) | null = null,
  remove: () => void = () => {},
): Promise<Stand> {
  const clock = handClock();
  const recorded: Stand['recorded'] = [];
  const audit: Stand['audit'] = { failure: null };
  const onTransition: OnTransition = async (approval, before) => {
    if (audit.failure !== null) throw audit.failure;
    recorded.push([approval.id, approval.version, approval.state, before?.state ?? null]);
  };
  const stores: ApprovalStore[] = [];
  async function more(): Promise<ApprovalStore> {
    const created = await create(clock, onTransition);
    stores.push(created);
    return created;
  }
  const store = await more();
  return {
    clock,
    store,
    recorded,
    audit,
    another: () => (another === null ? more() : another(store)),
    close: async () => {
      for (const one of stores) await one.close();
      remove();
    },
  };
}

function opening(id: string, changes: Partial<Opening> = {}): Opening {
  return { id, digest: 'digest', held: held(), terms: terms(), ...changes };
}

function pending(id: string, changes: Partial<Approval> = {}): Approval {
  const nowMs = handClock().nowMs();
  return {
    id,
    digest: 'digest',
    state: 'pending',
    held: held(),
    terms: terms(),
    createdAtMs: nowMs,
    pendingUntilMs: nowMs + 600_000,
    grantUntilMs: null,
    usesLeft: 0,
    decisions: [],
    version: 1,
    ...changes,
  };
}

function query(changes: Partial<Parameters<ApprovalStore['list']>[0]> = {}): Parameters<ApprovalStore['list']>[0] {
  return { state: null, accepts: () => true, pageSize: 50, after: null, ...changes };
}

function pick<T>(from: readonly T[], index: number): T {
  const one = from[index % from.length];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}
