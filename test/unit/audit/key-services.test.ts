import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAwsKmsKek } from '../../../src/audit/aws-kms-kek.ts';
import { crc32c, createGcpKmsKek } from '../../../src/audit/gcp-kms-kek.ts';
import type { Kek } from '../../../src/audit/keys.ts';
import type { TlsClient } from '../../../src/audit/tls-client.ts';
import { createVaultKek } from '../../../src/audit/vault-kek.ts';
import { createAuthority } from '../../support/certificates.ts';
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
        tls: null,
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
      return createAwsKmsKek({ keyId: 'alias/audit', region: 'eu-central-1', endpoint: url, tls: null, timeoutMs });
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

describe('a key service with certificates of a company', () => {
  const company = createAuthority('a company');
  const ours = company.issue('countersign');
  const stranger = createAuthority('another company');
  const server = { ...company.issue('keys'), ca: company.cert, requestCert: true, rejectUnauthorized: true };
  const whole: TlsClient = { ca: company.cert, cert: ours.cert, key: ours.key, serverName: null };
  const services = {
    'Vault transit': {
      start: () => startVault(() => 'vault-token', server),
      kek: (address: string, tls: TlsClient | null) =>
        createVaultKek({
          ...{ address, tls, mount: 'transit', key: 'audit', namespace: null, timeoutMs: 10_000 },
          token: () => 'vault-token',
        }),
    },
    'AWS KMS': {
      start: () => startAwsKms(awsSecret, 'alias/audit', server),
      kek: (endpoint: string, tls: TlsClient | null) => {
        vi.stubEnv('AWS_ACCESS_KEY_ID', awsSecret.id);
        vi.stubEnv('AWS_SECRET_ACCESS_KEY', awsSecret.key);
        return createAwsKmsKek({ keyId: 'alias/audit', region: 'eu-central-1', endpoint, tls, timeoutMs: 10_000 });
      },
    },
  };
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.each(Object.entries(services))(
    '%s is asked by who trusts it and shows a certificate, alone',
    async (_, each) => {
      const service = await each.start();
      try {
        for (const tls of [whole, { ...whole, serverName: 'localhost' }]) {
          const kek = each.kek(service.url, tls);
          expect(await kek.unwrap(await kek.wrap(secret, 'subjects'), 'subjects')).toEqual(secret);
        }
        const taken = service.requests.length;
        const wrong: readonly (readonly [TlsClient | null, RegExp])[] = [
          [null, /unable to verify|self-signed/],
          [{ ...whole, ca: stranger.cert }, /unable to verify|self-signed/],
          [{ ...whole, serverName: 'keys.example.com' }, /altnames/],
          [{ ...whole, cert: null, key: null }, /SSL|ECONNRESET|EPIPE|hang up/],
        ];
        for (const [tls, reason] of wrong) {
          const refused = each.kek(service.url, tls).wrap(secret, 'subjects');
          await expect(refused).rejects.toMatchObject({
            code: 'key_unavailable',
            message: expect.stringMatching(reason),
          });
        }
        expect(service.requests).toHaveLength(taken);
      } finally {
        await service.close();
      }
    },
  );
});

test('CRC-32C (RFC 3720 B.4)', () => {
  expect(crc32c(Buffer.alloc(32)).toString(16)).toBe('8a9136aa');
  expect(crc32c(Buffer.alloc(32, 255)).toString(16)).toBe('62a8ab43');
});
