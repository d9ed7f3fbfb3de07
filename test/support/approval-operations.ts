import fc from 'fast-check';
import { expect } from 'vitest';
import type { Approval, HeldRequest } from '../../src/approval/approval.ts';
import {
  type Actor,
  approve,
  breakGlass,
  cancel,
  consume,
  expire,
  type Intention,
  reject,
  revoke,
} from '../../src/approval/state-machine.ts';
import type { ApprovalStore, Intent, Outcome } from '../../src/approval/store.ts';
import type { HoldTerms } from '../../src/policy/decision.ts';
import { actor, type HandClock, held, terms } from './approvals.ts';

/** Random calls of an approval store, and what must be true of the record that they leave. */
const digests = ['d0', 'd1'] as const;
const people = ['ada', 'bob', 'cleo', 'rita', 'owen', 'olga'] as const;
const verdicts = ['approve', 'reject', 'cancel', 'revoke', 'breakGlass'] as const;
/** The state machine's step for each call that decides. */
export const steps: Readonly<Record<(typeof verdicts)[number], typeof approve>> = {
  approve,
  reject,
  cancel,
  revoke,
  breakGlass,
};

export const someTerms: fc.Arbitrary<TermsGiven> = fc.record({
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

export type Operation =
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
export type TermsGiven = {
  quorum: number;
  uses: number;
  ttlS: number;
  grantTtlS: number;
  requireReason: boolean;
  groupMatch: 'any' | 'all';
  allowSelf: boolean;
};

export const someOperation: fc.Arbitrary<Operation> = fc.oneof(
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

/** A transition as it was put on record. */
export interface Recorded {
  readonly after: Approval;
  readonly before: Approval | null;
}

/** Versions without a gap, every step one that the state machine allows, and the store holds the last of them. */
export async function checkHistory(
  recorded: readonly Recorded[],
  store: ApprovalStore,
  clock: HandClock,
): Promise<void> {
  const histories = new Map<string, Recorded[]>();
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
    const consumptions = history.filter(isConsumption).length;
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

export function isConsumption({ after, before }: Recorded): boolean {
  return before?.state === 'approved' && (after.state === 'consumed' || after.state === 'approved');
}

export interface Attempted {
  readonly what: string;
  /** As the call gave it back, where it did what it was to do. */
  readonly approval: Approval | null;
}

/** Makes the call, about one of the approvals of `ids`. */
export async function attempt(
  store: ApprovalStore,
  operation: Operation,
  ids: string[],
  clock: HandClock,
): Promise<Attempted> {
  switch (operation.kind) {
    case 'open': {
      const id = nextId(ids);
      const opening = { id, digest: operation.digest, held: heldBy(), terms: termsOf(operation.terms) };
      const { kind, approval } = await store.open(opening);
      return { what: kind, approval };
    }
    case 'decide':
      return attempted(await store[operation.verdict](back(ids, operation.back), intentOf(operation)));
    case 'consume': {
      const outcome = await store.consume(back(ids, operation.back));
      return outcome.ok ? { what: 'used', approval: outcome.value } : attempted(outcome);
    }
    case 'expire':
      return attempted(await store.expire(back(ids, operation.back)));
    case 'sweep':
      await store.sweep();
      return { what: 'swept', approval: null };
    case 'move':
      clock.move(operation.ms);
      return { what: 'moved', approval: null };
  }
}

function attempted(outcome: Outcome): Attempted {
  return outcome.ok
    ? { what: outcome.value.state, approval: outcome.value }
    : { what: outcome.error.kind, approval: null };
}

export function nextId(ids: string[]): string {
  const id = `id-${ids.length}`;
  ids.push(id);
  return id;
}

export function back(ids: readonly string[], steps: number): string {
  return ids[Math.max(0, ids.length - 1 - steps)] ?? 'none';
}

export function storeOf(stores: readonly ApprovalStore[], instance: number): ApprovalStore {
  const store = stores[instance % stores.length];
  if (store === undefined) throw new Error('no store');
  return store;
}

/** Rita asks; owen owns her service account. */
export function heldBy(): HeldRequest {
  return held({ excluded: ['owen'] });
}

/** Olga is in no approver group, but may break the glass, as cleo may; bob and cleo are of the second group. */
function actorOf(who: string): Actor {
  const groups: Readonly<Record<string, readonly string[]>> = {
    olga: ['oncall'],
    bob: ['reviewers', 'security'],
    cleo: ['security', 'oncall'],
  };
  return actor(who, groups[who] ?? ['reviewers']);
}

/** A key is of who sent it: the service puts the caller into it. */
export function intentOf(operation: Extract<Operation, { kind: 'decide' }>): Intent {
  const { who, reason, key, verdict } = operation;
  return {
    by: actorOf(who),
    reason,
    ...(key === null ? {} : { requestKey: `${who} ${key} ${verdict}` }),
  };
}

export function termsOf(given: TermsGiven): HoldTerms {
  const { uses, grantTtlS, ...rest } = given;
  return terms({
    ...rest,
    approverGroups: ['reviewers', 'security'],
    breakGlassGroups: ['oncall'],
    grant: { uses, ttlS: grantTtlS },
  });
}
