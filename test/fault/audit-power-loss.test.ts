import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readRecords } from '../../src/audit/read.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { intentEntry, openTestLog, outcomeEntry } from '../support/audit.ts';
import { inlineWriter } from '../support/audit-fs.ts';
import { createVolatileFs, type Image, materialise } from '../support/volatile-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-power-'));
afterAll(() => rmSync(root, { recursive: true }));

/** One time between two power losses: at which change it ends, and how much of what was not synced survives. */
interface Life {
  readonly failAt: number;
  readonly chances: readonly number[];
}

const life = fc.record<Life>({
  failAt: fc.oneof(fc.nat(40), fc.nat(300)),
  chances: fc.array(fc.nat(), { minLength: 64, maxLength: 64 }),
});

test('whenever the power fails, and again, what was acknowledged is on record and no checkpoint is taken back', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async (lives) => {
      const directory = join(root, String(run++));
      // The lock is of the running system: it lies on the real disk.
      mkdirSync(directory);
      const acknowledged = new Map<string, number>();
      const checkpoints: string[] = [];
      let image: Image = new Map();
      for (const [generation, { failAt, chances }] of lives.entries()) {
        const disk = createVolatileFs(image, failAt);
        await live(directory, generation, disk.fs, acknowledged);
        // Within one life the log only grows: its last head stands for the others.
        checkpoints.push(...disk.versions(join(directory, 'checkpoint')).slice(-1).map(String));
        let drawn = 0;
        image = disk.crash((below) => (chances[drawn++ % chances.length] ?? 0) % below);
      }
      const lasting = createVolatileFs(image, Number.POSITIVE_INFINITY);
      expect(await live(directory, lives.length, lasting.fs, acknowledged)).toBe('closed');
      materialise(
        lasting.crash(() => 0),
        directory,
        directory,
      );

      const recovered = new Map<string, number>();
      for await (const { id, sequence } of readRecords(directory)) recovered.set(id, sequence);
      expect([...acknowledged].filter(([id, sequence]) => recovered.get(id) !== sequence)).toEqual([]);
      for (const since of new Set(checkpoints)) {
        expect(await verifyLog({ directory, since })).toMatchObject({
          openIntents: 0,
          unfinishedBytes: 0,
          problems: [],
        });
      }
      rmSync(directory, { recursive: true });
    }),
    { numRuns: 100, seed: 1, endOnFailure: true },
  );
});

test('a write that failed its sync, was found by the reopened log and is now part of it survives a power loss', async () => {
  const directory = mkdtempSync(join(root, 'sync-'));
  const disk = createVolatileFs(new Map(), Number.POSITIVE_INFINITY);
  let isOpenAgain: () => void = () => undefined;
  const again = new Promise<void>((resolve) => {
    isOpenAgain = resolve;
  });
  const hear = (event: string): void => {
    if (event === 'audit log open again') isOpenAgain();
  };
  const log = await openTestLog(directory, {
    fs: disk.fs,
    startWriter: inlineWriter(disk.fs),
    observe: { log: { ...silentLog, info: hear }, metrics: noMetrics },
    limits: { checkpointIntervalMs: 60_000, checkIntervalMs: 60_000, reopenMs: 1 },
  });
  await log.append(intentEntry('x-1'));
  disk.failNextSync();
  await expect(log.append(intentEntry('x-2'))).rejects.toThrow('EIO');
  await again;
  const { id } = await log.append(outcomeEntry('x-1'));
  const after = createVolatileFs(
    disk.crash(() => 0),
    Number.POSITIVE_INFINITY,
  );
  await log.close();
  rmSync(directory, { recursive: true });
  mkdirSync(directory);

  const reopened = await openTestLog(directory, { fs: after.fs, startWriter: inlineWriter(after.fs) });
  await reopened.close();
  materialise(
    after.crash(() => 0),
    directory,
    directory,
  );
  const kinds: string[] = [];
  let isFound = false;
  for await (const record of readRecords(directory)) {
    kinds.push(record.kind);
    isFound ||= record.id === id;
  }
  expect(kinds).toEqual(['open', 'intent', 'intent', 'recovery', 'aborted', 'outcome', 'open', 'close']);
  expect(isFound).toBe(true);
  expect(await verifyLog({ directory })).toMatchObject({ openIntents: 0, problems: [] });
});

/** Opens the log, writes until the work is done or the power is out. */
async function live(
  directory: string,
  generation: number,
  fs: Parameters<typeof inlineWriter>[0],
  acknowledged: Map<string, number>,
): Promise<'not opened' | 'closed'> {
  let writes = 0;
  const opened = await openTestLog(directory, {
    fs,
    // Two of three syncs run beside what is sealed meanwhile.
    startWriter: inlineWriter(fs, undefined, () => writes++ % 3 !== 0),
    limits: { checkpointIntervalMs: 0, checkIntervalMs: 60_000, reopenMs: 60_000, segmentBytesMax: 6_000 },
  }).catch(() => null);
  if (opened === null) return 'not opened';
  const lanes = Array.from({ length: 3 }, async (_, lane) => {
    for (let i = 0; i < 4; i++) {
      const exchange = `x-${generation}-${lane}-${i}`;
      for (const entry of [intentEntry(exchange), outcomeEntry(exchange)]) {
        const receipt = await opened.append(entry).catch(() => null);
        if (receipt === null) return;
        acknowledged.set(receipt.id, Number(receipt.sequence));
      }
    }
  });
  await Promise.all(lanes);
  await opened.close();
  return 'closed';
}
