import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAgeWrap, openAge } from '../../../src/audit/age.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { openSubjectKeys, type SubjectKeys, sealForSubjects } from '../../../src/audit/subject-keys.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { checkTexts, type TextKeys } from '../../../src/audit/verify-texts.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry, testKeys } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-texts-'));
const whole = join(root, 'log');
const work = join(root, 'work');
let identity = '';
let subjects: SubjectKeys;

const byKek: TextKeys = { kind: 'kek', unwrap: (wrapped, name, kek) => testKeys().unwrap(wrapped, name, kek) };
const byAge = (lines: string): TextKeys => ({ kind: 'age', open: (file) => openAge(file, lines) });
const nothing = { opened: 0, destroyed: 0, locked: 0, reasons: [], problems: [] };

beforeAll(async () => {
  identity = await generateX25519Identity();
  const keys = { ...testKeys(), age: createAgeWrap([await identityToRecipient(identity)]) };
  const log = await openTestLog(whole, { startWriter: inlineWriter(nodeFs), keys });
  subjects = await openSubjectKeys({ directory: whole, keys, random: createPooledRandom(), cachedMax: 10 });
  const sealed = sealForSubjects(log, subjects);
  await sealed.append({ ...intentEntry('x-1'), subject: 'alice' });
  await sealed.append({ ...outcomeEntry('x-1'), subject: 'alice' });
  await sealed.append({ ...intentEntry('x-2'), subject: 'bob' });
  await sealed.append(outcomeEntry('x-2'));
  await log.append(bareEntry('config'));
  await log.close();
});
beforeEach(() => {
  rmSync(work, { recursive: true, force: true });
  cpSync(whole, work, { recursive: true });
});
afterAll(() => rmSync(root, { recursive: true }));

function segment(): string {
  const [name = ''] = readdirSync(join(work, 'segments'));
  return join(work, 'segments', name);
}

describe('the plaintext of a log', () => {
  test.each(['kek', 'age'])('is what was committed to, opened by the %s', async (kind) => {
    const keys = kind === 'kek' ? byKek : byAge(`# of an auditor\n${identity}\n`);
    expect(await checkTexts(work, keys)).toEqual({ ...nothing, opened: 4 });
  });

  test('that does not open, or to something else, is told: every tenth byte of what is sealed, and the commitment', async () => {
    const bytes = readFileSync(segment());
    const sealedAt = bytes.indexOf('"seq":"1"');
    const start = bytes.indexOf('}', bytes.indexOf('"v":1', sealedAt)) + 5;
    const length = bytes.readUInt32LE(start - 4);
    expect(length).toBeGreaterThan(150);
    for (let at = start; at < start + length; at += 10) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(segment(), changed);
      expect(await checkTexts(work, byKek)).toEqual({
        ...nothing,
        opened: 3,
        problems: [
          { check: 'bodies', place: 'record 1', what: 'its sealed bytes do not open with the key that it names' },
        ],
      });
    }
    const commitment = bytes.indexOf('"pt":"', sealedAt) > 0 ? bytes.indexOf('"pt":"') + 6 : 0;
    const changed = Buffer.from(bytes);
    changed[commitment] = changed[commitment] === 0x41 ? 0x42 : 0x41;
    writeFileSync(segment(), changed);
    const { problems } = await checkTexts(work, byKek);
    expect(problems).toEqual([{ check: 'bodies', place: 'record 1', what: '"caller" is not what was recorded' }]);
  });

  test('whose key was destroyed is counted apart from a key that does not fit', async () => {
    const erased = readdirSync(join(work, 'subjects'), { recursive: true, encoding: 'utf8' }).find(
      (name) => name.includes(subjects.find('bob')?.split('-')[1] ?? '-') && name.endsWith('.json'),
    );
    rmSync(join(work, 'subjects', erased ?? 'none'));
    expect(await checkTexts(work, byKek)).toEqual({ ...nothing, opened: 3, destroyed: 1 });
    const stranger = await checkTexts(work, byAge(await generateX25519Identity()));
    expect(stranger).toEqual({
      ...nothing,
      locked: 4,
      reasons: ['the age identity does not open this key'],
    });
    // What is missing without a record is told below this level.
    expect((await verifyLog({ directory: work })).problems).toMatchObject([{ check: 'bodies' }]);
  });

  test('of a log without recipients says so to who comes with an identity', async () => {
    for (const name of readdirSync(join(work, 'epochs')).filter((each) => each.endsWith('.age')))
      rmSync(join(work, 'epochs', name));
    expect(await checkTexts(work, byAge(identity))).toMatchObject({
      locked: 4,
      reasons: [expect.stringMatching(/^e-\S+ was not sealed for age identities$/)],
    });
  });
});
