import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { readRecords } from '../../src/audit/read.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { openTestLog } from '../support/audit.ts';

const directory = mkdtempSync(join(tmpdir(), 'audit-kill-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** How many acknowledgements each process lives to say: few, so that start and recovery are hit, and many. */
const oneRound = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1, 100, 250, 4, 1_500];
/** `COUNTERSIGN_KILLS=100` has a hundred processes killed, each round a little later than the one before; CI takes one round. */
const kills = Number(process.env['COUNTERSIGN_KILLS'] ?? oneRound.length);
const lifetimes = Array.from({ length: kills }, (_, i) => {
  const round = Math.floor(i / oneRound.length);
  return (oneRound[i % oneRound.length] ?? 1) + 7 * round;
});

// Killing a process proves the order of our calls, not the disk: what was written survives in the kernel's cache.
// audit-power-loss.test.ts takes that away too.
test(
  'whatever the moment of the kill, what was acknowledged is on record and the record verifies',
  async () => {
    const acknowledged = new Map<string, number>();
    for (const lifetime of lifetimes) {
      await runAndKill(lifetime, acknowledged);
      const { problems, records } = await verifyLog({ directory });
      expect({ lifetime, problems }).toEqual({ lifetime, problems: [] });
      expect(records).toBeGreaterThanOrEqual(acknowledged.size);
    }
    const log = await openTestLog(directory);
    await log.close();

    const recovered = new Map<string, number>();
    const intents = new Map<string, number>();
    const ends = new Map<string, number>();
    for await (const { id, sequence, kind, exchange } of readRecords(directory)) {
      recovered.set(id, sequence);
      if (kind === 'intent') intents.set(exchange, (intents.get(exchange) ?? 0) + 1);
      if (kind === 'outcome' || kind === 'aborted') ends.set(exchange, (ends.get(exchange) ?? 0) + 1);
    }
    expect([...acknowledged].filter(([id, sequence]) => recovered.get(id) !== sequence)).toEqual([]);
    expect(ends).toEqual(intents);
    expect(acknowledged.size).toBeGreaterThanOrEqual(lifetimes.reduce((sum, lifetime) => sum + lifetime, 0));
    expect(await verifyLog({ directory })).toMatchObject({
      records: recovered.size,
      checkpointed: recovered.size,
      openIntents: 0,
      unfinishedBytes: 0,
      problems: [],
    });
  },
  60_000 + kills * 15_000,
);

test('SIGTERM with ten thousand entries under way: each is on record, and nothing else but the end of the log', async () => {
  const folder = join(directory, 'drained');
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/audit-drain-child.ts', folder, '10000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let waiting = 0;
  const outcomes: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'queued') child.kill('SIGTERM');
    else if (line.startsWith('waiting ')) waiting = Number(line.slice('waiting '.length));
    else outcomes.push(line);
  }
  expect(await exited).toEqual([0, null]);
  expect(waiting).toBeGreaterThan(5_000);
  const recovered: string[] = [];
  const others: string[] = [];
  for await (const { id, sequence, kind } of readRecords(folder)) {
    if (kind === 'policy') recovered.push(`${id} ${sequence}`);
    else others.push(kind);
  }
  expect(outcomes.length).toBe(10_000);
  expect(recovered).toEqual(outcomes);
  expect(others).toEqual(['open', 'close']);
  expect(await verifyLog({ directory: folder })).toMatchObject({ problems: [], unfinishedBytes: 0, records: 10_002 });
}, 60_000);

async function runAndKill(lifetime: number, acknowledged: Map<string, number>): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', 'test/support/audit-child.ts', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let said = 0;
  if (child.stdout === null) throw new Error('the child has a pipe for its output');
  for await (const line of createInterface({ input: child.stdout })) {
    const [id = '', sequence = ''] = line.split(' ');
    acknowledged.set(id, Number(sequence));
    if (++said === lifetime) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
}
