import { createPublicKey, sign, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAuditKeys, keysFromEnvironment, keysFromFile, rawPublicKey } from '../../../src/audit/keys.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';

const random = createPooledRandom();
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-keys-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('audit keys', () => {
  test('a missing file is created for nobody else to read, and read the next time', async () => {
    const path = join(directory, 'sub', 'audit.key');
    const created = keysFromFile(path, true, random);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const again = keysFromFile(path, false, random);
    expect(again.kekId).toBe(created.kekId);
    expect(rawPublicKey(again.signingKey)).toEqual(rawPublicKey(created.signingKey));
    const wrapped = await created.wrap(Buffer.alloc(32, 4), '2026-11-21T19');
    expect(await again.unwrap(wrapped, '2026-11-21T19')).toEqual(Buffer.alloc(32, 4));
    await expect(again.unwrap(wrapped, '2026-11-21T20')).rejects.toThrow(
      `the audit key ${again.kekId} does not open the epoch of 2026-11-21T20`,
    );
  });

  test('the signing key is the Ed25519 key of its seed (RFC 8032 section 7.1, test 1)', () => {
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
    const { signingKey } = createAuditKeys({ kek: Buffer.alloc(32), signingSeed: seed }, random);
    expect(rawPublicKey(signingKey).toString('hex')).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
    const signature = sign(null, Buffer.alloc(0), signingKey);
    expect(signature.toString('hex', 0, 8)).toBe('e5564300c360ac72');
    expect(verify(null, Buffer.alloc(0), createPublicKey(signingKey), signature)).toBe(true);
  });

  const base64 = Buffer.alloc(32, 7).toString('base64');
  test('from the environment', () => {
    const keys = keysFromEnvironment({ COUNTERSIGN_AUDIT_KEK: base64, COUNTERSIGN_AUDIT_SIGNING_KEY: base64 }, random);
    expect(keys.kekId).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each([
    { name: 'kek unset', given: {}, want: 'COUNTERSIGN_AUDIT_KEK is not set' },
    {
      name: 'signing key unset',
      given: { COUNTERSIGN_AUDIT_KEK: base64 },
      want: 'COUNTERSIGN_AUDIT_SIGNING_KEY is not set',
    },
    {
      name: 'short',
      given: { COUNTERSIGN_AUDIT_KEK: 'AAAA' },
      want: 'COUNTERSIGN_AUDIT_KEK must be base64 of 32 bytes',
    },
  ])('environment: $name', ({ given, want }) => {
    expect(() => keysFromEnvironment(given, random)).toThrow(want);
  });

  test.each([
    {
      name: 'missing',
      content: null,
      want: 'does not exist: put one there, or allow it to be created for development',
    },
    { name: 'no JSON', content: '{', want: 'is not JSON' },
    { name: 'no kek', content: `{"signing":"${base64}"}`, want: 'has no "kek"' },
    { name: 'no signing key', content: `{"kek":"${base64}"}`, want: 'has no "signing"' },
    { name: 'short kek', content: '{"kek":"AAAA","signing":"AAAA"}', want: '"kek" in' },
  ])('file: $name', ({ content, want }) => {
    const path = join(directory, 'audit.key');
    if (content !== null) writeFileSync(path, content);
    expect(() => keysFromFile(path, false, random)).toThrow(want);
  });

  test('a file that cannot be created says so', () => {
    const path = join(directory, 'plain', 'audit.key');
    writeFileSync(join(directory, 'plain'), '');
    expect(() => keysFromFile(path, true, random)).toThrow('cannot be');
    expect(() => readFileSync(path)).toThrow();
  });
});
