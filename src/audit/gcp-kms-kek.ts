import { GoogleAuth } from 'google-auth-library';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { keyService, readReply } from './key-service.ts';
import type { Kek } from './keys.ts';

export interface GcpKmsKekOptions {
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K`. */
  readonly key: string;
  /** `https://cloudkms.googleapis.com`, or a private endpoint. */
  readonly endpoint: string;
  readonly timeoutMs: number;
}

/**
 * A key of Google Cloud KMS, over its REST API. Credentials are Google's application default ones (file, workload identity, metadata
 * server). Checksums go both ways, as Google asks for: what a broken link would wrap nobody could ever unwrap. Rotation in KMS
 * keeps old versions readable.
 */
export function createGcpKmsKek({ key, endpoint, timeoutMs }: GcpKmsKekOptions): Kek {
  const call = keyService(`the KMS key ${key}`, timeoutMs);
  const auth = new GoogleAuth({ scopes: ['https://www.googleapis.com/auth/cloudkms'] });

  const kms = (action: 'encrypt' | 'decrypt', body: object): Promise<Readonly<Record<string, unknown>>> =>
    call(async (signal) => {
      const token = await auth.getAccessToken();
      if (!token) throw new Fault('key_unavailable', 'there are no Google credentials');
      const reply = await fetch(`${endpoint.replace(/\/$/, '')}/v1/${key}:${action}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
        redirect: 'error',
        signal,
      });
      return readReply(reply, limits.keyServiceReplyBytesMax);
    });

  return {
    id: `gcp:${key}`,
    wrap: async (secret, name) => {
      const bound = contextOf(name);
      const answer = await kms('encrypt', {
        plaintext: Buffer.from(secret).toString('base64'),
        plaintextCrc32c: String(crc32c(secret)),
        additionalAuthenticatedData: bound.toString('base64'),
        additionalAuthenticatedDataCrc32c: String(crc32c(bound)),
      });
      if (answer['verifiedPlaintextCrc32c'] !== true || answer['verifiedAdditionalAuthenticatedDataCrc32c'] !== true) {
        throw new Fault('key_unavailable', `the KMS key ${key} did not get what was sent`);
      }
      return checked(answer, 'ciphertext');
    },
    unwrap: async (wrapped, name) => {
      const bound = contextOf(name);
      const answer = await kms('decrypt', {
        ciphertext: Buffer.from(wrapped).toString('base64'),
        ciphertextCrc32c: String(crc32c(wrapped)),
        additionalAuthenticatedData: bound.toString('base64'),
        additionalAuthenticatedDataCrc32c: String(crc32c(bound)),
      });
      return checked(answer, 'plaintext');
    },
  };
}

function checked(answer: Readonly<Record<string, unknown>>, name: string): Buffer {
  const bytes = Buffer.from(String(answer[name] ?? ''), 'base64');
  if (bytes.length > 0 && String(answer[`${name}Crc32c`]) === String(crc32c(bytes))) return bytes;
  throw new Fault('key_unavailable', `the ${name} in the key service's answer was altered on its way`);
}

function contextOf(name: string): Buffer {
  return Buffer.from(`countersign/v1/epoch\0${name}`);
}

/** CRC-32C (RFC 3720 section 12.1), bit by bit: a few dozen bytes an hour. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
