import { Metadata, status } from '@grpc/grpc-js';
import { DetailedStatus, RetryInfo } from '../gen/google/rpc/error_details.ts';
import type { RpcStatus } from '../rpc/status.ts';

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
