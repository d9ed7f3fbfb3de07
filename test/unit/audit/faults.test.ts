import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileLog, FileLogOptions } from '../../../src/audit/file-log.ts';
import { type FsPort, nodeFs } from '../../../src/audit/fs-port.ts';
import { readRecords } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import type { StartWriter } from '../../../src/audit/writer-protocol.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry } from '../../support/audit.ts';
import { errno, inlineWriter, interceptedFs } from '../../support/audit-fs.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Resolves when the log has said this. */
function said(event: string): { readonly promise: Promise<void>; readonly observe: FileLogOptions['observe'] } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  const hear = (heard: string): void => {
    if (heard === event) resolve();
  };
  return { promise, observe: { log: { ...silentLog, info: hear, error: hear }, metrics: noMetrics } };
}

const quick = { reopenMs: 1, checkIntervalMs: 2, checkpointIntervalMs: 1 };

async function recordsOnDisk(): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, exchange } of readRecords(directory)) found.push(`${kind} ${exchange}`.trim());
  return found;
}

async function expectSound(): Promise<void> {
  expect(await verifyLog({ directory })).toMatchObject({ unfinishedBytes: 0, problems: [] });
}

describe('a failing disk', () => {
  /** Fails one call, once, when armed; a short write takes all but the last byte. */
  function failing(call: string, fault: 'short' | string): { fs: FsPort; arm(): void; hasFailed(): boolean } {
    let isArmed = false;
    let hasFailed = false;
    const once = (): boolean => {
      if (!isArmed) return false;
      isArmed = false;
      hasFailed = true;
      return true;
    };
    const fs = interceptedFs(
      nodeFs,
      (name) => {
        if (name === call && fault !== 'short' && once()) throw errno(fault);
      },
      fault === 'short' ? { write: (fd, bytes) => nodeFs.write(fd, once() ? bytes.subarray(0, -1) : bytes) } : {},
    );
    return {
      fs,
      arm: () => {
        isArmed = true;
      },
      hasFailed: () => hasFailed,
    };
  }

  test.each([
    { call: 'write', fault: 'short' },
    { call: 'write', fault: 'ENOSPC' },
    { call: 'write', fault: 'EIO' },
    { call: 'fdatasync', fault: 'EIO' },
    { call: 'fdatasyncLater', fault: 'EIO', isBusy: true },
    { call: 'write', fault: 'short', isBusy: true },
    { call: 'create', fault: 'EMFILE', isBusy: true },
    { call: 'create', fault: 'EMFILE' },
    { call: 'fsync', fault: 'EIO' },
    { call: 'syncDirectory', fault: 'EIO' },
  ])(
    '$fault at $call: nothing is acknowledged, then the log is opened anew',
    async ({ call, fault, isBusy = false }) => {
      const again = said('audit log open again');
      const disk = failing(call, fault);
      const log = await openTestLog(directory, {
        startWriter: inlineWriter(disk.fs, undefined, () => isBusy),
        observe: again.observe,
        // A segment for each batch, so that each append creates one.
        limits: { ...quick, segmentBytesMax: 1 },
      });
      await log.append(intentEntry('x-1'));
      disk.arm();
      await expect(log.append(intentEntry('x-2'))).rejects.toMatchObject({ code: 'audit_unavailable' });
      expect(log.health().state).toBe('unavailable');
      await expect(log.append(intentEntry('x-3'))).rejects.toMatchObject({ code: 'audit_unavailable' });
      await again.promise;
      await log.append(outcomeEntry('x-1'));
      await log.close();

      await expectSound();
      const onDisk = await recordsOnDisk();
      // A failed sync leaves a record that is there and was disowned: the log says that nothing came of it.
      const disowned = onDisk.includes('intent x-2') ? ['intent x-2', 'recovery', 'aborted x-2'] : ['recovery'];
      expect(onDisk).toEqual(['open', 'intent x-1', ...disowned, 'outcome x-1', 'close']);
    },
  );

  test('a next shard that cannot be made: however often the log is opened anew, one writer runs at a time', async () => {
    const again = said('audit log open again');
    let failuresLeft = 0;
    const fs = interceptedFs(nodeFs, (call, [path]) => {
      if (call === 'makeDirectory' && String(path).includes('000002-') && failuresLeft > 0) {
        failuresLeft -= 1;
        throw errno('EIO');
      }
    });
    const start = inlineWriter(fs);
    let running = 0;
    let mostRunning = 0;
    const log = await openTestLog(directory, {
      fs,
      startWriter: (...args) => {
        const writer = start(...args);
        running += 1;
        mostRunning = Math.max(mostRunning, running);
        const terminate = (): Promise<void> => {
          running -= 1;
          return writer.terminate();
        };
        return { ...writer, terminate };
      },
      observe: again.observe,
      shard: { byMonth: false, recordsMax: 2 },
      limits: quick,
    });
    await log.append(intentEntry('x-1'));
    failuresLeft = 4;
    await expect(log.append(outcomeEntry('x-1'))).rejects.toMatchObject({ code: 'audit_unavailable' });
    await again.promise;
    await log.append(outcomeEntry('x-1'));
    await log.close();

    expect({ failuresLeft, running, mostRunning }).toEqual({ failuresLeft: 0, running: 0, mostRunning: 1 });
  });

  /** A log whose syncs end when they are told to, and what is asked of its disk. */
  async function openSlowly(): Promise<{
    readonly log: FileLog;
    readonly calls: string[];
    readonly acknowledged: number[];
    append(n: number): Promise<void>;
    finishSync(): Promise<void>;
    /** From now on the clock is an hour ahead. */
    endEpoch(): void;
    /** Resolves once the writer was told of the next epoch. */
    nextEpoch(): Promise<void>;
  }> {
    const calls: string[] = [];
    const acknowledged: number[] = [];
    const syncs: (() => void)[] = [];
    const epochs: (() => void)[] = [];
    let isBusy = false;
    let aheadMs = 0;
    const fs = interceptedFs(nodeFs, () => undefined, {
      write: (fd, bytes) => {
        calls.push('write');
        return nodeFs.write(fd, bytes);
      },
      fdatasyncLater: async (fd) => {
        calls.push('sync');
        await new Promise<void>((resolve) => syncs.push(resolve));
        nodeFs.fdatasync(fd);
        calls.push('synced');
      },
    });
    const start = inlineWriter(fs, undefined, () => isBusy);
    const log = await openTestLog(directory, {
      startWriter: (...args) => {
        const writer = start(...args);
        const post: typeof writer.post = (message) => {
          writer.post(message);
          if (message.kind === 'epoch') for (const tell of epochs.splice(0)) tell();
        };
        return { ...writer, post };
      },
      clock: { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs },
    });
    isBusy = true;
    calls.length = 0;
    return {
      log,
      calls,
      acknowledged,
      append: async (n) => {
        log.append(bareEntry('policy')).then(() => acknowledged.push(n));
        await turns();
      },
      finishSync: async () => {
        for (const finish of syncs.splice(0)) finish();
        await turns();
        isBusy = false;
      },
      endEpoch: () => {
        aheadMs = 3_600_000;
      },
      nextEpoch: () => new Promise((resolve) => epochs.push(resolve)),
    };
  }

  async function turns(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  test('what comes while the disk syncs is sealed meanwhile and written after it, by one write', async () => {
    const { log, calls, acknowledged, append, finishSync } = await openSlowly();
    for (const n of [1, 2, 3]) await append(n);
    expect([calls, acknowledged]).toEqual([['write', 'sync'], []]);
    await finishSync();
    expect([calls, acknowledged]).toEqual([['write', 'sync', 'synced', 'write', 'sync'], [1]]);
    await finishSync();
    expect(acknowledged).toEqual([1, 2, 3]);
    await log.close();
    await expectSound();
  });

  test('an epoch that ends while the disk syncs: what was sealed under it stays in its segment', async () => {
    const { log, calls, acknowledged, append, finishSync, endEpoch, nextEpoch } = await openSlowly();
    for (const n of [1, 2]) await append(n);
    endEpoch();
    const told = nextEpoch();
    await append(3);
    await told;
    await append(4);
    expect([calls, acknowledged]).toEqual([['write', 'sync'], []]);
    await finishSync();
    expect(acknowledged).toEqual([1, 2]);
    await finishSync();
    expect(acknowledged).toEqual([1, 2, 3, 4]);
    await log.close();
    await expectSound();
    const epochs = new Map<number, Set<unknown>>();
    for await (const { segment, manifest } of readRecords(directory)) {
      epochs.set(segment, (epochs.get(segment) ?? new Set()).add(manifest['epoch']));
    }
    expect([...epochs].map(([segment, { size }]) => [segment, size])).toEqual([
      [0, 1],
      [3, 1],
    ]);
  });

  test.each([
    { call: 'writeDurable', fault: 'ENOSPC' },
    { call: 'rename', fault: 'EIO' },
    { call: 'makeDirectory', fault: 'EIO' },
    { call: 'syncDirectoryLater', fault: 'EIO' },
  ])('$fault at $call while publishing: no false checkpoint, then the log is opened anew', async ({ call, fault }) => {
    const again = said('audit log open again');
    const disk = failing(call, fault);
    const log = await openTestLog(directory, {
      startWriter: inlineWriter(disk.fs),
      observe: again.observe,
      limits: quick,
    });
    disk.arm();
    // Publishing runs beside: its failure may come before this is acknowledged, or after.
    const isOnRecord = await log.append(intentEntry('x-1')).then(
      () => true,
      () => false,
    );
    await again.promise;
    expect(disk.hasFailed()).toBe(true);
    await log.append(bareEntry('policy'));
    await log.close();
    await expectSound();
    const onDisk = await recordsOnDisk();
    expect(onDisk.slice(-2)).toEqual(['policy', 'close']);
    if (isOnRecord) expect(onDisk).toEqual(['open', 'intent x-1', 'recovery', 'policy', 'close']);
  });

  test('a disk that stays broken is tried again and again, and closing still works', async () => {
    let isBroken = false;
    let tries = 0;
    let onThirdTry: () => void = () => undefined;
    const third = new Promise<void>((resolve) => {
      onThirdTry = resolve;
    });
    const fs = interceptedFs(nodeFs, (call) => {
      if (!isBroken) return;
      if (call === 'list' && ++tries === 3) onThirdTry();
      if (call === 'fdatasync' || call === 'list') throw errno('EIO');
    });
    const log = await openTestLog(directory, { startWriter: inlineWriter(fs), limits: quick });
    isBroken = true;
    await expect(log.append(bareEntry('policy'))).rejects.toThrow('EIO: injected');
    await third;
    expect(log.health()).toMatchObject({ state: 'unavailable', reason: 'EIO: injected' });
    await log.close();
    expect(log.health().state).toBe('closed');
  });
});

describe('a slow disk', () => {
  /** A writer whose acknowledgements are withheld on demand, and which cannot be ended while they are. */
  function stuckWriter(): { start: StartWriter; stick(): void; release(): void } {
    let isStuck = false;
    let release: () => void = () => undefined;
    const inner = inlineWriter(nodeFs, (message) => !(isStuck && message.kind === 'durable'));
    return {
      stick: () => {
        isStuck = true;
      },
      release: () => {
        isStuck = false;
        release();
      },
      start: (init, onMessage, onExit) => {
        const handle = inner(init, onMessage, onExit);
        return {
          post: handle.post,
          terminate: async () => {
            if (isStuck) {
              await new Promise<void>((resolve) => {
                release = resolve;
              });
            }
            await handle.terminate();
          },
        };
      },
    };
  }

  test('past the deadline appends reject; when the disk lets go the log comes back, and disowns what it had rejected', async () => {
    const again = said('audit log open again');
    const writer = stuckWriter();
    const log = await openTestLog(directory, {
      startWriter: writer.start,
      observe: again.observe,
      limits: { ...quick, deadlineMs: 400 },
    });
    writer.stick();
    await expect(log.append(intentEntry('x-1'))).rejects.toThrow('the audit log did not write in time');
    expect(log.health()).toMatchObject({
      state: 'unavailable',
      reason: 'the audit log did not write in time',
      pendingRecords: 0,
      pendingBytes: 0,
    });
    writer.release();
    await again.promise;
    await log.close();
    expect(await recordsOnDisk()).toEqual(['open', 'intent x-1', 'recovery', 'aborted x-1', 'close']);
    await expectSound();
  });

  test('the queue is bounded in bytes', async () => {
    const writer = stuckWriter();
    const log = await openTestLog(directory, {
      startWriter: writer.start,
      limits: { ...quick, queueBytesMax: 10_000, deadlineMs: 400 },
    });
    writer.stick();
    const first = log.append(intentEntry('x-1', 'x'.repeat(4_000)));
    await expect(log.append(intentEntry('x-2', 'x'.repeat(4_000)))).rejects.toThrow('the audit queue is full');
    await expect(first).rejects.toThrow('the audit log did not write in time');
    writer.release();
    await log.close();
  });
});

describe('closing', () => {
  test('beside a writer that does not end, the lock stays: it may write yet', async () => {
    const inner = inlineWriter(nodeFs);
    const log = await openTestLog(directory, {
      startWriter: (...args) => ({ ...inner(...args), terminate: () => new Promise(() => undefined) }),
      limits: { ...quick, deadlineMs: 400 },
    });
    await log.close();
    expect(readdirSync(directory)).toContain('lock');
    await expect(openTestLog(directory, { startWriter: inner })).rejects.toThrow(
      `lock is held by another writer (process ${process.pid})`,
    );
  });

  test('twice is once, and appends are refused from the first', async () => {
    const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
    const closing = [log.close(), log.close()];
    await expect(log.append(bareEntry('policy'))).rejects.toThrow('the audit log is closed');
    await Promise.all(closing);
    expect(readdirSync(directory)).not.toContain('lock');
    expect(await recordsOnDisk()).toEqual(['open', 'close']);
  });

  test('what was accepted before is written', async () => {
    const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
    const appended = Array.from({ length: 50 }, () => log.append(bareEntry('policy')));
    await log.close();
    expect((await Promise.all(appended)).map(({ sequence }) => Number(sequence))).toEqual(
      appended.map((_, i) => i + 1),
    );
    await expectSound();
  });
});

describe('a full disk', () => {
  test('below the floor of free space appends reject, above it they go on', async () => {
    let freeBytes = 1_000_000;
    const heard: (() => void)[] = [];
    const next = (): Promise<void> => new Promise((resolve) => heard.push(resolve));
    const hear = (event: string): void => {
      if (event === 'audit free space') heard.shift()?.();
    };
    const log = await openTestLog(directory, {
      startWriter: inlineWriter(interceptedFs(nodeFs, () => undefined, { freeBytes: () => freeBytes })),
      observe: { log: { ...silentLog, info: hear, error: hear }, metrics: noMetrics },
      limits: { ...quick, freeBytesMin: 500_000 },
    });
    const isLow = next();
    freeBytes = 400_000;
    await isLow;
    await expect(log.append(bareEntry('policy'))).rejects.toThrow('free space is below the floor');
    expect(log.health()).toMatchObject({ state: 'unavailable', reason: 'free space is below the floor' });
    const isEnough = next();
    freeBytes = 600_000;
    await isEnough;
    await log.append(bareEntry('policy'));
    expect(log.health()).toMatchObject({ state: 'open', reason: null });
    await log.close();
    await expectSound();
  });
});

describe('a hand on the files', () => {
  const segment = (): string => {
    const [name = ''] = readdirSync(join(directory, 'segments')).slice(-1);
    return join(directory, 'segments', name);
  };

  async function opened(event: string): Promise<{ log: FileLog; heard: Promise<void> }> {
    const { promise, observe } = said(event);
    const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs), observe, limits: quick });
    await log.append(intentEntry('x-1'));
    return { log, heard: promise };
  }

  test('a removed segment takes acknowledged records with it: the log stays shut', async () => {
    const { log, heard } = await opened('audit log damaged');
    rmSync(segment());
    await heard;
    expect(log.health().state).toBe('damaged');
    await expect(log.append(intentEntry('x-2'))).rejects.toMatchObject({ code: 'audit_unavailable' });
    await log.close();
  });

  test('a segment replaced by its copy is noticed, read again and gone on from', async () => {
    const { log, heard } = await opened('audit log open again');
    const path = segment();
    cpSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
    await heard;
    await log.append(outcomeEntry('x-1'));
    await log.close();
    expect(await recordsOnDisk()).toEqual(['open', 'intent x-1', 'recovery', 'outcome x-1', 'close']);
    await expectSound();
  });

  test('a lock that another process took over ends the writer for good', async () => {
    const { log, heard } = await opened('audit log damaged');
    rmSync(join(directory, 'lock'));
    await heard;
    expect(log.health()).toMatchObject({
      state: 'damaged',
      reason: 'the lock file is not ours any more: another writer may be at work',
    });
    await log.close();
  });
});

describe('entries that cannot be put on record', () => {
  test.each([
    { name: 'facts beyond JCS', entry: { ...bareEntry('policy'), facts: { text: '\ud800' } } },
    { name: 'an endless exchange id', entry: { ...bareEntry('policy'), exchange: 'x'.repeat(1_025) } },
    {
      name: 'too many bodies',
      entry: {
        ...bareEntry('policy'),
        bodies: Object.fromEntries(
          Array.from({ length: 33 }, (_, i) => [`b${i}`, { mediaType: 'a/b', bytes: Buffer.of(1) }]),
        ),
      },
    },
  ])('$name: that one is refused, the others are written without a gap', async ({ entry }) => {
    const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs), limits: quick });
    const results = await Promise.allSettled([
      log.append(bareEntry('policy')),
      log.append(entry),
      log.append(bareEntry('policy')),
    ]);
    expect(
      results.map((result) => (result.status === 'fulfilled' ? result.value.sequence : result.reason.code)),
    ).toEqual([1n, 'internal', 2n]);
    await log.close();
    await expectSound();
  });
});
