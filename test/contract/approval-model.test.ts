import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { createLevelStore } from '../../src/approval/level-store.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import {
  approve,
  breakGlass,
  cancel,
  consume,
  create,
  expire,
  governs,
  type Intention,
  isDue,
  reject,
  revoke,
  type Step,
} from '../../src/approval/state-machine.ts';
import type { ApprovalStore, OnTransition, Outcome } from '../../src/approval/store.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, type HandClock, handClock, held, scratch, terms } from '../support/approvals.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

let redis: RedisServer;
let made = 0;
beforeAll(async () => {
  redis = await startRedis(['--appendfsync', 'no']);
});
afterAll(() => redis.close());

/** Stores over the same data, in as many instances as the implementation allows. */
type Build = (clock: HandClock, onTransition: OnTransition) => Promise<Built>;
interface Built {
  readonly stores: readonly ApprovalStore[];
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
      const target = { kind: 'single', url: redis.url } as const;
      const options = { target, prefix: `model-${made}:{approval}:` };
      const open = () => createRedisStore(options, { clock, onTransition, log: silentLog });
      const stores = await Promise.all([open(), open(), open()]);
      return {
        stores,
        close: async () => {
          await Promise.all(stores.map((store) => store.close()));
        },
      };
    },
  },
];

const digests = ['d0', 'd1'] as const;
const people = ['ada', 'bob', 'cleo', 'rita', 'owen', 'olga'] as const;
const verdicts = ['approve', 'reject', 'cancel', 'revoke', 'breakGlass'] as const;
const steps = { approve, reject, cancel, revoke, breakGlass };

const someTerms = fc.record({
  quorum: fc.integer({ min: 1, max: 3 }),
  uses: fc.integer({ min: 1, max: 3 }),
  ttlS: fc.constantFrom(10, 60),
  grantTtlS: fc.constantFrom(5, 60),
  requireReason: fc.boolean(),
  groupMatch: fc.constantFrom('any' as const, 'all' as const),
  allowSelf: fc.boolean(),
});
/** Index into the approvals made so far, counted from the newest: the newest is where most happens. */
const someBack = fc.integer({ min: 0, max: 2 });
const somePerson = fc.constantFrom(...people);
const someReason = fc.constantFrom(null, 'because');
/** Few, so that calls are repeated, by the same person and by others. */
const someKey = fc.constantFrom(null, null, 'k0', 'k1');

type Operation =
  | { readonly kind: 'open'; readonly digest: string; readonly terms: TermsGiven }
  | {
      readonly kind: 'decide';
      readonly verdict: (typeof verdicts)[number];
      readonly back: number;
      readonly who: string;
      readonly reason: string | null;
      readonly key: string | null;
    }
  | { readonly kind: 'consume'; readonly back: number }
  | { readonly kind: 'expire'; readonly back: number }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'move'; readonly ms: number };
type TermsGiven = {
  quorum: number;
  uses: number;
  ttlS: number;
  grantTtlS: number;
  requireReason: boolean;
  groupMatch: 'any' | 'all';
  allowSelf: boolean;
};

const someOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('open' as const), digest: fc.constantFrom(...digests), terms: someTerms }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      verdict: fc.constantFrom('approve', 'approve', 'approve', ...verdicts),
      back: someBack,
      who: somePerson,
      reason: someReason,
      key: someKey,
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('consume' as const), back: someBack }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), back: someBack }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sweep' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      ms: fc.constantFrom(1, 4_999, 5_000, 9_999, 10_000, 60_000),
    }),
  },
);

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
          const recorded: { readonly after: Approval; readonly before: Approval | null }[] = [];
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
            const succeeded = outcomes.filter((outcome) => outcome === 'consumed').length;
            await checkHistory(recorded, storeOf(built.stores, 1), clock);
            expect(recorded.filter(({ after, before }) => isConsumption(after, before)).length).toBe(succeeded);
          } finally {
            await built.close();
          }
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });
});

