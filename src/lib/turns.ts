import type { Fault } from './fault.ts';

/** Runs what it is given one after the other, in the order of the calls. Resolves or rejects as its own turn does. */
export type Turns = <T>(act: () => Promise<T>) => Promise<T>;

/** How many turns may be asked for at a time, the running one included, and the fault of one more. */
export interface TurnsBound {
  readonly waitingMax: number;
  readonly overflow: () => Fault;
}

/**
 * Turns without a bound are for callers that are few by their nature, such as a timer that waits for its own turn. A turn that fails
 * does not keep the next from starting.
 */
export function createTurns(bound: TurnsBound | null): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (act) => {
    if (bound !== null && waiting >= bound.waitingMax) throw bound.overflow();
    waiting += 1;
    const turn = last.then(act);
    // What went wrong is told to whoever asked for this turn, by the promise returned. The chain must go on in any case, and must not
    // become a rejection that nobody handles.
    last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      waiting -= 1;
    }
  };
}
