import type { Clock } from '../../src/lib/clock.ts';

/** Time that moves when it is told to. */
export interface ManualClock extends Clock {
  /** Both clocks go on. */
  advance(ms: number): void;
  /** Only the wall clock jumps, as when it is set. */
  step(ms: number): void;
}

export function createManualClock(wallMs: number = Date.UTC(2026, 0, 5, 12)): ManualClock {
  let wall = wallMs;
  let mono = 1_000_000n;
  return {
    nowMs: () => wall,
    nowNs: () => BigInt(wall) * 1_000_000n,
    monoNs: () => mono,
    advance(ms) {
      wall += ms;
      mono += BigInt(ms) * 1_000_000n;
    },
    step(ms) {
      wall += ms;
    },
  };
}
