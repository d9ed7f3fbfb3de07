import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileLog } from '../../../src/audit/file-log.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { rawPublicKey } from '../../../src/audit/keys.ts';
import { findInLogs, lastOfLogs, logsIn, readLogs } from '../../../src/audit/logs.ts';
import { verifierKey } from '../../../src/audit/note.ts';
import { openBodies, type StoredRecord } from '../../../src/audit/read.ts';
import {
  baseOrigin,
  homeOf,
  isShardOver,
  placeOf,
  type ShardRule,
  sequenceOfPlace,
  shardAt,
  shardOfPlace,
} from '../../../src/audit/shards.ts';
import { type FolderReport, verifyShards } from '../../../src/audit/verify-shards.ts';
import { limits } from '../../../src/lib/limits.ts';
import { intentEntry, openTestLog, outcomeEntry, testKeys, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';

let directory: string;
let clock: ManualClock;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-shards-'));
  clock = createManualClock(Date.UTC(2026, 10, 30, 23, 50));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const monthly: ShardRule = { byMonth: true, recordsMax: null };
const dayMs = 86_400_000;

function open(shard = monthly): Promise<FileLog> {
  return openTestLog(directory, { clock, shard, startWriter: inlineWriter(nodeFs) });
}

async function exchange(log: FileLog, id: string): Promise<void> {
  await log.append(intentEntry(id));
  await log.append(outcomeEntry(id));
}

async function verify(): Promise<FolderReport[]> {
  return verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
}

function problemsOf(reports: readonly FolderReport[]): readonly string[] {
  return reports.flatMap(({ origin, problems }) => problems.map(({ what }) => `${origin}: ${what}`));
}

async function all(): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const record of readLogs(await logsIn(directory))) records.push(record);
  return records;
}

function names(): string[] {
  return readdirSync(join(directory, 'shards'));
}

describe('a log in shards', () => {
  test('goes on in a new one with each month, linked in both directions, and is read and verified as one', async () => {
    const log = await open();
    await exchange(log, 'x-1');
    await log.append(intentEntry('x-2'));
    clock.advance(dayMs);
    await log.append(outcomeEntry('x-2'));
    await exchange(log, 'x-3');
    await log.close();

    expect(names()).toEqual(['000001-2026-11', '000002-2026-12']);
    const records = await all();
    expect(records.map(({ kind, exchange: id }) => `${kind} ${id}`.trim())).toEqual([
      'open',
      'intent x-1',
      'outcome x-1',
      'intent x-2',
      'close',
      'open',
      'outcome x-2',
      'intent x-3',
      'outcome x-3',
      'close',
    ]);
    const [first, second] = await verify();
    expect(problemsOf([first, second].filter((report) => report !== undefined))).toEqual([]);
    expect([first?.origin, second?.origin]).toEqual([`${testOrigin}/000001-2026-11`, `${testOrigin}/000002-2026-12`]);
    expect(records[4]?.facts).toEqual({ next: second?.origin });
    expect(records[5]?.facts['previous']).toEqual({
      log: first?.origin,
      checkpoint: readFileSync(join(directory, 'shards/000001-2026-11/checkpoint'), 'utf8'),
    });
    expect(first?.checkpointed).toBe(5);
    for (const record of records) await openBodies(record.folder, record, testKeys());
    expect((await findInLogs(await logsIn(directory), 'x-2')).map(({ kind }) => kind)).toEqual(['intent', 'outcome']);
    expect((await lastOfLogs(await logsIn(directory), 6)).map(({ kind }) => kind)).toEqual([
      'close',
      'open',
      'outcome',
      'intent',
      'outcome',
      'close',
    ]);
  });

  test('what waits while it goes on is put on record in order, and nothing twice', async () => {
    const log = await open({ byMonth: false, recordsMax: 10 });
    for (let round = 0; round < 8; round += 1) {
      await Promise.all(Array.from({ length: 10 }, (_, i) => exchange(log, `x-${round}-${i}`)));
    }
    await log.close();
    const records = await all();
    const intents = records.filter(({ kind }) => kind === 'intent').map(({ exchange: id }) => id);
    expect(names().length).toBeGreaterThan(3);
    expect(new Set(intents).size).toBe(80);
    expect(intents.length).toBe(80);
    expect(problemsOf(await verify())).toEqual([]);
  });

  test('after a crash the next start goes on, and what was left open is aborted in the shard of then', async () => {
    const log = await open();
    await log.append(intentEntry('x-1'));
    await log.close();
    clock.advance(dayMs);
    const again = await open();
    await again.close();
    const records = await all();
    expect(records.map(({ kind }) => kind)).toEqual(['open', 'intent', 'close', 'close', 'open', 'aborted', 'close']);
    expect(records[5]).toMatchObject({ exchange: 'x-1', facts: { cause: 'process_ended' } });
    expect(names()).toEqual(['000001-2026-11', '000002-2026-12']);
    const reports = await verify();
    expect(problemsOf(reports)).toEqual([]);
    expect(reports.map(({ openIntents }) => openIntents)).toEqual([1, 0]);
  });

  test('a clock that jumps over the end of a month and back makes shards in order, a small step back none', async () => {
    const log = await open();
    const steps = [60 * dayMs, -60 * dayMs, 600_000 + 60_000, -120_000, 0];
    await exchange(log, 'x-0');
    for (const [i, ms] of steps.entries()) {
      clock.step(ms);
      await exchange(log, `x-${i + 1}`);
    }
    await log.close();
    expect(names()).toEqual(['000001-2026-11', '000002-2027-01', '000003-2026-11', '000004-2026-12']);
    const records = await all();
    const outcomes = records.filter(({ kind }) => kind === 'outcome').map(({ exchange: id }) => id);
    expect(outcomes).toEqual(['x-0', 'x-1', 'x-2', 'x-3', 'x-4', 'x-5']);
    expect(problemsOf(await verify())).toEqual([]);
  });

  test('a log that had none ends, and the first shard names it', async () => {
    const before = await open({ byMonth: false, recordsMax: null });
    await exchange(before, 'x-1');
    await before.close();
    const log = await open();
    await exchange(log, 'x-2');
    await log.close();
    const reports = await verify();
    expect(problemsOf(reports)).toEqual([]);
    expect(reports.map(({ origin }) => origin)).toEqual([testOrigin, `${testOrigin}/000001-2026-11`]);
    for (const record of await all()) await openBodies(record.folder, record, testKeys());
  });

  test('stays in its last shard when shards are switched off', async () => {
    await (await open()).close();
    clock.advance(40 * dayMs);
    await (await open({ byMonth: false, recordsMax: null })).close();
    expect(names()).toEqual(['000001-2026-11']);
  });

  test('the key of the log is good for its shards, that of another log is not', async () => {
    const log = await open();
    await exchange(log, 'x-1');
    await log.close();
    const folders = await logsIn(directory);
    const raw = rawPublicKey(testKeys().signingKey);
    const told = async (name: string): Promise<readonly string[]> =>
      problemsOf(await verifyShards({ folders, optionsOf: () => ({ verifierKey: verifierKey(name, raw) }) }));
    expect(await told(testOrigin)).toEqual([]);
    expect(await told(`${testOrigin}/000001-2026-11`)).toEqual([]);
    expect((await told('audit.example.com/test/gw-1')).length).toBeGreaterThan(0);
    expect(await told(`${testOrigin}/000002-2026-12`)).toEqual([]);
    expect((await told('audit.example.com/test/gw-1/000001-2026-11')).length).toBeGreaterThan(0);
  });
});

