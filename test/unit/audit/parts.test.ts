import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PartialAnswer } from '../../../src/audit/entry.ts';
import type { FileLog } from '../../../src/audit/file-log.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { layout } from '../../../src/audit/layout.ts';
import { findRecords, openBodies, readRecords, type StoredRecord } from '../../../src/audit/read.ts';
import { openSubjectKeys, sealForSubjects } from '../../../src/audit/subject-keys.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { limits } from '../../../src/lib/limits.ts';
import { intentEntry, openTestLog, outcomeEntry, testKeys } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';
import { eventually } from '../../support/eventually.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-parts-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (): Promise<FileLog> => openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
const files = (): string[] => nodeFs.list(layout.parts(directory)).map((name) => join(layout.parts(directory), name));
const kept = (): number => files().reduce((sum, path) => sum + statSync(path).size, 0);

async function begin(log: Pick<FileLog, 'append' | 'partial'>, exchange: string, subject?: string) {
  const whose = subject === undefined ? {} : { subject };
  await log.append({ ...intentEntry(exchange), ...whose });
  return log.partial({ exchange, session: 'session-1', mediaType: 'text/event-stream', ...whose });
}

/** So much at once that it is written at once. */
async function addWritten(partial: PartialAnswer, text: string): Promise<string> {
  const before = kept();
  const long = text.padEnd(limits.answerPartBytesMax, '.');
  partial.add('output', Buffer.from(long));
  partial.add('output_released', Buffer.from(long.slice(0, -10)));
  await eventually('the part on disk', async () => (kept() > before ? true : undefined));
  return long;
}

/** Ends a log with its files of parts as they are at this moment. */
async function crash(log: FileLog): Promise<void> {
  const parts = files().map((path) => [path, readFileSync(path)] as const);
  await log.close();
  for (const [path, bytes] of parts) writeFileSync(path, bytes);
}

async function abortedOf(exchange: string): Promise<StoredRecord> {
  const record = (await findRecords(directory, exchange)).find(({ kind }) => kind === 'aborted');
  if (record === undefined) throw new Error('nothing was recorded as aborted');
  return record;
}

async function texts(record: StoredRecord): Promise<Record<string, string>> {
  const bodies = await openBodies(directory, record, testKeys());
  return Object.fromEntries(bodies.map(({ name, content }) => [name, content.toString()]));
}

