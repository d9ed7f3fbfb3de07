import { Fault } from '../lib/fault.ts';
import type { Sliced } from '../lib/slices.ts';

/** Runs the steps of a stream. Once a step has thrown, what was held may never go out: every further step throws. */
export interface StepGuard {
  run<T>(step: () => T): T;
  /** A step in several turns. None may begin before it is over. */
  running<T>(step: () => Sliced<T>): Sliced<T>;
}

export function createStepGuard(): StepGuard {
  let isDead = false;

  function begin(): void {
    if (isDead) throw new Fault('masking_failed', 'this stream was given up before');
    isDead = true;
  }

  return {
    run: (step) => {
      begin();
      const result = step();
      isDead = false;
      return result;
    },
    running: function* (step) {
      begin();
      const result = yield* step();
      isDead = false;
      return result;
    },
  };
}
