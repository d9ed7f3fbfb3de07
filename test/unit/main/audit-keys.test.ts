import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openAge } from '../../../src/audit/age.ts';
import { createSecret } from '../../../src/config/secret.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { openAuditKeys } from '../../../src/main/audit-keys.ts';
import { type KeyServiceStandIn, startVault } from '../../support/key-services.ts';

const random = createPooledRandom();
const secret = Buffer.alloc(32, 9);
let directory = '';
let token = 'first-token';
let vault: KeyServiceStandIn;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'audit-keys-'));
  vault = await startVault(() => token);
});
afterEach(async () => {
  await vault.close();
  rmSync(directory, { recursive: true });
});

function keyFile(name: string, keys: Readonly<Record<string, number>>): string {
  const path = join(directory, name);
  const entries = Object.entries(keys).map(([key, byte]) => [key, Buffer.alloc(32, byte).toString('base64')]);
  writeFileSync(path, JSON.stringify(Object.fromEntries(entries)));
  return path;
}

type Config = Parameters<typeof openAuditKeys>[0];

function config(given: Partial<Config>): Config {
  const nothing = { keyFile: null, createKeyFile: false, kek: null, previousKeyFiles: [], ageRecipients: [] };
  return { ...nothing, ...given };
}

function inVault(tokenFrom: { readonly file: string } | { readonly value: string }): Config['kek'] {
  return {
    kind: 'vault',
    address: vault.url,
    mount: 'transit',
    key: 'audit',
    namespace: null,
    token: 'file' in tokenFrom ? tokenFrom : { value: createSecret(tokenFrom.value) },
    tls: null,
    timeoutMs: 5_000,
  };
}

describe('the keys that configuration names', () => {
  test('a file that was replaced goes on reading; one that nobody names does not', async () => {
    const old = keyFile('old.json', { kek: 1, signing: 2 });
    const current = keyFile('new.json', { kek: 3, signing: 2 });
    const before = await openAuditKeys(config({ keyFile: old }), {}, random);
    const wrapped = await before.wrap(secret, '2026-11-21T19');
    const after = await openAuditKeys(config({ keyFile: current, previousKeyFiles: [old] }), {}, random);
    expect(await after.unwrap(wrapped, '2026-11-21T19', before.kekId)).toEqual(secret);
    expect(after.kekId).not.toBe(before.kekId);
    const without = await openAuditKeys(config({ keyFile: current }), {}, random);
    await expect(without.unwrap(wrapped, '2026-11-21T19', before.kekId)).rejects.toThrow('which is not configured');
  });

  test('from a file to a service: both read, the service wraps', async () => {
    const file = keyFile('audit.json', { kek: 1, signing: 2 });
    const before = await openAuditKeys(config({ keyFile: file }), {}, random);
    const wrapped = await before.wrap(secret, 'subjects');
    const after = await openAuditKeys(config({ keyFile: file, kek: inVault({ value: token }) }), {}, random);
    expect(after.kekId).toBe('vault:transit/audit');
    expect(await after.unwrap(wrapped, 'subjects', before.kekId)).toEqual(secret);
    expect(await after.unwrap(await after.wrap(secret, 'subjects'), 'subjects', after.kekId)).toEqual(secret);
  });

  test('a token file is read before every call', async () => {
    const path = join(directory, 'token');
    writeFileSync(path, `${token}\n`);
    const signing = { COUNTERSIGN_AUDIT_SIGNING_KEY: Buffer.alloc(32, 2).toString('base64') };
    const keys = await openAuditKeys(config({ kek: inVault({ file: path }) }), signing, random);
    const wrapped = await keys.wrap(secret, 'subjects');
    token = 'renewed-token';
    await expect(keys.unwrap(wrapped, 'subjects')).rejects.toThrow('permission denied');
    writeFileSync(path, token);
    expect(await keys.unwrap(wrapped, 'subjects')).toEqual(secret);
    token = 'first-token';
  });

  test('auditors by age recipient', async () => {
    const identity = await generateX25519Identity();
    const keys = await openAuditKeys(
      config({
        keyFile: keyFile('a.json', { kek: 1, signing: 2 }),
        ageRecipients: [await identityToRecipient(identity)],
      }),
      {},
      random,
    );
    const file = await keys.age?.(secret);
    expect(await openAge(file ?? Buffer.alloc(0), identity)).toEqual(secret);
  });

  test('no key-encryption key anywhere is told at start', async () => {
    const keyless = config({ keyFile: keyFile('signing.json', { signing: 2 }) });
    await expect(openAuditKeys(keyless, {}, random)).rejects.toThrow('there is no key-encryption key: put "kek" into');
  });
});
