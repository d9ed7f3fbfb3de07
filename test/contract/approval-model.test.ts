import fc from 'fast-check';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { createLevelStore } from '../../src/approval/level-store.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import { consume, create, expire, governs, isDue, type Step } from '../../src/approval/state-machine.ts';
import type { ApprovalStore, OnTransition, Outcome } from '../../src/approval/store.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import {
  attempt,
  back,
  checkHistory,
  heldBy,
  intentOf,
  isConsumption,
  nextId,
  type Operation,
  type Recorded,
  someOperation,
  someTerms,
  steps,
  storeOf,
  type TermsGiven,
  termsOf,
} from '../support/approval-operations.ts';
import { redisOfFile } from '../support/approval-tables.ts';
import { type HandClock, handClock, scratch } from '../support/approvals.ts';

const redis = redisOfFile(['--appendfsync', 'no']);
let made = 0;

/** Stores over the same data, in as many instances as the implementation allows. */
type Build = (clock: HandClock, onTransition: OnTransition) => Promise<Built>;
interface Built {
  readonly stores: readonly ApprovalStore[];
  /** Looks at what lies in the database itself. */
  check(): Promise<void>;
  close(): Promise<void>;
}

const implementations: readonly { readonly name: string; readonly build: Build }[] = [
  {
    name: 'level',
    build: async (clock, onTransition) => {
      const { directory, remove } = scratch('model');
      const store = await createLevelStore({ directory }, { clock, onTransition });
      return {
        stores: [store],
        check: async () => {},
        close: async () => {
          await store.close();
          remove();
        },
      };
    },
  },
  {
    name: 'redis',
    build: async (clock, onTransition) => {
      made += 1;
      const target = { kind: 'single', url: redis.url() } as const;
      const options = { target, prefix: `model-${made}:{approval}:` };
      const open = () => createRedisStore(options, { clock, onTransition, log: silentLog });
      const stores = await Promise.all([open(), open(), open()]);
      return {
        stores,
        check: () => checkKeys(options.prefix),
        close: async () => {
          await Promise.all(stores.map((store) => store.close()));
        },
      };
    },
  },
];

/** The store as a pure thing: no storage, no waiting, nobody else. */
class Model {
  readonly approvals = new Map<string, Approval>();
  readonly latest = new Map<string, string>();
  readonly recorded: string[] = [];

  write(after: Approval): Approval {
    this.approvals.set(after.id, after);
    this.recorded.push(`${after.id} ${after.version} ${after.state}`);
    return after;
  }

  open(id: string, digest: string, given: TermsGiven, nowMs: number): { kind: string; approval: Approval } {
    const found = this.approvals.get(this.latest.get(digest) ?? '');
    if (found !== undefined) {
      const now = isDue(found, nowMs) ? this.write(stepped(expire(found, nowMs))) : found;
      if (governs(now, nowMs)) return { kind: 'attached', approval: now };
    }
    this.latest.set(digest, id);
    return { kind: 'created', approval: this.write(create(id, digest, heldBy(), termsOf(given), nowMs)) };
  }

  transition(id: string, step: (approval: Approval) => Step, nowMs: number): Outcome {
    const approval = this.approvals.get(id);
    if (approval === undefined) return { ok: false, error: { kind: 'not_found' } };
    const outcome = step(approval);
    if (outcome.ok) this.write(outcome.value);
    if (outcome.ok || outcome.error.kind !== 'due') return outcome;
    this.write(stepped(expire(approval, nowMs)));
    return this.transition(id, step, nowMs);
  }

  /** The outcome of a call that was answered before. */
  asked(id: string, key: string | undefined): Outcome | null {
    const approval = this.approvals.get(id);
    const isAsked = key !== undefined && approval?.decisions.some((made) => made.requestKey === key);
    return isAsked && approval ? { ok: true, value: approval } : null;
  }

  sweep(nowMs: number): number {
    const due = [...this.approvals.values()].filter((approval) => isDue(approval, nowMs));
    for (const approval of due) this.write(stepped(expire(approval, nowMs)));
    return due.length;
  }
}

interface Real {
  readonly stores: readonly ApprovalStore[];
  readonly clock: HandClock;
  readonly recorded: string[];
  readonly ids: string[];
}

