import type { Clock } from './clock.ts';

/** How many calls one caller may make: so many at once, and so many a second in the long run. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

export interface RateLimiter {
  /** Takes `calls` of the caller's, at most a whole burst; null, or the milliseconds after which they are to be had. */
  take(caller: string, calls: number): number | null;
}

/**
 * The generic cell rate algorithm (ITU-T I.371), exact in nanoseconds: of each caller it remembers one instant, at which its
 * burst is whole again. Of the callers heard last (`callersMax`), that is; one that was forgotten begins with a whole burst.
 */
export function createRateLimiter(clock: Clock, { perSecond, burst }: RateLimit, callersMax: number): RateLimiter {
  const callNs = BigInt(Math.ceil(1e9 / perSecond));
  const burstNs = callNs * BigInt(burst);
  const wholeAtNs = new Map<string, bigint>();
  return {
    take: (caller, calls) => {
      const nowNs = clock.monoNs();
      const known = wholeAtNs.get(caller) ?? nowNs;
      const before = known > nowNs ? known : nowNs;
      const after = before + callNs * BigInt(Math.min(calls, burst));
      const earlyNs = after - nowNs - burstNs;
      // Set anew, so that the map stays in the order in which callers were heard.
      wholeAtNs.delete(caller);
      wholeAtNs.set(caller, earlyNs > 0n ? before : after);
      if (wholeAtNs.size > callersMax) {
        const [oldest] = wholeAtNs.keys();
        if (oldest !== undefined) wholeAtNs.delete(oldest);
      }
      return earlyNs > 0n ? Number((earlyNs + 999_999n) / 1_000_000n) : null;
    },
  };
}
