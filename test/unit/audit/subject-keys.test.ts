import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAgeWrap, openAge } from '../../../src/audit/age.ts';
import type { AuditLog } from '../../../src/audit/entry.ts';
import { type AuditKeys, createKeyRing, createLocalKek } from '../../../src/audit/keys.ts';
import { findRecords, openBodies } from '../../../src/audit/read.ts';
import { openSubjectKeys, type SubjectKeys, sealForSubjects } from '../../../src/audit/subject-keys.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { intentEntry, openTestLog, outcomeEntry, testKeys } from '../../support/audit.ts';

const random = createPooledRandom();
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-subjects-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(keys: AuditKeys = testKeys(), cachedMax = 10): Promise<SubjectKeys> {
  return openSubjectKeys({ directory, keys, random, cachedMax });
}

function ring(...kek: [number, ...number[]]): AuditKeys {
  const [first, ...others] = kek.map((byte) => createLocalKek(Buffer.alloc(32, byte), random));
  if (first === undefined) throw new Error('a ring has a key');
  return createKeyRing({ signingSeed: Buffer.alloc(32, 2), keks: [first, ...others], age: null });
}

describe('subject keys', () => {
  test('one a subject, made once, the same after a restart and when it fell out of memory', async () => {
    const first = await open();
    const [alice, again, bob] = await Promise.all([first.get('alice'), first.get('alice'), first.get('bob')]);
    expect(again).toEqual(alice);
    expect(bob.key).not.toEqual(alice.key);
    const second = await open(testKeys(), 1);
    expect([await second.get('alice'), await second.get('bob'), await second.get('alice')]).toEqual([
      alice,
      bob,
      alice,
    ]);
    expect(second.find('alice')).toBe(alice.id);
    expect(second.find('carol')).toBeNull();
  });

  test('a destroyed key is gone, and the next one is another', async () => {
    const keys = await open();
    const { id } = await keys.get('alice');
    await keys.destroy(id);
    expect(keys.find('alice')).toBeNull();
    const next = await keys.get('alice');
    expect(next.id).not.toBe(id);
    await keys.destroy(id);
    expect(keys.find('alice')).toBe(next.id);
  });

  test('the key-encryption key may be replaced while the one before is still named', async () => {
    const alice = await (await open(ring(1))).get('alice');
    await expect(open(ring(3))).rejects.toThrow('which is not configured');
    expect(await (await open(ring(3, 1))).get('alice')).toEqual(alice);
    // It was wrapped anew on the way.
    expect(await (await open(ring(3))).get('alice')).toEqual(alice);
  });

  test('a lost root key is no empty keystore', async () => {
    await (await open()).get('alice');
    rmSync(join(directory, 'subjects', 'key.json'));
    await expect(open()).rejects.toThrow('key.json is missing');
  });
});

describe('records of a subject', () => {
  async function record(keys: AuditKeys, use: (log: AuditLog, subjects: SubjectKeys) => Promise<void>): Promise<void> {
    const log = await openTestLog(directory, { keys });
    const subjects = await open(keys);
    await use(sealForSubjects(log, subjects), subjects);
    await log.close();
  }

  test('open with both keys, and with neither alone', async () => {
    await record(testKeys(), async (log, subjects) => {
      await log.append({ ...intentEntry('e-1'), subject: 'alice' });
      await log.append({ ...outcomeEntry('e-1'), subject: 'alice' });
      await log.append({ ...intentEntry('e-2'), subject: 'bob' });
      await subjects.destroy((await subjects.get('bob')).id);
    });
    const [alices] = await findRecords(directory, 'e-1');
    const [bobs] = await findRecords(directory, 'e-2');
    if (!alices || !bobs) throw new Error('not on record');
    const opened = await openBodies(directory, alices, testKeys());
    expect(opened.map(({ name, content }) => [name, content.toString()])).toEqual([
      ['caller', '{"id":"alice"}'],
      ['prompt_original', 'prompt of e-1'],
    ]);
    await expect(openBodies(directory, bobs, testKeys())).rejects.toThrow('of the data subject was destroyed');
    expect((await verifyLog({ directory })).records).toBeGreaterThan(3);
  });

  test('what earlier keys wrapped stays readable after the key-encryption key was replaced', async () => {
    await record(ring(1), async (log) => void (await log.append({ ...intentEntry('e-1'), subject: 'alice' })));
    await record(ring(3, 1), async (log) => void (await log.append({ ...intentEntry('e-2'), subject: 'alice' })));
    for (const id of ['e-1', 'e-2']) {
      const [stored] = await findRecords(directory, id);
      expect(stored && (await openBodies(directory, stored, ring(3, 1))).length).toBe(2);
    }
  });

  test('epoch and subject keys open with an age identity that the service never had', async () => {
    const identity = await generateX25519Identity();
    const other = await generateX25519Identity();
    const age = createAgeWrap([await identityToRecipient(identity), await identityToRecipient(other)]);
    const keks = [createLocalKek(Buffer.alloc(32, 1), random)] as const;
    const keys = createKeyRing({ signingSeed: Buffer.alloc(32, 2), keks, age });
    await record(keys, async (log) => void (await log.append({ ...intentEntry('e-1'), subject: 'alice' })));
    const name = readdirSync(join(directory, 'epochs')).find((file) => file.endsWith('.age')) ?? '';
    const file = readFileSync(join(directory, 'epochs', name));
    const decrypter = new Decrypter();
    decrypter.addIdentity(other);
    const key = Buffer.from(await decrypter.decrypt(file));
    expect(key).toEqual(await openAge(file, `# created: today\n${identity}\n`));
    const stranger = await generateX25519Identity();
    await expect(openAge(file, stranger)).rejects.toMatchObject({ code: 'key_unavailable' });

    const tool = process.env['COUNTERSIGN_AGE'];
    if (tool && existsSync(tool)) {
      const identityFile = join(directory, 'identity.txt');
      writeFileSync(identityFile, `${identity}\n`, { mode: 0o600 });
      expect(execFileSync(tool, ['-d', '-i', identityFile, join(directory, 'epochs', name)])).toEqual(key);
    }
  });

  test('a recipient that is none is told at start', () => {
    expect(() => createAgeWrap(['age1nonsense'])).toThrow('age1nonsense is no age recipient');
  });
});