describe('a shard that is gone', () => {
  beforeEach(async () => {
    const log = await open();
    for (let month = 0; month < 3; month += 1) {
      await exchange(log, `x-${month}`);
      clock.advance(31 * dayMs);
    }
    await log.close();
  });

  test.each([
    [
      'the first',
      0,
      ['000002-2026-12: audit.example.com/test/gw-0/000001-2026-11, which came before it, is not there'],
    ],
    [
      'one between',
      1,
      [
        '000001-2026-11: audit.example.com/test/gw-0/000002-2026-12, which follows it, is not there',
        '000003-2027-01: audit.example.com/test/gw-0/000002-2026-12, which came before it, is not there',
        '000003-2027-01: outcome',
      ],
    ],
    ['the last', 2, ['000002-2026-12: audit.example.com/test/gw-0/000003-2027-01, which follows it, is not there']],
  ])('%s is noticed, unless it is said to lie elsewhere', async (_, index, expected) => {
    const name = names()[index] ?? '';
    renameSync(join(directory, 'shards', name), join(directory, 'away'));
    rmSync(join(directory, 'away'), { recursive: true });
    const told = problemsOf(await verify());
    expect(told).toEqual(expected.filter((line) => !line.endsWith('outcome')).map((line) => `${testOrigin}/${line}`));
    const elsewhere = new Set([`${testOrigin}/${name}`]);
    const folders = await logsIn(directory);
    expect(problemsOf(await verifyShards({ folders, elsewhere, optionsOf: () => ({}) }))).toEqual([]);
  });

  test('the last one keeps the writer from starting', async () => {
    rmSync(join(directory, 'shards', '000003-2027-01'), { recursive: true });
    await expect(open()).rejects.toThrow(/000003-2027-01, which follows .*, is not there/);
  });

  test('so is one that ends otherwise than the next one says', async () => {
    const [first = '', second = ''] = names();
    const [from, to] = [first, second].map((name) => join(directory, 'shards', name, 'checkpoint'));
    expect(readFileSync(from ?? '', 'utf8')).not.toBe(readFileSync(to ?? '', 'utf8'));
    const shorter = readFileSync(join(directory, 'shards', first, 'checkpoint'), 'utf8').split('\n');
    writeFileSync(join(directory, 'shards', first, 'checkpoint'), shorter.with(1, '3').join('\n'));
    expect(problemsOf(await verify()).some((what) => what.includes('its signature does not verify'))).toBe(true);
  });
});

test('names and places', () => {
  expect(homeOf('/a/shards/000012-2026-11')).toBe('/a');
  expect(homeOf('/a/shards')).toBe('/a/shards');
  expect(homeOf('/a/000012-2026-11')).toBe('/a/000012-2026-11');
  expect(baseOrigin('audit.example.com/gw/000012-2026-11')).toBe('audit.example.com/gw');
  expect(baseOrigin('audit.example.com/gw')).toBe('audit.example.com/gw');
  const place = placeOf(limits.auditShardsMax, 999_999_999_999);
  expect([Number.isSafeInteger(place), shardOfPlace(place), sequenceOfPlace(place)]).toEqual([
    true,
    limits.auditShardsMax,
    999_999_999_999,
  ]);
  expect(placeOf(0, 17)).toBe(17);
});

test('there are only so many shards: the log stays in the last one', () => {
  const rule = { byMonth: true, recordsMax: 5 };
  const at = (number: number) => shardAt('/a', `${String(number).padStart(6, '0')}-2026-11`);
  expect(isShardOver(at(1), rule, 5, Date.UTC(2027, 0, 1))).toBe(true);
  expect(isShardOver(at(limits.auditShardsMax), rule, 5, Date.UTC(2027, 0, 1))).toBe(false);
});
