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

interface Bucket {
  readonly level: number;
  readonly atNs: bigint;
}

/** A token bucket for each caller, of the callers heard last. One that was forgotten begins with a full bucket. */
export function createRateLimiter(clock: Clock, { perSecond, burst }: RateLimit): RateLimiter {
  const buckets = new Map<string, Bucket>();
  return {
    take: (caller, calls) => {
      const nowNs = clock.monoNs();
      const known = buckets.get(caller) ?? { level: burst, atNs: nowNs };
      const level = Math.min(burst, known.level + (Number(nowNs - known.atNs) / 1e9) * perSecond);
      const wanted = Math.min(calls, burst);
      const isGranted = level >= wanted;
      // Set anew, so that the map stays in the order in which callers were heard.
      buckets.delete(caller);
      buckets.set(caller, { level: isGranted ? level - wanted : level, atNs: nowNs });
      if (buckets.size > limits.apiCallersMax) {
        const [oldest] = buckets.keys();
        if (oldest !== undefined) buckets.delete(oldest);
      }
      return isGranted ? null : Math.ceil(((wanted - level) / perSecond) * 1000);
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
