import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Approval, Gate, GateOutcome } from '../../../src/approval/approval.ts';
import { createGate } from '../../../src/approval/gate.ts';
import { createLevelStore } from '../../../src/approval/level-store.ts';
import type { ApprovalStore } from '../../../src/approval/store.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { noMetrics } from '../../../src/telemetry/telemetry.ts';
import { actor, countingIds, type HandClock, handClock, held, scratch, terms } from '../../support/approvals.ts';

const digest = 'd'.repeat(64);
const ada = { by: actor('ada'), reason: null };
const forever = new AbortController().signal;

let directory: ReturnType<typeof scratch>;
let clock: HandClock;
let store: ApprovalStore;
let gate: Gate;
let recorded: Approval[];
let inBand: number;
let wakeUps: number[];
let counted: string[];
/** Resolves when the nth transition is on record. */
let onRecord: (count: number) => Promise<void>;

beforeEach(async () => {
  directory = scratch('gate');
  clock = handClock();
  recorded = [];
  counted = [];
  const waiters: { readonly count: number; readonly done: () => void }[] = [];
  onRecord = (count) =>
    new Promise((done) => {
      if (recorded.length >= count) done();
      else waiters.push({ count, done });
    });
  const onTransition = async (approval: Approval) => {
    recorded.push(approval);
    for (const waiter of waiters) if (recorded.length >= waiter.count) waiter.done();
  };
  store = await createLevelStore({ directory: directory.directory }, { clock, onTransition });
  const observe = {
    ...noMetrics,
    hold: (outcome: string) => void counted.push(outcome),
    approvalWaiters: (delta: number) => {
      inBand += delta;
    },
    approvalWakeUp: (seconds: number) => void wakeUps.push(seconds),
  };
  inBand = 0;
  wakeUps = [];
  gate = createGate({ store, clock, newId: countingIds(), observe }, { pollMs: 60_000 });
});

afterEach(async () => {
  await store.close();
  directory.remove();
});

