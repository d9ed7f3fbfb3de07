import type { Ballast } from './ballast.ts';

/** Takes ballast up a while after there is room for it, so that what has just been freed is there to stay. */
export interface BallastTimer {
  /** There is room, as far as is known. */
  schedule(): void;
  /** For good: nothing is taken up any more. */
  stop(): void;
}

export interface BallastTimerOptions {
  /** Absent: none is kept. */
  readonly ballast: Ballast | undefined;
  readonly afterMs: number;
  /** Whether it may be taken up, when its time has come. */
  readonly isRoomy: () => boolean;
}

export function createBallastTimer({ ballast, afterMs, isRoomy }: BallastTimerOptions): BallastTimer {
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;
  return {
    schedule: () => {
      if (ballast === undefined || timer !== null || isStopped) return;
      timer = setTimeout(() => {
        timer = null;
        if (isRoomy()) void ballast.hold();
      }, afterMs);
      timer.unref();
    },
    stop: () => {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
