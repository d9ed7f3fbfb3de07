import type { EntryCounts } from '../audit/counted-log.ts';
import type { AuditLog } from '../audit/entry.ts';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';

/** How often a beacon goes on record, where there is anything new to say. */
const beaconMs = 60_000;

/** Requests that were decided in this run, by what became of them; `fault`: refused because something was away. */
export type DecisionCounts = Readonly<Record<Decided, number>>;

type Decided = Parameters<Metrics['decision']>[1];

/** Metrics that also count the decisions about requests: one a request, whether it is on record or not. */
export function countDecisions<M extends Metrics>(metrics: M): { readonly metrics: M; counts(): DecisionCounts } {
  const counts: Record<Decided, number> = { allow: 0, hold: 0, deny: 0, fault: 0 };
  return {
    metrics: {
      ...metrics,
      decision: (phase, action) => {
        if (phase === 'request') counts[action] += 1;
        metrics.decision(phase, action);
      },
    },
    counts: () => ({ ...counts }),
  };
}

export interface BeaconDeps {
  readonly log: AuditLog;
  readonly entries: () => EntryCounts;
  readonly decisions: () => DecisionCounts;
  /** The witnesses' latest word: a checkpoint with their cosignatures and their time; null: there is none. */
  readonly witnessed: () => { readonly note: string; readonly size: number; readonly timeS: number } | null;
  readonly observe: Log;
}

/**
 * Puts on record once a minute, and at the end, what was not on record by itself: how many requests were decided and how many entries the log
 * was asked for, so that what is missing shows; and the witnesses' latest word. What is under a cosigned checkpoint existed before the
 * witness's time, what follows a beacon was written after it: so each record lies between two times of somebody else's clock. A
 * service at rest has nothing to say.
 */
export function startBeacons(deps: BeaconDeps, everyMs: number = beaconMs): { stop(): Promise<void> } {
  let toldCounters = JSON.stringify(counters());
  let toldTimeS = 0;

  function counters(): JsonObject {
    const { intents, outcomes } = deps.entries();
    return { decisions: { ...deps.decisions() }, intents: { ...intents }, outcomes: { ...outcomes } };
  }

  async function tell(): Promise<void> {
    const now = counters();
    const text = JSON.stringify(now);
    const word = deps.witnessed();
    const isNewWord = word !== null && word.timeS > toldTimeS;
    if (!isNewWord && text === toldCounters) return;
    const facts: JsonObject = {
      counters: now,
      ...(isNewWord
        ? { checkpoint: word.note, size: String(word.size), time: new Date(word.timeS * 1000).toISOString() }
        : {}),
    };
    try {
      await deps.log.append({ kind: 'beacon', exchange: '', session: '', facts, bodies: {} });
      toldCounters = text;
      if (isNewWord) toldTimeS = word.timeS;
    } catch (thrown) {
      deps.observe.warn('a beacon could not be recorded', { reason: Fault.from(thrown).message });
    }
  }

  const timer = setInterval(() => void tell(), everyMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await tell();
    },
  };
}
