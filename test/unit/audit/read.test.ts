import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { createAuditKeys } from '../../../src/audit/keys.ts';
import { findRecords, lastRecords, openBodies, readRecords, type StoredRecord } from '../../../src/audit/read.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry, testKeys } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-read-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A log of 12 records over several segments. */
async function writeLog(): Promise<void> {
  const log = await openTestLog(directory, {
    startWriter: inlineWriter(nodeFs),
    limits: { segmentBytesMax: 3_000 },
  });
  for (let i = 0; i < 5; i++) {
    await log.append(intentEntry(`x-${i}`));
    await log.append(outcomeEntry(`x-${i}`));
  }
  await log.close();
}

async function sequences(records: AsyncIterable<StoredRecord>): Promise<number[]> {
  const found: number[] = [];
  for await (const { sequence } of records) found.push(sequence);
  return found;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('reading', () => {
  test.each([
    { name: 'everything', from: undefined, want: range(0, 12) },
    { name: 'from the middle of a segment', from: 4, want: range(4, 12) },
    { name: 'from beyond the end', from: 99, want: [] },
  ])('$name', async ({ from, want }) => {
    await writeLog();
    expect(readdirSync(join(directory, 'segments')).length).toBeGreaterThan(3);
    expect(await sequences(readRecords(directory, from === undefined ? {} : { from }))).toEqual(want);
  });

  test.each([
    { count: 1, want: [11] },
    { count: 7, want: range(5, 12) },
    { count: 100, want: range(0, 12) },
  ])('the last $count', async ({ count, want }) => {
    await writeLog();
    expect((await lastRecords(directory, count)).map(({ sequence }) => sequence)).toEqual(want);
  });

  test('by exchange, session and id', async () => {
    await writeLog();
    const byExchange = await findRecords(directory, 'x-3');
    expect(byExchange.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      ['intent', 7],
      ['outcome', 8],
    ]);
    expect(await findRecords(directory, byExchange[0]?.id ?? '')).toEqual(byExchange.slice(0, 1));
    expect(await findRecords(directory, 'session-1')).toHaveLength(10);
    expect(await findRecords(directory, 'nobody')).toEqual([]);
  });

  test('nothing where no log is', async () => {
    expect(await sequences(readRecords(join(directory, 'none')))).toEqual([]);
    expect(await lastRecords(join(directory, 'none'), 3)).toEqual([]);
  });

  test('following sees what is written meanwhile, over segments and restarts, until it is told to stop', async () => {
    const options = { startWriter: inlineWriter(nodeFs), limits: { segmentBytesMax: 1_500 } };
    const stop = new AbortController();
    const reading = readRecords(directory, { follow: true, from: 1, signal: stop.signal, pollMs: 1 });
    let log = await openTestLog(directory, options);
    const seen: number[] = [];
    for (let i = 1; i < 9; i++) {
      if (i === 5) {
        await log.close();
        log = await openTestLog(directory, options);
      } else if (i !== 6) {
        await log.append(bareEntry('policy'));
      }
      // 5 and 6 are the close and the open.
      const next = await reading.next();
      if (!next.done) seen.push(next.value.sequence);
    }
    await log.close();
    stop.abort();
    for await (const { sequence } of reading) seen.push(sequence);
    expect(seen).toEqual(range(1, seen.length + 1));
    expect(seen.length).toBeGreaterThanOrEqual(8);
  });

  test('ends before a frame that is not whole', async () => {
    await writeLog();
    const [first = ''] = readdirSync(join(directory, 'segments'));
    const path = join(directory, 'segments', first);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    expect((await sequences(readRecords(directory))).slice(0, 1)).toEqual([0]);
    expect(await findRecords(directory, 'x-4')).toHaveLength(2);
  });
});

describe('opening', () => {
  async function stored(): Promise<StoredRecord> {
    await writeLog();
    const [record] = await findRecords(directory, 'x-0');
    if (record === undefined) throw new Error('the record is there');
    return record;
  }

  test('gives each body with the salt of its commitment', async () => {
    const opened = await openBodies(directory, await stored(), testKeys());
    expect(opened.map(({ name, mediaType, content, salt }) => [name, mediaType, String(content), salt.length])).toEqual(
      [
        ['caller', 'application/json', '{"id":"alice"}', 32],
        ['prompt_original', 'application/json', 'prompt of x-0', 32],
      ],
    );
  });

  test('a record without bodies has nothing to open', async () => {
    await writeLog();
    const [record] = await lastRecords(directory, 1);
    expect(record && (await openBodies(directory, record, testKeys()))).toEqual([]);
  });

  const other = createAuditKeys({ kek: Buffer.alloc(32, 8), signingSeed: Buffer.alloc(32, 2) }, createPooledRandom());
  test.each([
    { name: 'another key', keys: other, act: () => undefined, want: 'which is not configured' },
    {
      name: 'the epoch key was destroyed',
      keys: testKeys(),
      act: () => rmSync(join(directory, 'epochs'), { recursive: true }),
      want: 'does not exist: the key was destroyed, or lies elsewhere',
    },
    {
      name: 'the epoch key is damaged',
      keys: testKeys(),
      act: () => {
        const [name = ''] = readdirSync(join(directory, 'epochs'));
        writeFileSync(join(directory, 'epochs', name), '{}');
      },
      want: 'is damaged',
    },
  ])('refuses: $name', async ({ keys, act, want }) => {
    const record = await stored();
    act();
    await expect(openBodies(directory, record, keys)).rejects.toMatchObject({
      code: 'key_unavailable',
      message: expect.stringContaining(want),
    });
  });

  test.each<{ name: string; forge: (record: StoredRecord) => StoredRecord; want: string }>([
    {
      name: 'sealed bytes of another record',
      forge: (record) => ({ ...record, id: 'other' }),
      want: 'record other cannot be opened: the key does not fit',
    },
    {
      name: 'a manifest that commits to something else',
      forge: (record) => ({ ...record, manifest: { ...record.manifest, bodies: {} } }),
      want: '"caller" is not what was recorded',
    },
    {
      name: 'a manifest that names no epoch',
      forge: (record) => ({ ...record, manifest: {} }),
      want: 'it names no epoch',
    },
  ])('refuses: $name', async ({ forge, want }) => {
    await expect(openBodies(directory, forge(await stored()), testKeys())).rejects.toThrow(want);
  });
});
