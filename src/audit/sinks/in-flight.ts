/** The batches on their way to a receiver, and which of them may try next. */
export interface InFlight {
  /** Resolves when one more batch may be begun. Rejects with what a batch before has failed with. */
  room(): Promise<void>;
  /**
   * Begins one. `work` resolves with whether it went through; `onPassed` is called when it and all before it have.
   * MUST be called only after `room`.
   */
  begin(work: () => Promise<boolean>, onPassed: () => void): void;
  /** Resolves when nothing is on its way any more: with false when something never went through. Rejects as `room` does. */
  landed(): Promise<boolean>;
  /** Waits for a turn to try; what it gives back ends it, and is told whether the receiver has given its word. */
  turn(): Promise<(isHeard: boolean) => void>;
}

/**
 * At most `max` batches are on their way or wait for one that was begun before them. The receiver is tried with one at first; each of its
 * words lets one more be tried at a time, and a failed try leaves a single one: who is away or full is not asked by all at once.
 */
export function createInFlight(max: number): InFlight {
  const begun: { isThrough: boolean; readonly onPassed: () => void }[] = [];
  let running = 0;
  let trying = 0;
  let width = 1;
  let isLost = false;
  let failure: { readonly thrown: unknown } | null = null;
  let waiting: (() => void)[] = [];

  function changed(): Promise<void> {
    return new Promise((resolve) => waiting.push(resolve));
  }

  function tell(): void {
    const told = waiting;
    waiting = [];
    for (const resolve of told) resolve();
  }

  return {
    room: async () => {
      while (failure === null && !isLost && begun.length >= max) await changed();
      if (failure !== null) throw failure.thrown;
    },
    begin: (work, onPassed) => {
      const own = { isThrough: false, onPassed };
      begun.push(own);
      running += 1;
      const settle = (isThrough: boolean): void => {
        running -= 1;
        own.isThrough = isThrough;
        isLost ||= !isThrough;
        while (begun[0]?.isThrough === true) begun.shift()?.onPassed();
        tell();
      };
      work().then(settle, (thrown: unknown) => {
        failure = { thrown };
        settle(false);
      });
    },
    landed: async () => {
      while (failure === null && running > 0) await changed();
      if (failure !== null) throw failure.thrown;
      return !isLost;
    },
    turn: async () => {
      while (trying >= width) await changed();
      trying += 1;
      return (isHeard) => {
        trying -= 1;
        width = isHeard ? Math.min(max, width + 1) : 1;
        tell();
      };
    },
  };
}