class OperationCommand implements fc.AsyncCommand<Model, Real> {
  readonly operation: Operation;
  /** Which instance is asked. */
  readonly instance: number;
  constructor(operation: Operation, instance: number) {
    this.operation = operation;
    this.instance = instance;
  }
  check(): boolean {
    return true;
  }
  toString(): string {
    return `${JSON.stringify(this.operation)}@${this.instance}`;
  }
  async run(model: Model, real: Real): Promise<void> {
    const store = storeOf(real.stores, this.instance);
    const nowMs = real.clock.nowMs();
    const { operation } = this;
    switch (operation.kind) {
      case 'open': {
        const id = nextId(real.ids);
        const opening = { id, digest: operation.digest, held: heldBy(), terms: termsOf(operation.terms) };
        const want = model.open(id, operation.digest, operation.terms, nowMs);
        expect(await store.open(opening)).toEqual(want);
        if (want.kind === 'attached') real.ids.pop();
        break;
      }
      case 'decide': {
        const id = back(real.ids, operation.back);
        const intent = intentOf(operation);
        const step = steps[operation.verdict];
        const want =
          model.asked(id, intent.requestKey) ??
          model.transition(id, (approval) => step(approval, { ...intent, atMs: nowMs }), nowMs);
        expect(await store[operation.verdict](id, intent)).toEqual(want);
        break;
      }
      case 'consume': {
        const id = back(real.ids, operation.back);
        const want = model.transition(id, (approval) => consume(approval, nowMs), nowMs);
        expect(await store.consume(id)).toEqual(want);
        break;
      }
      case 'expire': {
        const id = back(real.ids, operation.back);
        expect(await store.expire(id)).toEqual(model.transition(id, (approval) => expire(approval, nowMs), nowMs));
        break;
      }
      case 'sweep':
        expect(await store.sweep()).toEqual({ expired: model.sweep(nowMs), settled: 0, purged: 0 });
        break;
      case 'move':
        real.clock.move(operation.ms);
        break;
    }
    for (const [id, approval] of model.approvals) expect(await store.get(id)).toEqual(approval);
    expect([...real.recorded].sort()).toEqual([...model.recorded].sort());
  }
}

describe.each(implementations)('approvals match the model: $name', ({ build }) => {
  test('one after the other, whichever instance is asked', { timeout: 120_000 }, async () => {
    const commands = fc
      .tuple(someOperation, fc.nat(2))
      .map(([operation, instance]) => new OperationCommand(operation, instance));
    await fc.assert(
      fc.asyncProperty(fc.commands([commands], { maxCommands: 40 }), async (run) => {
        const clock = handClock();
        const recorded: string[] = [];
        const onTransition: OnTransition = async (after) => {
          recorded.push(`${after.id} ${after.version} ${after.state}`);
        };
        const built = await build(clock, onTransition);
        try {
          const real = { stores: built.stores, clock, recorded, ids: [] };
          await fc.asyncModelRun(() => ({ model: new Model(), real }), run);
          await built.check();
        } finally {
          await built.close();
        }
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  test('all at once: what is on record is one legal history', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        someTerms,
        fc.array(fc.tuple(someOperation, fc.nat(2)), { minLength: 4, maxLength: 24 }),
        async (given, operations) => {
          const clock = handClock();
          const recorded: Recorded[] = [];
          const built = await build(clock, async (after, before) => {
            recorded.push({ after, before });
            // A record takes its time: others come in between.
            await new Promise((resolve) => setImmediate(resolve));
          });
          try {
            const ids = ['id-0'];
            await storeOf(built.stores, 0).open({ id: 'id-0', digest: 'd0', held: heldBy(), terms: termsOf(given) });
            const outcomes = await Promise.all(
              operations.map(([operation, instance]) =>
                attempt(storeOf(built.stores, instance), operation, ids, clock),
              ),
            );
            const succeeded = outcomes.filter(({ what }) => what === 'used').length;
            await checkHistory(recorded, storeOf(built.stores, 1), clock);
            expect(recorded.filter(isConsumption).length).toBe(succeeded);
            await built.check();
          } finally {
            await built.close();
          }
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });
});

/** Whatever was done: no key without an end, none outside of the slot, none that another run or another program could have. */
async function checkKeys(prefix: string): Promise<void> {
  const admin = new Redis(redis.url());
  try {
    const keys = await admin.keys('*');
    const wrong: string[] = [];
    for (const key of keys) {
      const ttlMs = await admin.pttl(key);
      // -2: it has gone in the meantime.
      if (ttlMs === -1 || !/^model-\d+:\{approval\}:/.test(key)) wrong.push(`${key} ${ttlMs}`);
    }
    expect(wrong).toEqual([]);
    await admin.del(...keys.filter((key) => key.startsWith(prefix)), 'none');
  } finally {
    admin.disconnect();
  }
}

function stepped(step: Step): Approval {
  if (!step.ok) throw new Error(`the machine refused: ${step.error.kind}`);
  return step.value;
}
