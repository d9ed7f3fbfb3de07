/** Time as an argument: tests move it, Rego never sees it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  nowMs(): number;
  /** Wall clock, nanoseconds since the epoch; never goes back within one process. */
  nowNs(): bigint;
  /** Monotonic nanoseconds from an arbitrary origin, for durations only. */
  monoNs(): bigint;
}

export const systemClock: Clock = createSystemClock();

function createSystemClock(): Clock {
  // Date.now has millisecond steps: anchor it once and let the monotonic clock carry the nanoseconds, re-anchoring when
  // the wall clock has been stepped by more than a second (NTP, suspend).
  let anchorWallNs = BigInt(Date.now()) * 1_000_000n;
  let anchorMonoNs = process.hrtime.bigint();
  let last = 0n;
  return {
    nowMs: () => Date.now(),
    monoNs: () => process.hrtime.bigint(),
    nowNs: () => {
      const mono = process.hrtime.bigint();
      let now = anchorWallNs + (mono - anchorMonoNs);
      const wall = BigInt(Date.now()) * 1_000_000n;
      const drift = wall - now;
      if (drift > 1_000_000_000n || drift < -1_000_000_000n) {
        anchorWallNs = wall;
        anchorMonoNs = mono;
        now = wall;
      }
      last = now > last ? now : last + 1n;
      return last;
    },
  };
}
