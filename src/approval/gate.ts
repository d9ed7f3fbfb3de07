import { setMaxListeners } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import type { NewId } from '../lib/ids.ts';
import { unreachable } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { Metrics } from '../telemetry/telemetry.ts';
import type { Approval, Gate, GateOutcome } from './approval.ts';
import { isDue } from './state-machine.ts';
import type { ApprovalStore, Outcome } from './store.ts';

export interface GateDeps {
  readonly store: ApprovalStore;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly observe: Pick<Metrics, 'hold' | 'approvalWaiters' | 'approvalWakeUp'>;
}

export interface GateOptions {
  /** How often a waiter reads the record although no hint came. Default: 2 s. */
  readonly pollMs?: number;
  /** Aborts when the process is to end: who waits then is answered `pending` at once. Default: never. */
  readonly draining?: AbortSignal;
}

/**
 * The gate. What an identical request meets, by what became of the approval that governs its digest:
 *
 * | approval            | outcome                                                                             |
 * |---------------------|-------------------------------------------------------------------------------------|
 * | none                | a new one; waits; `pending`                                                         |
 * | pending             | attaches to it; waits; `pending`                                                    |
 * | approved            | `granted`, and one use of the grant is gone                                         |
 * | rejected            | `rejected` until the pending time that it cut short is over; then as if none        |
 * | revoked             | `revoked` until the grant would have ended; then as if none                         |
 * | cancelled, consumed | as if none                                                                          |
 * | expired             | as if none; who was waiting gets `expired`                                          |
 *
 * All waiters of a digest wake together; those that find the grant used up ask anew. A waiter whose client has gone takes
 * no grant: the next try of the client gets it.
 */
export function createGate(deps: GateDeps, options: GateOptions = {}): Gate {
  const { store, clock, newId, observe } = deps;
  const { pollMs = 2_000, draining = new AbortController().signal } = options;
  // Every waiter listens to it, and takes its listener away again.
  setMaxListeners(0, draining);
  let waiting = 0;

  const hold: Gate['pass'] = async (digest, held, terms, signal) => {
    const anew = async () => (await store.open({ id: newId(), digest, held, terms })).approval;
    const waitMs = waiting < limits.holdWaitersMax ? Math.min(terms.waitS, limits.holdWaitSecondsMax) * 1000 : 0;
    // Listening begins before the first read, so that no change falls between the two.
    const wake = createWake(store, waitMs, [signal, draining]);
    waiting += 1;
    observe.approvalWaiters(1);
    try {
      let approval = await anew();
      let hasWaited = false;
      for (;;) {
        wake.watch(approval.id);
        const settled = await settle(approval, signal);
        if (settled === 'consumed') {
          approval = await anew();
          continue;
        }
        if (settled !== 'waits') {
          if (hasWaited) observeWakeUp(settled);
          return settled;
        }
        if (wake.isOver()) return { kind: 'pending', approval };
        hasWaited = true;
        await wake.next(Math.min(pollMs, Math.max(0, approval.pendingUntilMs - clock.nowMs())));
        approval = (await store.get(approval.id)) ?? (await anew());
      }
    } finally {
      waiting -= 1;
      observe.approvalWaiters(-1);
      wake.close();
    }
  };

  /** How long after the decision its waiter goes on. Time decides, too, but tells nobody. */
  const observeWakeUp = ({ kind, approval }: GateOutcome): void => {
    const decision = approval.decisions.at(-1);
    if (kind !== 'pending' && kind !== 'expired' && decision !== undefined) {
      observe.approvalWakeUp((clock.nowMs() - decision.atMs) / 1000);
    }
  };

  /** The outcome that an approval stands for, if it does; writes what is due and takes what is granted. */
  const settle = async (approval: Approval, signal: AbortSignal): Promise<GateOutcome | 'waits' | 'consumed'> => {
    switch (approval.state) {
      case 'pending':
        if (!isDue(approval, clock.nowMs())) return 'waits';
        return afterwards(await store.expire(approval.id), approval, signal);
      case 'approved': {
        if (signal.aborted) return { kind: 'pending', approval };
        const consumed = await store.consume(approval.id, approval);
        if (consumed.ok) return { kind: 'granted', approval: consumed.value };
        return afterwards(consumed, approval, signal);
      }
      case 'rejected':
        return { kind: 'rejected', approval };
      case 'expired':
        return { kind: 'expired', approval };
      case 'revoked':
      case 'cancelled':
        return { kind: 'revoked', approval };
      case 'consumed':
        return 'consumed';
      default:
        return unreachable(approval.state);
    }
  };

  /** Somebody else may have been quicker: the record tells what came of it. */
  const afterwards = async (done: Outcome, approval: Approval, signal: AbortSignal) => {
    if (!done.ok && done.error.kind === 'lost_race') return { kind: 'pending', approval } as const;
    const now = done.ok ? done.value : await store.get(approval.id);
    return now === null ? 'consumed' : settle(now, signal);
  };

  return {
    pass: async (digest, held, terms, signal) => {
      const outcome = await hold(digest, held, terms, signal);
      observe.hold(outcome.kind);
      return outcome;
    },
  };
}

interface Wake {
  /** Only hints about this approval wake from now on. */
  watch(id: string): void;
  /** Resolves at a hint, after `ms`, when the budget is spent or a signal aborted; at once when a hint came since the last call. */
  next(ms: number): Promise<void>;
  /** Whether waiting makes no sense any more. */
  isOver(): boolean;
  close(): void;
}

function createWake(store: Pick<ApprovalStore, 'subscribe'>, budgetMs: number, signals: readonly AbortSignal[]): Wake {
  let watched: string | null = null;
  let hinted = false;
  let spent = budgetMs <= 0;
  let resolve: (() => void) | null = null;
  const wake = () => resolve?.();
  const isAborted = () => signals.some((signal) => signal.aborted);
  const budget = setTimeout(() => {
    spent = true;
    wake();
  }, budgetMs);
  const unsubscribe = store.subscribe((hint) => {
    // Before the approval is known any hint may be about it.
    if (hint.kind === 'changed' && watched !== null && hint.id !== watched) return;
    hinted = true;
    wake();
  });
  // Not AbortSignal.any: one of them lives as long as the process, and would collect what follows it.
  for (const signal of signals) signal.addEventListener('abort', wake, { once: true });
  return {
    watch: (id) => {
      watched = id;
    },
    next: async (ms) => {
      if (!hinted && !spent && !isAborted()) {
        await new Promise<void>((done) => {
          const timer = setTimeout(done, ms);
          resolve = () => {
            clearTimeout(timer);
            done();
          };
        });
      }
      resolve = null;
      hinted = false;
    },
    isOver: () => spent || isAborted(),
    close: () => {
      clearTimeout(budget);
      unsubscribe();
      for (const signal of signals) signal.removeEventListener('abort', wake);
    },
  };
}
