import type { Clock } from '../lib/clock.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import { layout } from './layout.ts';

/**
 * The time that may destroy things: never ahead of the true one because the wall clock jumped. It goes on with the monotonic clock
 * from where it was, over restarts too, and takes the wall clock over only after that has run evenly with the monotonic one for the
 * settling time. What it says is the earlier of the two, so a clock that is set back destroys nothing either.
 */
export interface SteadyClock {
  /** Milliseconds since the epoch; 0 while nothing can be said yet. Keeps what it says across restarts. */
  nowMs(): Promise<number>;
}

/** More than NTP slews in any settling time, less than any jump that could matter. */
const toleranceMs = 300_000;

export function createSteadyClock(fs: FsPort, directory: string, clock: Clock, settleMs: number): SteadyClock {
  const path = layout.steadyClock(directory);
  const monoMs = (): number => Number(clock.monoNs() / 1_000_000n);
  let steadyMs = saved(fs.read(path));
  let lastMs = monoMs();
  let evenSinceMs = lastMs;
  let offsetMs = clock.nowMs() - lastMs;

  return {
    nowMs: async () => {
      const mono = monoMs();
      const wall = clock.nowMs();
      if (steadyMs > 0) steadyMs += mono - lastMs;
      lastMs = mono;
      if (Math.abs(wall - mono - offsetMs) > toleranceMs) {
        offsetMs = wall - mono;
        evenSinceMs = mono;
      }
      if (mono - evenSinceMs >= settleMs) {
        steadyMs = wall;
        offsetMs = wall - mono;
      }
      if (steadyMs > 0) await replaceFile(fs, path, Buffer.from(`${JSON.stringify({ steady_ms: steadyMs })}\n`));
      return Math.min(steadyMs, wall);
    },
  };
}

function saved(bytes: Buffer | null): number {
  const match = /^\{"steady_ms":(\d{1,15})\}\n$/.exec(bytes?.toString() ?? '');
  return match === null ? 0 : Number(match[1]);
}
