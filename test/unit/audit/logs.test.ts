import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { findInLogs, followLogs, lastOfLogs, logsIn, readLogs } from '../../../src/audit/logs.ts';
import type { StoredRecord } from '../../../src/audit/read.ts';
import { reportPeriod } from '../../../src/audit/report.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { limits } from '../../../src/lib/limits.ts';
import { intentEntry, openTestLog, outcomeEntry } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-logs-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** One clock for all writers: each reading of it is a millisecond later. */
function ticking(startMs = 1_800_000_000_000): Clock {
  let nowMs = startMs;
  return {
    ...systemClock,
    nowMs: () => nowMs,
    nowNs: () => {
      nowMs += 1;
      return BigInt(nowMs) * 1_000_000n;
    },
  };
}

function open(name: string, clock: Clock) {
  const origin = `audit.example.com/test/gw-0/${name}`;
  return openTestLog(join(directory, name), { origin, clock, startWriter: inlineWriter(nodeFs) });
}

test('what cannot be read is not passed over as if it held no log', async () => {
  symlinkSync('loop', join(directory, 'loop'));
  await expect(logsIn(join(directory, 'loop'))).rejects.toMatchObject({ code: 'ELOOP' });
  mkdirSync(join(directory, 'w-0'));
  symlinkSync('segments', join(directory, 'w-0', 'segments'));
  await expect(findInLogs([join(directory, 'w-0')], 'x')).rejects.toMatchObject({ code: 'ELOOP' });
});

test('more logs than are read as one are an error: none may go unnoticed', async () => {
  for (let i = 0; i <= limits.auditLogsMax; i++) mkdirSync(join(directory, `w-${i}`, 'segments'), { recursive: true });
  await expect(logsIn(directory)).rejects.toMatchObject({ code: 'audit_unavailable' });
  rmSync(join(directory, 'w-0'), { recursive: true });
  expect(await logsIn(directory)).toHaveLength(limits.auditLogsMax);
});

/** Three workers that took turns. */
async function writeLogs(): Promise<void> {
  const clock = ticking();
  const logs = [await open('w-0', clock), await open('w-1', clock), await open('deep/er/w-2', clock)];
  for (let i = 0; i < 9; i++) {
    const log = logs[i % 3];
    await log?.append(intentEntry(`x-${i}`));
    await log?.append(outcomeEntry(`x-${i}`));
  }
  for (const log of logs) await log.close();
}

const names = async (): Promise<string[]> => (await logsIn(directory)).map((log) => relative(directory, log));

async function collect(records: AsyncIterable<StoredRecord>): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, exchange } of records) if (exchange !== '') found.push(`${kind} ${exchange}`);
  return found;
}

const inTurn = Array.from({ length: 9 }, (_, i) => [`intent x-${i}`, `outcome x-${i}`]).flat();

describe('several logs', () => {
  test('are found by their files, at any depth that is looked at, never through a link', async () => {
    await writeLogs();
    mkdirSync(join(directory, 'no-log'));
    mkdirSync(join(directory, 'lost', 'segments'), { recursive: true });
    mkdirSync(join(directory, 'a', 'b', 'c', 'd', 'e', 'segments'), { recursive: true });
    symlinkSync(join(directory, 'w-0'), join(directory, 'link'));
    expect(await names()).toEqual(['deep/er/w-2', 'lost', 'w-0', 'w-1']);
    expect(await logsIn(join(directory, 'w-0'))).toEqual([join(directory, 'w-0')]);
    expect(await logsIn(join(directory, 'nowhere'))).toEqual([]);
  });

  test('are read as one, by time', async () => {
    await writeLogs();
    expect(await collect(readLogs(await logsIn(directory)))).toEqual(inTurn);
  });

  test('the last records of all, and all of one session', async () => {
    await writeLogs();
    const logs = await logsIn(directory);
    const last = await lastOfLogs(logs, 5);
    expect(last.map(({ kind }) => kind)).toEqual(['intent', 'outcome', 'close', 'close', 'close']);
    expect((await findInLogs(logs, 'session-1')).map(({ kind, exchange }) => `${kind} ${exchange}`)).toEqual(inTurn);
    expect(new Set((await findInLogs(logs, 'session-1')).map(({ folder }) => folder)).size).toBe(3);
  });

  test('are reported together', async () => {
    await writeLogs();
    const report = await reportPeriod(await logsIn(directory), 0, Number.MAX_SAFE_INTEGER);
    expect([report.exchanges, report.records, report.decisions]).toEqual([9, 24, [['allow', 9]]]);
  });

  test('a clock that went back in one of them turns none of its records round', async () => {
    const first = await open('w-0', ticking(2_000));
    await first.append(intentEntry('x-0'));
    await first.close();
    const again = await open('w-0', ticking(1_000));
    await again.append(intentEntry('x-1'));
    await again.close();
    const other = await open('w-1', ticking(1_500));
    await other.append(intentEntry('y-0'));
    await other.close();
    expect(await collect(readLogs(await logsIn(directory)))).toEqual([
      'intent y-0',
      'intent x-0',
      'aborted x-0',
      'intent x-1',
    ]);
  });

  test('are followed, also those that are made later', async () => {
    await writeLogs();
    const clock = ticking(1_900_000_000_000);
    const seen = new Map<string, number>();
    for (const { folder, sequence } of await lastOfLogs(await logsIn(directory), 99)) seen.set(folder, sequence);
    const stop = new AbortController();
    const following = followLogs(directory, seen, stop.signal, 1);
    const next = following.next();
    const log = await open('w-9', clock);
    await log.append(intentEntry('later'));
    expect((await next).value).toMatchObject({ kind: 'open', folder: join(directory, 'w-9') });
    expect((await following.next()).value).toMatchObject({ kind: 'intent', exchange: 'later' });
    stop.abort();
    expect((await following.next()).done).toBe(true);
    await log.close();
  });
});
