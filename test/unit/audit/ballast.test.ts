import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ballast, createBallast } from '../../../src/audit/ballast.ts';
import { type FsPort, nodeFs } from '../../../src/audit/fs-port.ts';
import { layout } from '../../../src/audit/layout.ts';
import { readRecords } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { bareEntry, openTestLog } from '../../support/audit.ts';
import { errno, inlineWriter, interceptedFs } from '../../support/audit-fs.ts';

const bytes = 600_000;
const spareBytes = 100_000;
let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ballast-'));
  path = layout.ballast(directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A disk of so many bytes, of which others may take the rest. */
function smallDisk(capacity: number): { readonly fs: FsPort; fill(): void } {
  let others = 0;
  const free = (): number => capacity - others - bytesIn(directory);
  const fs = interceptedFs(
    nodeFs,
    (call, args) => {
      const [, written] = args;
      const isWrite = call === 'write' || call === 'writeDurable';
      if (isWrite && written instanceof Uint8Array && written.length > free()) throw errno('ENOSPC');
    },
    { freeBytes: free },
  );
  return {
    fs,
    fill: () => {
      others += free();
    },
  };
}

function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

function ballastOn(fs: FsPort): Ballast {
  return createBallast({ fs, path, bytes, spareBytes, random: createPooledRandom() });
}

test('a log whose disk others have filled takes the room that it kept, and ends in order', async () => {
  const { fs, fill } = smallDisk(10_000_000);
  const ballast = ballastOn(fs);
  const held = signal();
  const again = signal();
  const events: string[] = [];
  const hear = (event: string): void => {
    events.push(event);
    if (event === 'audit log open again') again.resolve();
  };
  const log = await openTestLog(directory, {
    fs,
    startWriter: inlineWriter(fs),
    ballast: { ...ballast, hold: () => ballast.hold().then(held.resolve) },
    observe: { log: { ...silentLog, info: hear, warn: hear, error: hear }, metrics: noMetrics },
    limits: { reopenMs: 1, ballastAfterMs: 1 },
  });
  await held.promise;
  expect(fs.identify(path)?.bytes).toBe(bytes);

  fill();
  await expect(log.append(bareEntry('policy'))).rejects.toThrow('ENOSPC');
  await again.promise;
  expect(fs.identify(path)).toBeNull();
  expect(events).toContain('audit ballast given up');
  await log.append(bareEntry('policy'));
  await log.close();

  const kinds: string[] = [];
  for await (const { kind } of readRecords(directory)) kinds.push(kind);
  expect(kinds).toEqual(['open', 'recovery', 'policy', 'close']);
  expect(await verifyLog({ directory })).toMatchObject({ unfinishedBytes: 0, problems: [] });
});

test('a disk that was full at the start gives the log its room at once', async () => {
  const { fs, fill } = smallDisk(10_000_000);
  await ballastOn(fs).hold();
  fill();
  const log = await openTestLog(directory, { fs, startWriter: inlineWriter(fs), ballast: ballastOn(fs) });
  expect(fs.identify(path)).toBeNull();
  await log.close();
});

test('where the disk has no plenty, no room is taken', async () => {
  const { fs } = smallDisk(bytes + spareBytes - 1);
  await ballastOn(fs).hold();
  expect(fs.identify(path)).toBeNull();
});

test('what was left half filled is filled, what is whole stays as it is', async () => {
  const { fs } = smallDisk(10_000_000);
  writeFileSync(path, 'the beginning');
  await ballastOn(fs).hold();
  const whole = fs.identify(path);
  expect(whole?.bytes).toBe(bytes);
  await ballastOn(fs).hold();
  expect(fs.identify(path)).toEqual(whole);
});

test('a disk that fills up meanwhile keeps nothing of it', async () => {
  const disk = smallDisk(10_000_000);
  let writes = 0;
  const fs = interceptedFs(disk.fs, (call) => {
    if (call === 'write' && ++writes === 2) disk.fill();
  });
  await ballastOn(fs).hold();
  expect(writes).toBe(2);
  expect(fs.identify(path)).toBeNull();
});

test('room is given up only where there is less left, and once', async () => {
  const { fs, fill } = smallDisk(10_000_000);
  const ballast = ballastOn(fs);
  await ballast.hold();
  expect(ballast.dropIfNeeded()).toBe(false);
  fill();
  expect(ballast.dropIfNeeded()).toBe(true);
  expect(ballast.dropIfNeeded()).toBe(false);
});

test('while it is taken it can be given up', async () => {
  const { fs, fill } = smallDisk(10_000_000);
  const ballast = ballastOn(fs);
  const holding = ballast.hold();
  fill();
  expect(ballast.dropIfNeeded()).toBe(true);
  await holding;
  expect(fs.identify(path)).toBeNull();
});
