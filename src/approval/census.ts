import type { Clock } from '../lib/clock.ts';
import type { Metrics } from '../telemetry/telemetry.ts';
import type { ApprovalStore } from './store.ts';

/** Bands of age, each from the one before. */
const bands: readonly { readonly age: string; readonly untilMs: number }[] = [
  { age: 'under_1m', untilMs: 60_000 },
  { age: 'under_5m', untilMs: 300_000 },
  { age: 'under_15m', untilMs: 900_000 },
  { age: 'under_1h', untilMs: 3_600_000 },
  { age: 'under_6h', untilMs: 21_600_000 },
  { age: 'under_1d', untilMs: 86_400_000 },
  { age: 'older', untilMs: Number.POSITIVE_INFINITY },
];

export interface CensusDeps {
  readonly store: Pick<ApprovalStore, 'count'>;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'approvalsPending'>;
}

/**
 * What counts the pending approvals by age when it is called, but not again within `everyMs` (default: 10 s). It goes by
 * ids alone: no approval is read.
 */
export function createCensus(deps: CensusDeps, everyMs = 10_000): () => Promise<void> {
  let lastNs: bigint | null = null;
  return async () => {
    const nowNs = deps.clock.monoNs();
    if (lastNs !== null && nowNs - lastNs < BigInt(everyMs) * 1_000_000n) return;
    lastNs = nowNs;
    await observePending(deps);
  };
}

async function observePending({ store, clock, metrics }: CensusDeps): Promise<void> {
  const nowMs = clock.nowMs();
  // Beyond now, because another replica's clock may be ahead.
  let toMs = nowMs + 86_400_000;
  for (const { age, untilMs } of bands) {
    const fromMs = Math.max(0, nowMs - untilMs + 1);
    metrics.approvalsPending(age, await store.count('pending', fromMs, toMs));
    toMs = fromMs;
  }
}
