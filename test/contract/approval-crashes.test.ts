import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { createRecordedStore } from '../../src/approval/recorded-store.ts';
import type { ApprovalStore, OnTransition } from '../../src/approval/store.ts';
import type { ApprovalTable } from '../../src/approval/table.ts';
import { Fault } from '../../src/lib/fault.ts';
import {
  attempt,
  checkHistory,
  heldBy,
  isConsumption,
  type Recorded,
  someOperation,
  someTerms,
  storeOf,
  termsOf,
} from '../support/approval-operations.ts';
import { redisOfFile, tablesIn } from '../support/approval-tables.ts';
import { handClock } from '../support/approvals.ts';

const redis = redisOfFile(['--appendfsync', 'no']);

const implementations = tablesIn(redis, 'crashes');

/** Some of what happens at once, and who dies of it: after so many of its steps, before or after the next one has taken effect. */
const someRound = fc.record({
  operations: fc.array(fc.tuple(someOperation, fc.nat(2)), { minLength: 4, maxLength: 8 }),
  death: fc.option(fc.record({ instance: fc.nat(2), steps: fc.nat(9), isAfter: fc.boolean() }), { nil: null, freq: 4 }),
});

describe.each(implementations)('instances that die at any moment: $name', ({ open }) => {
  test('what was acknowledged is on record, and what is on record is one legal history that has taken effect', {
    timeout: 120_000,
  }, async () => {
    let deaths = 0;
    let finished = 0;
    await fc.assert(
      fc.asyncProperty(someTerms, fc.array(someRound, { minLength: 3, maxLength: 6 }), async (given, rounds) => {
        const { table, close } = await open();
        const clock = handClock();
        const recorded: Recorded[] = [];
        const onTransition: OnTransition = async (after, before) => {
          recorded.push({ after, before });
        };
        const begin = () => {
          const life = mortal(table, onTransition);
          // Contention is short, because the dead do not finish what they began: the sweep does, later.
          const options = { contentionMs: 5, orphanAfterMs: 10_000 };
          return {
            ...life,
            store: createRecordedStore(life.table, { clock, onTransition: life.onTransition }, options),
          };
        };
        const instances = [begin(), begin(), begin()];
        const acknowledged: Approval[] = [];
        let used = 0;
        try {
          const ids = ['id-0'];
          await storeOf(
            instances.map(({ store }) => store),
            0,
          ).open({
            id: 'id-0',
            digest: 'd0',
            held: heldBy(),
            terms: termsOf(given),
          });
          for (const { operations, death } of rounds) {
            if (death !== null) instances[death.instance]?.dieAfter(death.steps, death.isAfter);
            const stores = instances.map(({ store }) => store);
            const attempts = operations.map(([operation, instance]) =>
              attempt(storeOf(stores, instance), operation, ids, clock).catch(onlyOfDeath),
            );
            for (const one of await Promise.all(attempts)) {
              if (one === null) continue;
              if (one.approval !== null) acknowledged.push(one.approval);
              if (one.what === 'used') used += 1;
            }
            for (const [index, instance] of instances.entries()) {
              await instance.atRest();
              if (!instance.isDead()) continue;
              deaths += 1;
              instances[index] = begin();
            }
          }
          for (const instance of instances) instance.dieAfter(0, false);
          const last = begin();
          finished += await finish(last.store, clock);
          const once = distinct(recorded);
          await checkHistory(once, last.store, clock);
          for (const approval of acknowledged) expect(once.map(({ after }) => after)).toContainEqual(approval);
          expect(once.filter(isConsumption).length).toBeGreaterThanOrEqual(used);
          await last.atRest();
          expect(await table.unsettled(clock.nowMs(), clock.nowMs(), 100)).toEqual([]);
        } finally {
          await close();
        }
      }),
      { numRuns: 60, seed: 13 },
    );
    // Else it has shown nothing.
    expect([deaths > 50, finished > 10]).toEqual([true, true]);
  });
});

interface Mortal {
  readonly table: ApprovalTable;
  readonly onTransition: OnTransition;
  /** It dies at its next step after so many: before that has taken effect, or after. */
  dieAfter(steps: number, isAfter: boolean): void;
  isDead(): boolean;
  /** Resolves when nothing of it is under way. */
  atRest(): Promise<void>;
}

/** A process, as the table and the record see it: each thing that it does to them is one step. */
function mortal(table: ApprovalTable, onTransition: OnTransition): Mortal {
  let left = Number.POSITIVE_INFINITY;
  let isAfter = false;
  let isDead = false;
  const underWay = new Set<Promise<unknown>>();
  const died = () => new Fault('approval_unavailable', 'it died');
  const step = async <T>(what: () => Promise<T>): Promise<T> => {
    if (isDead) throw died();
    if (left <= 0) {
      isDead = true;
      if (isAfter) await what();
      throw died();
    }
    left -= 1;
    const done = await what();
    // Others of its steps were under way when it died: they have taken effect, and nobody hears of it.
    if (isDead) throw died();
    return done;
  };
  const lived =
    <A extends readonly unknown[], T>(method: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> => {
      const done = step(() => method(...args));
      const over = done.then(
        () => undefined,
        () => undefined,
      );
      underWay.add(over);
      void over.then(() => underWay.delete(over));
      return done;
    };
  return {
    onTransition: lived(onTransition),
    table: {
      read: lived(table.read),
      latest: lived(table.latest),
      insert: lived(table.insert),
      stage: lived(table.stage),
      consume: lived(table.consume),
      settle: lived(table.settle),
      unsettled: lived(table.unsettled),
      due: lived(table.due),
      remove: lived(table.remove),
      scan: lived(table.scan),
      byExchange: lived(table.byExchange),
      changes: lived(table.changes),
      lastChange: lived(table.lastChange),
      count: lived(table.count),
      claim: lived(table.claim),
      release: lived(table.release),
      forgetClaims: lived(table.forgetClaims),
      subscribe: table.subscribe,
      close: async () => {},
    },
    dieAfter: (steps, after) => {
      left = steps;
      isAfter = after;
    },
    isDead: () => isDead,
    atRest: async () => {
      // What follows a use begins a turn later.
      do {
        await new Promise(setImmediate);
        await Promise.all(underWay);
      } while (underWay.size > 0);
    },
  };
}

/** Lets a survivor sweep until there is nothing left to finish; how much there was. */
async function finish(store: ApprovalStore, clock: ReturnType<typeof handClock>): Promise<number> {
  let finished = 0;
  let idle = 0;
  // A use is seen once before it counts as given up.
  while (idle < 2) {
    const { settled } = await store.sweep();
    finished += settled;
    idle = settled === 0 ? idle + 1 : 0;
    clock.move(10_000);
  }
  return finished;
}

/** At least once means that a transition may stand there twice; then it is the same. */
function distinct(recorded: readonly Recorded[]): readonly Recorded[] {
  const found = new Map<string, Recorded>();
  for (const one of recorded) {
    const key = `${one.after.id} ${one.after.version}`;
    expect(one.after).toEqual(found.get(key)?.after ?? one.after);
    if (!found.has(key)) found.set(key, one);
  }
  return [...found.values()];
}

function onlyOfDeath(thrown: unknown): null {
  expect(Fault.from(thrown).code).toBe('approval_unavailable');
  return null;
}
