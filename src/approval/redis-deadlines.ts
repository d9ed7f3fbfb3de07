/** A call that must end in time. */
export interface Timed {
  readonly untilMs: number;
  readonly onLate: () => void;
}

export interface Deadlines {
  /** Calls `onLate` once the time is over, unless the call has ended by then. */
  begin(onLate: () => void): Timed;
  /** False: it was late. */
  end(timed: Timed): boolean;
}

/**
 * One time limit for many calls. As it is the same for all they run out in the order in which they began, so one timer serves them: to set
 * and clear one for each is what costs most of a call. The timer keeps no process alive.
 */
export function createDeadlines(limitMs: number): Deadlines {
  /** Oldest first. */
  const open = new Set<Timed>();
  let timer: NodeJS.Timeout | null = null;

  const wake = (): void => {
    timer = null;
    const nowMs = performance.now();
    for (const timed of open) {
      // Less than a millisecond is now: timers go by a clock of whole ones.
      if (timed.untilMs - nowMs >= 1) {
        arm(timed.untilMs - nowMs);
        return;
      }
      open.delete(timed);
      timed.onLate();
    }
  };
  const arm = (ms: number): void => {
    timer = setTimeout(wake, Math.ceil(ms));
    timer.unref();
  };

  return {
    begin: (onLate) => {
      const timed: Timed = { untilMs: performance.now() + limitMs, onLate };
      open.add(timed);
      if (timer === null) arm(limitMs);
      return timed;
    },
    end: (timed) => open.delete(timed),
  };
}
