import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { nodeFs } from '../../src/audit/fs-port.ts';
import { logsIn, readLogs } from '../../src/audit/logs.ts';
import { verifyShards } from '../../src/audit/verify-shards.ts';
import { intentEntry, openTestLog, outcomeEntry } from '../support/audit.ts';
import { errno, inlineWriter, interceptedFs } from '../support/audit-fs.ts';
import { createManualClock } from '../support/manual-clock.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-shards-'));
afterAll(() => rmSync(root, { recursive: true }));
const shard = { byMonth: true, recordsMax: null };

interface Outcome {
  /** Ids of the records that were acknowledged. */
  readonly acknowledged: readonly string[];
  /** Whether the log went over before anything failed. */
  readonly isWhole: boolean;
}

/** Goes from one shard to the next, and dies at the `failAt`-th change to the disk after that was due. */
async function runUntil(directory: string, failAt: number): Promise<Outcome> {
  const clock = createManualClock(Date.UTC(2026, 10, 30, 23));
  const acknowledged: string[] = [];
  let changes: number | null = null;
  let isDead = false;
  const fs = interceptedFs(nodeFs, (call) => {
    if (isDead) throw errno('EIO');
    if (changes === null || !changing.has(call)) return;
    changes += 1;
    if (changes <= failAt) return;
    isDead = true;
    throw errno('EIO');
  });
  const log = await openTestLog(directory, {
    clock,
    shard,
    fs,
    startWriter: inlineWriter(fs),
    limits: { deadlineMs: 80, reopenMs: 60_000 },
  });
  const put = async (entry: Parameters<typeof log.append>[0]): Promise<void> => {
    const { id } = await log.append(entry);
    acknowledged.push(id);
  };
  for (const exchange of ['x-1', 'x-2']) await put(intentEntry(exchange));
  await put(outcomeEntry('x-1'));
  clock.advance(86_400_000);
  changes = 0;
  const results = await Promise.allSettled([put(outcomeEntry('x-2')), put(intentEntry('x-3'))]);
  await log.close();
  return { acknowledged, isWhole: !isDead && results.every(({ status }) => status === 'fulfilled') };
}

const changing = new Set([
  'create',
  'write',
  'fdatasync',
  'fdatasyncLater',
  'fsync',
  'syncDirectory',
  'syncDirectoryLater',
  'writeDurable',
  'rename',
  'makeDirectory',
]);

async function soundness(directory: string): Promise<readonly string[]> {
  const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
  return reports.flatMap(({ origin, problems }) => problems.map(({ place, what }) => `${origin} ${place}: ${what}`));
}

test('wherever it dies on its way to the next shard, all that was acknowledged is there, and the next start goes on', async () => {
  let steps = 0;
  for (let failAt = 0; ; failAt += 1) {
    const directory = join(root, `log-${failAt}`);
    const { acknowledged, isWhole } = await runUntil(directory, failAt);
    if (existsSync(join(directory, 'lock'))) rmSync(join(directory, 'lock'));
    // As it was left: what was written and not yet synced is there as after a kill, and nothing in it is a sign of tampering.
    expect({ failAt, problems: await soundness(directory) }).toEqual({ failAt, problems: [] });

    const clock = createManualClock(Date.UTC(2026, 11, 2));
    const log = await openTestLog(directory, { clock, shard, startWriter: inlineWriter(nodeFs) });
    await log.append(intentEntry('x-4'));
    await log.append(outcomeEntry('x-4'));
    await log.close();
    const ids: string[] = [];
    const ends = new Map<string, number>();
    for await (const { id, kind, exchange } of readLogs(await logsIn(directory))) {
      ids.push(id);
      if (kind === 'outcome' || kind === 'aborted') ends.set(exchange, (ends.get(exchange) ?? 0) + 1);
    }
    expect({ failAt, lost: acknowledged.filter((id) => !ids.includes(id)) }).toEqual({ failAt, lost: [] });
    expect({ failAt, twice: [...ends].filter(([, count]) => count !== 1) }).toEqual({ failAt, twice: [] });
    expect(new Set(ids).size).toBe(ids.length);
    expect({ failAt, problems: await soundness(directory) }).toEqual({ failAt, problems: [] });
    expect(readdirSync(join(directory, 'shards'))).toEqual(['000001-2026-11', '000002-2026-12']);
    steps = failAt;
    if (isWhole) break;
  }
  // Files and names of the next shard, the last record and checkpoint of this one, the first records of the next.
  expect(steps).toBeGreaterThan(20);
}, 120_000);

test('killed under load while shards follow each other, nothing acknowledged is lost and the chain is whole', async () => {
  const directory = join(root, 'killed');
  const acknowledged = new Set<string>();
  for (const lifetime of [1, 90, 250, 400]) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/audit-child.ts', directory, '60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let said = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.add(line.split(' ')[0] ?? '');
      if (++said === lifetime) child.kill('SIGKILL');
    }
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect({ lifetime, problems: await soundness(directory) }).toEqual({ lifetime, problems: [] });
  }
  const log = await openTestLog(directory);
  await log.close();
  const ids: string[] = [];
  for await (const { id } of readLogs(await logsIn(directory))) ids.push(id);
  expect([...acknowledged].filter((id) => !ids.includes(id))).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(readdirSync(join(directory, 'shards')).length).toBeGreaterThan(3);
  const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
  expect(reports.reduce((sum, { records }) => sum + records, 0)).toBe(ids.length);
  expect(reports.at(-1)).toMatchObject({ openIntents: 0, unfinishedBytes: 0 });
}, 90_000);
