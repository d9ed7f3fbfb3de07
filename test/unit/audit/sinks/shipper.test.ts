import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { FileLog } from '../../../../src/audit/file-log.ts';
import { nodeFs } from '../../../../src/audit/fs-port.ts';
import { backOffMaxMs, backOffMs } from '../../../../src/audit/sinks/back-off.ts';
import { readPosition } from '../../../../src/audit/sinks/cursor.ts';
import { type Delivery, documentOf, type Sink, type SinkEvent } from '../../../../src/audit/sinks/sink.ts';
import { bareEntry, openTestLog } from '../../../support/audit.ts';
import { inlineWriter } from '../../../support/audit-fs.ts';
import { eventually } from '../../../support/eventually.ts';
import { fastLimits, published, startTestShipper } from '../../../support/sink-log.ts';

const root = mkdtempSync(join(tmpdir(), 'sinks-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

async function logOf(records: number): Promise<{ directory: string; state: string; log: FileLog }> {
  count += 1;
  const directory = join(root, `log-${count}`);
  const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  await Promise.all(Array.from({ length: records - 1 }, () => log.append(bareEntry('policy'))));
  await published(log);
  return { directory, state: join(root, `state-${count}`), log };
}

const delivered: Delivery = { kind: 'settled', rejected: [], retry: [], afterMs: null };

/** Remembers what it took; `judge` says what becomes of a batch. */
function scriptedSink(judge: (events: readonly SinkEvent[], call: number) => Delivery | 'hang' | 'throw'): Sink & {
  readonly taken: SinkEvent[];
  readonly calls: () => number;
} {
  const taken: SinkEvent[] = [];
  let calls = 0;
  return {
    taken,
    calls: () => calls,
    deliver: async (events) => {
      calls += 1;
      const verdict = judge(events, calls);
      if (verdict === 'hang') return new Promise<Delivery>(() => undefined);
      if (verdict === 'throw') throw new Error('connection reset');
      if (verdict.kind === 'settled') {
        const lost = new Set([...verdict.rejected.map(({ index }) => index), ...verdict.retry]);
        taken.push(...events.filter((_, index) => !lost.has(index)));
      }
      return verdict;
    },
    close: async () => {},
  };
}

function records(sink: { readonly taken: readonly SinkEvent[] }): number[] {
  return sink.taken.filter(({ kind }) => kind !== 'checkpoint').map(({ sequence }) => sequence);
}

function upTo(records: number): number[] {
  return Array.from({ length: records }, (_, i) => i);
}

function deadLetters(state: string): { id: string; reason: string; sequence: number }[] {
  const lines = readFileSync(join(state, 'test.dead.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line));
}

/** No wait between attempts. */
const impatient = { random: (size: number) => Buffer.alloc(size) };

describe('a shipper', () => {
  test('delivers every record in order, then the last checkpoint, and goes on where it was', async () => {
    const { directory, state, log } = await logOf(1_200);
    const sink = scriptedSink(() => delivered);
    const shipper = await startTestShipper(directory, state, sink);
    await shipper.stop(60_000);
    expect(records(sink)).toEqual(upTo(1_200));
    expect(sink.taken.at(-1)).toMatchObject({ kind: 'checkpoint', sequence: 1_200 });
    expect(readPosition(nodeFs, state, 'test')).toEqual({ next: 1_200, checkpoint: 1_200, deadLetters: 0 });

    await log.close();
    const again = scriptedSink(() => delivered);
    await (await startTestShipper(directory, state, again)).stop(60_000);
    expect(records(again)).toEqual([1_200]);
    expect(again.taken.at(-1)).toMatchObject({ kind: 'checkpoint', sequence: 1_201 });
  });

  test('keeps batches within their bounds', async () => {
    const { directory, state, log } = await logOf(300);
    const sizes: number[] = [];
    const sink = scriptedSink((events) => {
      sizes.push(events.reduce((sum, { json }) => sum + json.length, 0));
      return delivered;
    });
    const limits = { ...fastLimits, batchBytes: 4_000, batchRecords: 7 };
    await (await startTestShipper(directory, state, sink, { limits })).stop(60_000);
    await log.close();
    expect(records(sink)).toEqual(upTo(300));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4_000);
  });

  test('follows a log that goes on, and never passes the signed checkpoint', async () => {
    const { directory, state, log } = await logOf(1);
    const sink = scriptedSink((events) => {
      const covered = Number(readFileSync(join(directory, 'checkpoint'), 'utf8').split('\n')[1]);
      for (const { sequence, kind } of events) if (kind !== 'checkpoint') expect(sequence).toBeLessThan(covered);
      return delivered;
    });
    const shipper = await startTestShipper(directory, state, sink);
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(Array.from({ length: 10 }, () => log.append(bareEntry('policy'))));
    }
    await log.close();
    await shipper.stop(60_000);
    expect(records(sink)).toEqual(upTo(202));
  });

  test('repeats what failed until it is delivered, and tells its lag meanwhile', async () => {
    const { directory, state, log } = await logOf(50);
    let isDown = true;
    const sink = scriptedSink((_, call) => {
      if (!isDown) return delivered;
      return call % 2 === 0 ? 'throw' : { kind: 'failed', reason: 'HTTP 429', afterMs: null };
    });
    const shipper = await startTestShipper(directory, state, sink, impatient);
    const isLate = (): boolean => shipper.status().lagRecords === 50 && shipper.status().failing !== null;
    await eventually('a lag of all records, and why', () => isLate() || undefined);
    expect(shipper.status().failing).toMatch(/HTTP 429|connection reset/);
    expect(shipper.status().lagSeconds).toBeGreaterThan(0);
    isDown = false;
    await eventually('no lag', () => (shipper.status().lagRecords === 0 ? true : undefined));
    expect(shipper.status()).toMatchObject({ failing: null, lagSeconds: 0, deadLetters: 0 });
    await shipper.stop(60_000);
    await log.close();
    expect(records(sink)).toEqual(upTo(50));
  });

  test('that is told to end while a checkpoint is due still gives everything', async () => {
    const { directory, state, log } = await logOf(200);
    const sink = scriptedSink(() => delivered);
    const limits = { ...fastLimits, batchRecords: 10, checkpointMs: 30 };
    await (await startTestShipper(directory, state, sink, { limits })).stop(60_000);
    await log.close();
    expect(records(sink)).toEqual(upTo(200));
  });

  test('gives up on a receiver that never answers, and stops in time', async () => {
    const { directory, state, log } = await logOf(5);
    const sink = scriptedSink((_, call) => (call === 1 ? 'hang' : delivered));
    const limits = { ...fastLimits, deadlineMs: 30 };
    const shipper = await startTestShipper(directory, state, sink, { ...impatient, limits });
    await eventually('delivery after the deadline', () => (records(sink).length === 5 ? true : undefined));
    await shipper.stop(60_000);

    const never = scriptedSink(() => 'hang');
    await (await startTestShipper(directory, `${state}-2`, never)).stop(50);
    expect(readPosition(nodeFs, `${state}-2`, 'test')).toBeNull();
    await log.close();
  });

  test('finds the one event that is refused; its neighbours go through', async () => {
    const { directory, state, log } = await logOf(400);
    const sink = scriptedSink((events) =>
      events.some(({ sequence, kind }) => sequence === 123 && kind !== 'checkpoint')
        ? { kind: 'refused', reason: 'HTTP 400' }
        : delivered,
    );
    const shipper = await startTestShipper(directory, state, sink);
    await shipper.stop(60_000);
    await log.close();
    expect(records(sink)).toEqual(upTo(400).filter((sequence) => sequence !== 123));
    expect(deadLetters(state)).toMatchObject([{ sequence: 123, reason: 'HTTP 400' }]);
    expect(readPosition(nodeFs, state, 'test')).toMatchObject({ next: 400, deadLetters: 1 });
    expect(sink.calls()).toBeLessThan(40);
  });

  test('puts an event that is too large aside before it is sent', async () => {
    const { directory, state, log } = await logOf(10);
    await log.append({ ...bareEntry('policy'), facts: { note: 'x'.repeat(5_000) } });
    await published(log);
    const sink = scriptedSink(() => delivered);
    const limits = { ...fastLimits, eventBytesMax: 4_000 };
    await (await startTestShipper(directory, state, sink, { limits })).stop(60_000);
    await log.close();
    expect(records(sink)).toEqual(upTo(10));
    expect(deadLetters(state)).toMatchObject([{ sequence: 10, reason: 'larger than 4000 bytes' }]);
  });

  test('sends only what was not taken, and buries what was rejected', async () => {
    const { directory, state, log } = await logOf(20);
    let isFirst = true;
    const sink = scriptedSink((events) => {
      if (!isFirst) return delivered;
      isFirst = false;
      expect(events.length).toBeGreaterThan(5);
      return { kind: 'settled', rejected: [{ index: 1, reason: 'mapping' }], retry: [0, 3], afterMs: null };
    });
    await (await startTestShipper(directory, state, sink, impatient)).stop(60_000);
    await log.close();
    expect(records(sink).sort((a, b) => a - b)).toEqual(upTo(20).filter((sequence) => sequence !== 1));
    expect(deadLetters(state)).toMatchObject([{ sequence: 1, reason: 'mapping' }]);
  });

  test('sends again under the same ids what was delivered before a crash could move the cursor', async () => {
    const { directory, state, log } = await logOf(30);
    const first = scriptedSink(() => delivered);
    const limits = { ...fastLimits, flushMs: 3_600_000 };
    const shipper = await startTestShipper(directory, state, first, { limits });
    await eventually('all records', () => (records(first).length === 30 ? true : undefined));
    await shipper.kill();
    const second = scriptedSink(() => delivered);
    await (await startTestShipper(directory, state, second)).stop(60_000);
    await log.close();
    const ids = (sink: typeof first): string[] => sink.taken.filter((e) => e.kind !== 'checkpoint').map(({ id }) => id);
    expect(ids(second)).toEqual(ids(first));
  });

  test('sends a checkpoint on time while nothing else happens', async () => {
    const { directory, state, log } = await logOf(3);
    const sink = scriptedSink(() => delivered);
    const shipper = await startTestShipper(directory, state, sink, { limits: { ...fastLimits, checkpointMs: 10 } });
    await eventually('a checkpoint', () => sink.taken.find(({ kind }) => kind === 'checkpoint'));
    await shipper.stop(60_000);
    await log.close();
    const notes = sink.taken.filter(({ kind }) => kind === 'checkpoint').map((event) => documentOf(event)['note']);
    expect(notes[0]).toBe(notes.at(-1));
    expect(notes[0]).toMatch(/^audit\.example\.com\/test\/gw-0\n3\n/);
  });

  test('does not start on a cursor that it cannot read', async () => {
    const { directory, state, log } = await logOf(1);
    await nodeFs.makeDirectory(state);
    await nodeFs.writeDurable(join(state, 'test.cursor'), Buffer.from('{}'));
    await expect(
      startTestShipper(
        directory,
        state,
        scriptedSink(() => delivered),
      ),
    ).rejects.toThrow('is no cursor');
    await log.close();
  });

  test('gives a sink that takes several batches so many at a time, and moves its cursor past what all before have', async () => {
    const { directory, state, log } = await logOf(100);
    const waiting: { readonly first: number; readonly settle: (delivery: Delivery) => void }[] = [];
    const sink: Sink = {
      batchesMax: 3,
      deliver: (events) =>
        new Promise((settle) => {
          waiting.push({ first: events[0]?.sequence ?? -1, settle });
        }),
      close: async () => {},
    };
    const limits = { ...fastLimits, batchRecords: 10, flushMs: 5 };
    const shipper = await startTestShipper(directory, state, sink, { ...impatient, limits });
    const next = async (count: number): Promise<readonly (typeof waiting)[number][]> => {
      await eventually(`${count} batches`, () => (waiting.length === count ? true : undefined));
      return waiting.splice(0);
    };
    // A receiver that has not said a word yet gets one; each word lets one more go.
    const [first] = await next(1);
    first?.settle(delivered);
    const [second, third] = await next(2);
    third?.settle(delivered);
    second?.settle({ kind: 'failed', reason: 'HTTP 503', afterMs: null });
    const [fourth] = await next(1);
    expect([first, second, third, fourth].map((batch) => batch?.first)).toEqual([0, 10, 20, 30]);
    // The one that was taken out of turn waits for the one before it.
    expect(readPosition(nodeFs, state, 'test')?.next ?? 10).toBe(10);
    expect(shipper.status()).toMatchObject({ delivered: 20, lagRecords: 90 });
    fourth?.settle(delivered);
    const rest = [...(await next(2))];
    expect(rest.map((batch) => batch.first)).toContain(10);
    for (const batch of rest) batch.settle(delivered);
    const draining = shipper.stop(60_000);
    const settling = setInterval(() => {
      for (const batch of waiting.splice(0)) batch.settle(delivered);
    }, 1);
    await draining;
    clearInterval(settling);
    await log.close();
    expect(readPosition(nodeFs, state, 'test')).toMatchObject({ next: 100 });
  });

  test.each([1, 4])(
    'whatever a receiver of %i batches does, every event is delivered or a dead letter, and none is both unless sent twice',
    async (batchesMax) => {
      const { directory, log } = await logOf(40);
      const verdicts = fc.constantFrom('ok', 'throw', 'refuse', 'partial');
      await fc.assert(
        fc.asyncProperty(fc.array(verdicts, { maxLength: 12 }), async (script) => {
          count += 1;
          const state = join(root, `state-${count}`);
          const scripted = scriptedSink((events, call) => {
            const verdict = script[call - 1] ?? 'ok';
            if (verdict === 'throw') return 'throw';
            if (verdict === 'refuse') return { kind: 'refused', reason: 'no' };
            if (verdict === 'ok') return delivered;
            return {
              kind: 'settled',
              rejected: events.length > 2 ? [{ index: 2, reason: 'bad' }] : [],
              retry: [0],
              afterMs: null,
            };
          });
          const limits = { ...fastLimits, batchRecords: batchesMax === 1 ? fastLimits.batchRecords : 7 };
          const sink = { ...scripted, batchesMax };
          const shipper = await startTestShipper(directory, state, sink, { ...impatient, limits });
          await shipper.stop(60_000);
          const dead = shipper.status().deadLetters > 0 ? deadLetters(state) : [];
          const ids = [
            ...records(sink),
            ...dead.filter(({ id }) => !id.startsWith('checkpoint')).map((d) => d.sequence),
          ];
          expect(ids.sort((a, b) => a - b)).toEqual(upTo(40));
        }),
        { numRuns: 20 },
      );
      await log.close();
    },
  );
});

test('back-off is jittered in full, grows, is capped, and heeds the receiver', () => {
  const most = (size: number): Buffer => Buffer.alloc(size, 0xff);
  const none = (size: number): Buffer => Buffer.alloc(size);
  expect([0, 1, 2, 10].map((attempt) => Math.round(backOffMs(attempt, null, most)))).toEqual([500, 1000, 2000, 60_000]);
  expect(backOffMs(1_000, null, most)).toBeLessThanOrEqual(backOffMaxMs);
  expect(backOffMs(5, null, none)).toBe(0);
  expect(backOffMs(0, 7_000, none)).toBe(7_000);
  expect(backOffMs(0, 3_600_000, none)).toBe(60_000);
});
