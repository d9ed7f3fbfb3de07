/** Opens a failed log again, later and later: disks that need a while are not asked every second. */
export interface Reopening {
  /** Tries again after the wait, once every writer that was given up has ended; nothing when a try is due already. */
  schedule(): void;
  /** It is open: the next wait is the first one again. */
  reset(): void;
  /** For good: nothing is tried any more. */
  stop(): void;
}

export interface ReopeningOptions {
  /** The first wait; doubles up to thirty times as much. */
  readonly firstMs: number;
  /** Whether there is still something to open. */
  readonly isNeeded: () => boolean;
  /** MUST have told what went wrong before it rejects. */
  readonly reopen: () => Promise<void>;
  /** Resolves when no writer of ours can write any more. */
  readonly writersEnded: () => Promise<unknown>;
}

const longest = 30;

export function createReopening({ firstMs, isNeeded, reopen, writersEnded }: ReopeningOptions): Reopening {
  let timer: NodeJS.Timeout | null = null;
  let waitMs = firstMs;
  let isStopped = false;

  function schedule(): void {
    void writersEnded().then(() => {
      if (isStopped || timer !== null || !isNeeded()) return;
      timer = setTimeout(() => {
        timer = null;
        reopen().catch(() => {
          waitMs = Math.min(waitMs * 2, firstMs * longest);
          schedule();
        });
      }, waitMs);
      timer.unref();
    });
  }

  return {
    schedule,
    reset: () => {
      waitMs = firstMs;
    },
    stop: () => {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
