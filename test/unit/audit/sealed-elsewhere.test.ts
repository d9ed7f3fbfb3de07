import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BatchSealer, createBatchSealer, type SealedBatch } from '../../../src/audit/batch-sealer.ts';
import type { FileLog } from '../../../src/audit/file-log.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { openBodies, readRecords } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { startWriterHost } from '../../../src/audit/writer-host.ts';
import type { StartWriter } from '../../../src/audit/writer-protocol.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry, testKeys } from '../../support/audit.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A writer that has every second batch sealed by somebody else, who hands them over when `deliver` says so. */
function helpedWriter(): { readonly start: StartWriter; deliver(): Promise<void>; readonly waiting: SealedBatch[] } {
  const waiting: SealedBatch[] = [];
  let give: (batch: SealedBatch) => void = () => undefined;
  const start: StartWriter = (init, onMessage) => {
    const random = createPooledRandom();
    const helper: BatchSealer = createBatchSealer(init.origin, random);
    const host = startWriterHost(
      nodeFs,
      random,
      init,
      (message) => setImmediate(() => onMessage(message)),
      () => false,
    );
    give = host.receiveSealed;
    let count = 0;
    return {
      post: (message) => {
        setImmediate(() => {
          if (message.kind === 'epoch') helper.setEpoch(message);
          if (message.kind === 'batch' && count++ % 2 === 1) {
            waiting.push(helper.seal(Buffer.from(message.batch)));
            host.receive({ kind: 'elsewhere' });
          } else host.receive(message);
        });
      },
      terminate: () => host.stop(),
    };
  };
  return {
    start,
    waiting,
    deliver: async () => {
      for (const batch of waiting.splice(0)) give(batch);
      await turns();
    },
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function kindsOf(): Promise<string[]> {
  const found: string[] = [];
  for await (const { manifest } of readRecords(directory)) found.push(`${manifest['kind']} ${manifest['exchange']}`);
  return found;
}

test('a batch that is sealed elsewhere keeps its place: nothing behind it is durable before it', async () => {
  const writer = helpedWriter();
  const log = await openTestLog(directory, { startWriter: writer.start });
  const durable: number[] = [];
  const append = async (n: number): Promise<void> => {
    void log.append(n % 2 === 1 ? intentEntry(`x-${n}`) : outcomeEntry(`x-${n - 1}`)).then(() => durable.push(n));
    await turns();
  };
  // The `open` was the first batch, so 1 is sealed elsewhere, and 2 by the writer itself.
  await append(1);
  await append(2);
  expect([durable, writer.waiting.length]).toEqual([[], 1]);
  await writer.deliver();
  expect(durable).toEqual([1, 2]);
  // 3 elsewhere, 4 not.
  await append(3);
  await append(4);
  await writer.deliver();
  expect(durable).toEqual([1, 2, 3, 4]);
  const closing = log.close();
  await turns();
  await writer.deliver();
  await closing;
  expect(await kindsOf()).toEqual(['open ', 'intent x-1', 'outcome x-1', 'intent x-3', 'outcome x-3', 'close ']);
  expect((await verifyLog({ directory })).problems).toEqual([]);
});

test('an hour that ends while a batch is elsewhere: that one stays in the segment of its epoch', async () => {
  const writer = helpedWriter();
  let aheadMs = 0;
  const log: FileLog = await openTestLog(directory, {
    startWriter: writer.start,
    clock: { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs },
  });
  const durable: number[] = [];
  void log.append(bareEntry('policy')).then(() => durable.push(1));
  await turns();
  aheadMs = 3_600_000;
  const second = log.append(bareEntry('policy')).then(() => durable.push(2));
  // The key of the new hour goes to disk first.
  while (durable.length === 0 && writer.waiting.length < 1) await turns();
  await writer.deliver();
  await second;
  expect(durable).toEqual([1, 2]);
  const closing = log.close();
  while (log.health().state === 'open') {
    await writer.deliver();
  }
  await closing;
  const segments = new Map<number, Set<unknown>>();
  for await (const { segment, manifest } of readRecords(directory)) {
    segments.set(segment, (segments.get(segment) ?? new Set()).add(manifest['epoch']));
  }
  expect([...segments.values()].map(({ size }) => size)).toEqual([1, 1]);
  expect((await verifyLog({ directory })).problems).toEqual([]);
});

test('under load in threads of its own: every record is there once, in order, and opens', async () => {
  const log = await openTestLog(directory);
  for (let wave = 0; wave < 8; wave++) {
    const exchanges = Array.from({ length: 150 }, (_, n) => `x-${wave}-${n}`);
    await Promise.all(exchanges.map((exchange) => log.append(intentEntry(exchange, 'x'.repeat(4_000)))));
    await Promise.all(exchanges.map((exchange) => log.append(outcomeEntry(exchange, 'y'.repeat(4_000)))));
  }
  await log.close();
  let opened = 0;
  for await (const record of readRecords(directory)) {
    for (const { content } of await openBodies(directory, record, testKeys())) opened += content.length;
  }
  expect(opened).toBe(8 * 150 * (8_000 + '{"id":"alice"}'.length));
  expect((await kindsOf()).length).toBe(2 + 8 * 300);
  expect((await verifyLog({ directory })).problems).toEqual([]);
});