describe('gate', () => {
  test('does not wait when told not to, and counts the outcome', async () => {
    const outcome = await gate.pass(digest, held(), terms({ waitS: 0 }), forever);
    expect(summary(outcome)).toEqual(['pending', 'id-000001', 'pending']);
    expect(counted).toEqual(['pending']);
  });

  test('ends pending when the budget is spent', async () => {
    const outcome = await gate.pass(digest, held(), terms({ waitS: 0.02 }), forever);
    expect(summary(outcome)).toEqual(['pending', 'id-000001', 'pending']);
  });

  test('ends pending at once when the process is to end', async () => {
    const end = new AbortController();
    const ending = createGate(
      { store, clock, newId: countingIds(), observe: noMetrics },
      { pollMs: 60_000, draining: end.signal },
    );
    const waiting = ending.pass(digest, held(), terms({ waitS: 3_600 }), forever);
    await onRecord(1);
    end.abort();
    expect(summary(await waiting)).toEqual(['pending', 'id-000001', 'pending']);
    expect(summary(await ending.pass(digest, held(), terms({ waitS: 3_600 }), forever))).toEqual([
      'pending',
      'id-000001',
      'pending',
    ]);
  });

  test.each([
    { name: 'approve', want: ['granted', 'id-000001', 'consumed'], act: (id: string) => store.approve(id, ada) },
    { name: 'reject', want: ['rejected', 'id-000001', 'rejected'], act: (id: string) => store.reject(id, ada) },
    {
      name: 'cancel',
      want: ['revoked', 'id-000001', 'cancelled'],
      act: (id: string) => store.cancel(id, { by: actor('rita', []), reason: null }),
    },
    {
      name: 'expiry',
      want: ['expired', 'id-000001', 'expired'],
      act: async () => {
        clock.move(600_000);
        await store.sweep();
      },
    },
  ])('a waiter wakes by $name', async ({ act, want }) => {
    const outcome = gate.pass(digest, held(), terms(), forever);
    await onRecord(1);
    expect(inBand).toBe(1);
    await act('id-000001');
    expect(summary(await outcome)).toEqual(want);
    expect([inBand, wakeUps]).toEqual([0, want[0] === 'expired' ? [] : [0]]);
  });

  test('an identical retry consumes the grant that came after the wait', async () => {
    await gate.pass(digest, held(), terms({ waitS: 0 }), forever);
    await store.approve('id-000001', ada);
    expect(summary(await gate.pass(digest, held(), terms({ waitS: 0 }), forever))).toEqual([
      'granted',
      'id-000001',
      'consumed',
    ]);
    expect(summary(await gate.pass(digest, held(), terms({ waitS: 0 }), forever))).toEqual([
      'pending',
      'id-000003',
      'pending',
    ]);
  });

  test('a rejection answers retries until the pending time is over', async () => {
    await gate.pass(digest, held(), terms({ waitS: 0 }), forever);
    await store.reject('id-000001', ada);
    clock.move(599_999);
    expect((await gate.pass(digest, held(), terms(), forever)).kind).toBe('rejected');
    clock.move(1);
    expect((await gate.pass(digest, held(), terms({ waitS: 0 }), forever)).kind).toBe('pending');
  });

  test('one of many waiters gets a one-time grant, the others ask anew together', async () => {
    const others = new AbortController();
    const passes = Array.from({ length: 5 }, () => gate.pass(digest, held(), terms(), others.signal));
    await onRecord(1);
    await store.approve('id-000001', ada);
    expect((await Promise.race(passes)).kind).toBe('granted');
    // Asked for, approved, used, asked for anew: for that the others wait, and would for an hour.
    await onRecord(4);
    others.abort();
    const outcomes = (await Promise.all(passes)).map((outcome) => outcome.kind).sort();
    expect(outcomes).toEqual(['granted', 'pending', 'pending', 'pending', 'pending']);
    expect(recorded.map(({ state }) => state)).toEqual(['pending', 'approved', 'consumed', 'pending']);
  });

  test('a client that goes away ends the wait, takes no grant and leaves the record', async () => {
    const client = new AbortController();
    const outcome = gate.pass(digest, held(), terms(), client.signal);
    await onRecord(1);
    client.abort();
    expect((await outcome).kind).toBe('pending');
    await store.approve('id-000001', ada);
    expect((await gate.pass(digest, held(), terms(), forever)).kind).toBe('granted');
  });

  test('a client that is gone before the grant is found takes none', async () => {
    await gate.pass(digest, held(), terms({ waitS: 0 }), forever);
    await store.approve('id-000001', ada);
    expect((await gate.pass(digest, held(), terms(), AbortSignal.abort())).kind).toBe('pending');
    expect((await store.get('id-000001'))?.usesLeft).toBe(1);
  });

  test('polls although no hint comes', async () => {
    const deaf = { ...store, subscribe: () => () => {} };
    const polling = createGate({ store: deaf, clock, newId: countingIds(), observe: noMetrics }, { pollMs: 5 });
    const outcome = polling.pass(digest, held(), terms(), forever);
    await onRecord(1);
    await store.approve('id-000001', ada);
    expect((await outcome).kind).toBe('granted');
  });

  test('a store that is down is a fault, and the subscription is given back', async () => {
    let subscriptions = 0;
    const down: ApprovalStore = {
      ...store,
      open: () => Promise.reject(new Fault('approval_unavailable', 'down')),
      subscribe: () => {
        subscriptions += 1;
        return () => {
          subscriptions -= 1;
        };
      },
    };
    const closed = createGate({ store: down, clock, newId: countingIds(), observe: noMetrics });
    await expect(closed.pass(digest, held(), terms(), forever)).rejects.toMatchObject({ code: 'approval_unavailable' });
    expect(subscriptions).toBe(0);
  });
});

function summary(outcome: GateOutcome): string[] {
  return [outcome.kind, outcome.approval.id, outcome.approval.state];
}
