import { Fault } from '../lib/fault.ts';

/** Runs the steps of a stream. Once a step has thrown, what was held may never go out: every further step throws. */
export type StepGuard = <T>(step: () => T) => T;

export function createStepGuard(): StepGuard {
  let isDead = false;
  return (step) => {
    if (isDead) throw new Fault('masking_failed', 'this stream was given up before');
    isDead = true;
    const result = step();
    isDead = false;
    return result;
  };
}
