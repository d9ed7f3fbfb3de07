import { Agent } from 'node:https';
import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms';
import { Fault } from '../lib/fault.ts';
import { keyService } from './key-service.ts';
import type { Kek } from './keys.ts';
import { type TlsClient, tlsOptions } from './tls-client.ts';

export interface AwsKmsKekOptions {
  /** A symmetric key: its id, ARN or alias (`alias/countersign-audit`). Names the key for ever: an alias must not move. */
  readonly keyId: string;
  readonly region: string;
  /** Another endpoint than AWS's own (VPC endpoint, FIPS), or null. */
  readonly endpoint: string | null;
  /** Null: what Node has. */
  readonly tls: TlsClient | null;
  readonly timeoutMs: number;
}

/**
 * A key of AWS KMS. Credentials come by the SDK's default chain (environment, web identity, container, instance). The name of what is
 * wrapped is the encryption context, so CloudTrail shows it; rotation in KMS keeps old versions readable.
 */
export function createAwsKmsKek({ keyId, region, endpoint, tls, timeoutMs }: AwsKmsKekOptions): Kek {
  const call = keyService(`the KMS key ${keyId}`, timeoutMs);
  const client = new KMSClient({
    region,
    maxAttempts: 3,
    ...(endpoint === null ? {} : { endpoint }),
    ...(tls === null ? {} : { requestHandler: { httpsAgent: new Agent({ keepAlive: true, ...tlsOptions(tls) }) } }),
  });
  const context = (name: string): { EncryptionContext: Record<string, string> } => ({
    EncryptionContext: { countersign: name },
  });
  return {
    id: `aws:${keyId}`,
    wrap: (key, name) =>
      call(async (abortSignal) => {
        const command = new EncryptCommand({ KeyId: keyId, Plaintext: key, ...context(name) });
        return bytesOf((await client.send(command, { abortSignal })).CiphertextBlob);
      }),
    unwrap: (wrapped, name) =>
      call(async (abortSignal) => {
        const command = new DecryptCommand({ KeyId: keyId, CiphertextBlob: wrapped, ...context(name) });
        return bytesOf((await client.send(command, { abortSignal })).Plaintext);
      }),
  };
}

function bytesOf(blob: Uint8Array | undefined): Buffer {
  if (blob === undefined) throw new Fault('key_unavailable', 'the answer is empty');
  return Buffer.from(blob);
}