describe('what an answer gave before its end', () => {
  test('is in the aborted record of the next start: both texts, their number, the session', async () => {
    const log = await open();
    const partial = await begin(log, 'x-1');
    const other = await begin(log, 'x-2');
    const first = await addWritten(partial, 'first');
    await addWritten(other, 'of the other');
    const second = await addWritten(partial, 'second');
    await crash(log);
    await (await open()).close();

    const record = await abortedOf('x-1');
    expect([record.session, record.facts['answer_parts'], record.facts['cause']]).toEqual([
      'session-1',
      2,
      'process_ended',
    ]);
    expect(await texts(record)).toEqual({
      output: first + second,
      output_released: first.slice(0, -10) + second.slice(0, -10),
    });
    expect(files()).toEqual([]);
    expect((await verifyLog({ directory })).problems).toEqual([]);
  });

  test('waits no longer than its time', async () => {
    const log = await open();
    const partial = await begin(log, 'x-1');
    partial.add('output', Buffer.from('a few words'));
    await eventually('the part on disk', async () => (kept() > 0 ? true : undefined), 10_000);
    expect(readFileSync(files()[0] ?? '').includes('a few words')).toBe(false);
    partial.end(false);
    await crash(log);
    await (await open()).close();
    expect(await texts(await abortedOf('x-1'))).toEqual({ output: 'a few words' });
  });

  test('goes when its outcome is durable, and leaves nothing', async () => {
    const log = await open();
    const partial = await begin(log, 'x-1');
    await addWritten(partial, 'all of it');
    await log.append(outcomeEntry('x-1'));
    partial.end(true);
    partial.add('output', Buffer.from('too late'));
    await log.close();
    expect(files()).toEqual([]);
    await (await open()).close();
    const kinds: string[] = [];
    for await (const { kind } of readRecords(directory)) kinds.push(kind);
    expect(kinds).toEqual(['open', 'intent', 'outcome', 'close', 'open', 'close']);
  });

  test('a torn last part is left out, whatever is torn off', async () => {
    const log = await open();
    const partial = await begin(log, 'x-1');
    const first = await addWritten(partial, 'first');
    const whole = kept();
    await addWritten(partial, 'second');
    await crash(log);
    const [path = ''] = files();
    truncateSync(path, whole + 1 + Math.floor((kept() - whole) / 2));
    await (await open()).close();
    const record = await abortedOf('x-1');
    expect([record.facts['answer_parts'], (await texts(record))['output']]).toEqual([1, first]);
  });

  test('a part that is missing between others is counted', async () => {
    const log = await open();
    const partial = await begin(log, 'x-1');
    const first = await addWritten(partial, 'first');
    const from = kept();
    await addWritten(partial, 'second');
    const to = kept();
    const third = await addWritten(partial, 'third');
    await crash(log);
    const [path = ''] = files();
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]));
    await (await open()).close();
    const record = await abortedOf('x-1');
    expect([record.facts['answer_parts'], record.facts['unreadable_parts']]).toEqual([3, 1]);
    expect((await texts(record))['output']).toBe(first + third);
  });

  test('is sealed for its subject, before and after: an erased one is not readable any more, and counted', async () => {
    const first = await open();
    const subjects = await openSubjectKeys({
      directory,
      keys: testKeys(),
      random: createPooledRandom(),
      cachedMax: 10,
    });
    const sealing = sealForSubjects(first, subjects);
    const partialOf = async (exchange: string, subject: string) => {
      await sealing.append({ ...intentEntry(exchange), subject });
      const partial = sealing.partial?.({ exchange, session: 's', mediaType: 'text/plain', subject });
      if (partial === undefined) throw new Error('nothing is kept');
      return partial;
    };
    const text = await addWritten(await partialOf('x-1', 'alice'), 'for alice');
    await addWritten(await partialOf('x-2', 'bob'), 'for bob');
    await crash(first);
    await subjects.destroy(subjects.find('bob') ?? '');
    await (await open()).close();

    const alices = await abortedOf('x-1');
    expect(alices.manifest['subject']).toBe(subjects.find('alice'));
    expect((await texts(alices))['output']).toBe(text);
    const bobs = await abortedOf('x-2');
    expect([bobs.facts['answer_parts'], bobs.facts['unreadable_parts'], bobs.bodies]).toEqual([1, 1, []]);
  });

  test('an answer whose key is not to be had takes no other with it', async () => {
    const log = await open();
    const failing = log.partial({
      exchange: 'x-1',
      session: 's',
      mediaType: 'text/plain',
      subjectKey: () => Promise.reject(new Error('no key')),
    });
    const text = Buffer.alloc(limits.answerPartBytesMax, 'a');
    failing.add('output', text);
    const other = await begin(log, 'x-2');
    // Both are due in one write.
    failing.add('output', text);
    other.add('output', text);
    await eventually('the part on disk', async () => (kept() > 0 ? true : undefined));
    failing.add('output', text);
    await addWritten(other, 'more of it');
    await crash(log);
    expect(readFileSync(files()[0] ?? '', 'latin1')).not.toContain('x-1');
  });

  test('files of other runs and noise do not keep a log from starting', async () => {
    await (await open()).close();
    await nodeFs.makeDirectory(layout.parts(directory));
    writeFileSync(join(layout.parts(directory), 'noise.parts'), createPooledRandom()(5_000));
    writeFileSync(join(layout.parts(directory), 'empty.parts'), '');
    await (await open()).close();
    expect(readdirSync(layout.parts(directory))).toEqual([]);
  });

  test('many answers at once, one of them for long: the files that nobody needs go', async () => {
    const log = await open();
    const long = await begin(log, 'long');
    await addWritten(long, 'long');
    for (let i = 0; i < 5; i++) {
      const partial = await begin(log, `x-${i}`);
      await addWritten(partial, 'short');
      await log.append(outcomeEntry(`x-${i}`));
      partial.end(true);
    }
    expect(files()).toHaveLength(1);
    await log.append(outcomeEntry('long'));
    long.end(true);
    await log.close();
    expect(files()).toEqual([]);
  });
});
