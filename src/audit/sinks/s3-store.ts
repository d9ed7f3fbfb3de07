import { createHash } from 'node:crypto';
import { Agent } from 'node:https';
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { type TlsClient, tlsOptions } from '../tls-client.ts';
import type { ObjectStore } from './segment-shipper.ts';

export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** Of a store that speaks S3 but is not Amazon's; null: Amazon's. */
  readonly endpoint: string | null;
  /** Null: what Node has. */
  readonly tls: TlsClient | null;
  readonly accessKeyId: string | null;
  readonly secretAccessKey: string | null;
  /** How long an object is locked, milliseconds; 0: not at all. In compliance mode nobody can shorten it. */
  readonly lockMs: number;
  readonly legalHold: boolean;
  readonly nowMs: () => number;
}

/**
 * A bucket with Object Lock. Each object is written once (`If-None-Match: *`) with its SHA-256, which the store checks, and
 * locked in COMPLIANCE mode. What is there already, from an upload whose answer was lost, is not written again.
 */
export function createS3Store(options: S3Options): ObjectStore {
  const { endpoint, tls, accessKeyId, secretAccessKey } = options;
  const client = new S3Client({
    region: options.region,
    maxAttempts: 1,
    // An agent, not its options: for large objects the SDK would make an agent of its own and leave these out.
    ...(tls === null ? {} : { requestHandler: { httpsAgent: new Agent({ keepAlive: true, ...tlsOptions(tls) }) } }),
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    ...(accessKeyId !== null && secretAccessKey !== null ? { credentials: { accessKeyId, secretAccessKey } } : {}),
  });
  return {
    put: async (key, bytes, mediaType, signal) => {
      const command = new PutObjectCommand({
        Bucket: options.bucket,
        Key: key,
        Body: bytes,
        ContentType: mediaType,
        ContentLength: bytes.length,
        IfNoneMatch: '*',
        ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
        ...(options.lockMs === 0
          ? {}
          : {
              ObjectLockMode: 'COMPLIANCE' as const,
              ObjectLockRetainUntilDate: new Date(options.nowMs() + options.lockMs),
            }),
        ...(options.legalHold ? { ObjectLockLegalHoldStatus: 'ON' as const } : {}),
      });
      try {
        await client.send(command, { abortSignal: signal });
        return 'stored';
      } catch (thrown) {
        if (thrown instanceof S3ServiceException && thrown.$metadata.httpStatusCode === 412) return 'there';
        throw thrown;
      }
    },
    close: async () => client.destroy(),
  };
}
