import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRecords, openBodies } from '../../../src/audit/read.ts';
import { openSubjectKeys, sealForSubjects } from '../../../src/audit/subject-keys.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { intentEntry, openTestLog, testKeys } from '../../support/audit.ts';

// A log as it was written before there were subject keys. It MUST stay readable for ever: never make it anew.
const shipped = new URL('../../cases/audit/log-v1.tar.gz', import.meta.url).pathname;
let scratch = '';
let directory = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'audit-earlier-'));
  execFileSync('tar', ['-xzf', shipped, '-C', scratch]);
  directory = join(scratch, 'log');
});
afterAll(() => rmSync(scratch, { recursive: true }));

describe('a log from before', () => {
  test('is sound, and its texts open', async () => {
    const report = await verifyLog({ directory });
    expect({ problems: report.problems, records: report.records, overdue: report.overdue }).toEqual({
      problems: [],
      records: 5,
      overdue: [],
    });
    const [intent, outcome] = await findRecords(directory, 'e-1');
    if (!intent || !outcome) throw new Error('not on record');
    const texts = [
      ...(await openBodies(directory, intent, testKeys())),
      ...(await openBodies(directory, outcome, testKeys())),
    ];
    expect(texts.map(({ name, content }) => [name, content.toString()])).toEqual([
      ['caller', '{"id":"alice"}'],
      ['prompt_original', 'prompt of e-1'],
      ['output', 'answer to e-1'],
    ]);
  });

  test('goes on, with subject keys from here on', async () => {
    const log = await openTestLog(directory);
    const subjects = await openSubjectKeys({
      directory,
      keys: testKeys(),
      random: createPooledRandom(),
      cachedMax: 10,
    });
    await sealForSubjects(log, subjects).append({ ...intentEntry('e-3'), subject: 'alice' });
    await log.close();
    const [intent] = await findRecords(directory, 'e-3');
    expect(intent && (await openBodies(directory, intent, testKeys()))).toHaveLength(2);
    expect((await verifyLog({ directory })).problems).toEqual([]);
  });
});
