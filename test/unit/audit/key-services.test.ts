import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAwsKmsKek } from '../../../src/audit/aws-kms-kek.ts';
import { crc32c, createGcpKmsKek } from '../../../src/audit/gcp-kms-kek.ts';
import type { Kek } from '../../../src/audit/keys.ts';
import { createVaultKek } from '../../../src/audit/vault-kek.ts';
import { type KeyServiceStandIn, startAwsKms, startGcpKms, startVault } from '../../support/key-services.ts';

const gcpKey = 'projects/p/locations/eu/keyRings/r/cryptoKeys/audit';
const awsSecret = { id: `AKIA${'EXAMPLE'.repeat(2)}`, key: 'not-a-live-key' };

interface Case {
  readonly name: string;
  start(): Promise<KeyServiceStandIn>;
  /** `isTrusted` false: credentials that the service refuses. */
  kek(service: KeyServiceStandIn, isTrusted: boolean, timeoutMs: number): Kek;
  readonly refusal: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'Vault transit',
    start: () => startVault(() => 'vault-token'),
    kek: ({ url }, isTrusted, timeoutMs) =>
      createVaultKek({
        address: url,
        mount: 'transit',
        key: 'audit',
        namespace: null,
        token: () => (isTrusted ? 'vault-token' : 'stolen'),
        timeoutMs,
      }),
    refusal: /the transit key transit\/audit: status 403: .*permission denied/,
  },
  {
    name: 'AWS KMS',
    start: () => startAwsKms(awsSecret, 'alias/audit'),
    kek: ({ url }, isTrusted, timeoutMs) => {
      vi.stubEnv('AWS_ACCESS_KEY_ID', awsSecret.id);
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', isTrusted ? awsSecret.key : 'wrong');
      return createAwsKmsKek({ keyId: 'alias/audit', region: 'eu-central-1', endpoint: url, timeoutMs });
    },
    refusal: /the KMS key alias\/audit: The request signature does not match/,
  },
  {
    name: 'Google Cloud KMS',
    start: () => startGcpKms(gcpKey, crc32c),
    kek: ({ url }, isTrusted, timeoutMs) => {
      vi.stubEnv('GCE_METADATA_HOST', url.replace('http://', ''));
      vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
      const key = isTrusted ? gcpKey : gcpKey.replace('audit', 'other');
      return createGcpKmsKek({ key, endpoint: url, timeoutMs });
    },
    refusal: /the KMS key .*other: status 404/,
  },
];

const secret = Buffer.alloc(32, 5);

describe.each(cases)('$name', (each) => {
  let service: KeyServiceStandIn;
  beforeEach(async () => {
    service = await each.start();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await service.close();
  });

  test('wraps, unwraps, and binds to the name', async () => {
    const kek = each.kek(service, true, 60_000);
    const wrapped = await kek.wrap(secret, '2026-11-21T19');
    expect(wrapped.includes(secret)).toBe(false);
    expect(await kek.unwrap(wrapped, '2026-11-21T19')).toEqual(secret);
    await expect(kek.unwrap(wrapped, '2026-11-21T20')).rejects.toMatchObject({ code: 'key_unavailable' });
  });

  test('what an earlier version of a rotated key wrapped stays readable', async () => {
    const kek = each.kek(service, true, 60_000);
    const before = await kek.wrap(secret, 'subjects');
    service.rotate();
    const after = await kek.wrap(secret, 'subjects');
    expect([await kek.unwrap(before, 'subjects'), await kek.unwrap(after, 'subjects')]).toEqual([secret, secret]);
  });

  test('a refusal is told, and not tried again', async () => {
    const kek = each.kek(service, false, 60_000);
    await expect(kek.wrap(secret, 'subjects')).rejects.toThrow(each.refusal);
    expect(service.requests.filter((line) => line.startsWith('POST'))).toHaveLength(1);
  });

  test('a busy or broken service is tried again', async () => {
    const kek = each.kek(service, true, 20_000);
    service.next.push(503, 'reset');
    expect(await kek.unwrap(await kek.wrap(secret, 'subjects'), 'subjects')).toEqual(secret);
  });

  test('a service that never answers is given up in time', async () => {
    const kek = each.kek(service, true, 300);
    service.next.push('hang', 'hang', 'hang');
    await expect(kek.wrap(secret, 'subjects')).rejects.toThrow('no answer within 300 ms');
  });
});

test('CRC-32C (RFC 3720 B.4)', () => {
  expect(crc32c(Buffer.alloc(32)).toString(16)).toBe('8a9136aa');
  expect(crc32c(Buffer.alloc(32, 255)).toString(16)).toBe('62a8ab43');
});
