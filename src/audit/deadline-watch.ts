import type { Clock } from '../lib/clock.ts';

/** Tells when what waits has waited too long. One timer, for the oldest: everything else is younger. */
export interface DeadlineWatch {
  /** To be called whenever something has begun to wait. */
  arm(): void;
  stop(): void;
}

export interface DeadlineWatchOptions {
  readonly clock: Clock;
  /** When the oldest began to wait, monotonic; null: nothing waits. */
  readonly oldestNs: () => bigint | null;
  readonly deadlineMs: number;
  /** Must leave nothing waiting, or arm the watch anew. */
  readonly onLate: () => void;
}

export function createDeadlineWatch({ clock, oldestNs, deadlineMs, onLate }: DeadlineWatchOptions): DeadlineWatch {
  let timer: NodeJS.Timeout | null = null;

  function arm(): void {
    if (timer !== null || oldestNs() === null) return;
    timer = setTimeout(
      () => {
        timer = null;
        if (waitedMs() >= deadlineMs) onLate();
        else arm();
      },
      Math.max(1, deadlineMs - waitedMs()),
    );
  }

  function waitedMs(): number {
    const sinceNs = oldestNs();
    return sinceNs === null ? 0 : Number(clock.monoNs() - sinceNs) / 1e6;
  }

  return {
    arm,
    stop: () => {
      if (timer !== null) clearTimeout(timer);
    },
  };
}
