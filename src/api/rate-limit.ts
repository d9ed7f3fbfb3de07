import { Metadata, status } from '@grpc/grpc-js';
import { DetailedStatus, RetryInfo } from '../gen/google/rpc/error_details.ts';
import type { Clock } from '../lib/clock.ts';
import { limits } from '../lib/limits.ts';
import type { RpcStatus } from '../rpc/status.ts';

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
 * burst is whole again. Of the callers heard last, that is; one that was forgotten begins with a whole burst.
 */
export function createRateLimiter(clock: Clock, { perSecond, burst }: RateLimit): RateLimiter {
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
      if (wholeAtNs.size > limits.apiCallersMax) {
        const [oldest] = wholeAtNs.keys();
        if (oldest !== undefined) wholeAtNs.delete(oldest);
      }
      return earlyNs > 0n ? Number((earlyNs + 999_999n) / 1_000_000n) : null;
    },
  };
}

/**
 * RESOURCE_EXHAUSTED with google.rpc.RetryInfo, where gRPC puts details of errors, and with `grpc-retry-pushback-ms` (gRFC
 * A6), which clients with a retry policy obey.
 */
export function tooManyCalls(retryMs: number): RpcStatus & { readonly metadata: Metadata } {
  const details = 'too_many_calls';
  const seconds = Math.floor(retryMs / 1000);
  const retryDelay = { seconds: BigInt(seconds), nanos: (retryMs - seconds * 1000) * 1_000_000 };
  const info = RetryInfo.encode({ retryDelay }).finish();
  const metadata = new Metadata();
  metadata.set('grpc-retry-pushback-ms', String(retryMs));
  metadata.set(
    'grpc-status-details-bin',
    Buffer.from(
      DetailedStatus.encode({
        code: status.RESOURCE_EXHAUSTED,
        message: details,
        details: [{ typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value: Buffer.from(info) }],
      }).finish(),
    ),
  );
  return { code: status.RESOURCE_EXHAUSTED, details, metadata };
}