/** Versions without a gap, every step one that the state machine allows, and the store holds the last of them. */
async function checkHistory(
  recorded: readonly { readonly after: Approval; readonly before: Approval | null }[],
  store: ApprovalStore,
  clock: HandClock,
): Promise<void> {
  const histories = new Map<string, { readonly after: Approval; readonly before: Approval | null }[]>();
  for (const entry of recorded) histories.set(entry.after.id, [...(histories.get(entry.after.id) ?? []), entry]);
  for (const [id, history] of histories) {
    history.sort((a, b) => a.after.version - b.after.version);
    expect(history.map(({ after }) => after.version)).toEqual(history.map((_, index) => index + 1));
    let last: Approval | null = null;
    for (const { after, before } of history) {
      expect(before).toEqual(last);
      if (before !== null) expect(legalSteps(before, after, clock.nowMs())).toContainEqual(after);
      last = after;
    }
    expect(await store.get(id)).toEqual(last);
    const consumptions = history.filter(({ after, before }) => isConsumption(after, before)).length;
    expect(consumptions).toBeLessThanOrEqual(last?.terms.grant.uses ?? 0);
  }
}

/** All that the machine could have made of `before`, given who decided last. */
function legalSteps(before: Approval, after: Approval, nowMs: number): readonly Approval[] {
  const made = after.decisions.at(-1);
  const intention: Intention = {
    by: actorOf(made?.by.id ?? 'nobody'),
    reason: made?.reason ?? null,
    atMs: made?.atMs ?? nowMs,
    ...(made?.requestKey === undefined ? {} : { requestKey: made.requestKey }),
  };
  const tries = [
    approve(before, intention),
    reject(before, intention),
    cancel(before, intention),
    revoke(before, intention),
    breakGlass(before, intention),
    consume(before, Math.min(nowMs, (before.grantUntilMs ?? nowMs) - 1)),
    expire(before, nowMs),
  ];
  return tries.flatMap((step) => (step.ok ? [step.value] : []));
}

function isConsumption(after: Approval, before: Approval | null): boolean {
  return before?.state === 'approved' && (after.state === 'consumed' || after.state === 'approved');
}

async function attempt(store: ApprovalStore, operation: Operation, ids: string[], clock: HandClock): Promise<string> {
  switch (operation.kind) {
    case 'open': {
      const id = nextId(ids);
      return (await store.open({ id, digest: operation.digest, held: heldBy(), terms: termsOf(operation.terms) })).kind;
    }
    case 'decide':
      return verdictOf(await store[operation.verdict](back(ids, operation.back), intentOf(operation)));
    case 'consume':
      return (await store.consume(back(ids, operation.back))).ok ? 'consumed' : 'refused';
    case 'expire':
      return verdictOf(await store.expire(back(ids, operation.back)));
    case 'sweep':
      await store.sweep();
      return 'swept';
    case 'move':
      clock.move(operation.ms);
      return 'moved';
  }
}

function verdictOf(outcome: Outcome): string {
  return outcome.ok ? outcome.value.state : outcome.error.kind;
}

function nextId(ids: string[]): string {
  const id = `id-${ids.length}`;
  ids.push(id);
  return id;
}

function back(ids: readonly string[], steps: number): string {
  return ids[Math.max(0, ids.length - 1 - steps)] ?? 'none';
}

function storeOf(stores: readonly ApprovalStore[], instance: number): ApprovalStore {
  const store = stores[instance % stores.length];
  if (store === undefined) throw new Error('no store');
  return store;
}

function stepped(step: Step): Approval {
  if (!step.ok) throw new Error(`the machine refused: ${step.error.kind}`);
  return step.value;
}

/** Rita asks; owen owns her service account. */
function heldBy() {
  return held({ excluded: ['owen'] });
}

/** Olga is in no approver group, but may break the glass, as cleo may; bob and cleo are of the second group. */
function actorOf(who: string) {
  const groups: Readonly<Record<string, readonly string[]>> = {
    olga: ['oncall'],
    bob: ['reviewers', 'security'],
    cleo: ['security', 'oncall'],
  };
  return actor(who, groups[who] ?? ['reviewers']);
}

/** A key is of who sent it: the service puts the caller into it. */
function intentOf(operation: Extract<Operation, { kind: 'decide' }>) {
  const { who, reason, key, verdict } = operation;
  return {
    by: actorOf(who),
    reason,
    ...(key === null ? {} : { requestKey: `${who} ${key} ${verdict}` }),
  };
}

function termsOf(given: TermsGiven) {
  const { uses, grantTtlS, ...rest } = given;
  return terms({
    ...rest,
    approverGroups: ['reviewers', 'security'],
    breakGlassGroups: ['oncall'],
    grant: { uses, ttlS: grantTtlS },
  });
}
