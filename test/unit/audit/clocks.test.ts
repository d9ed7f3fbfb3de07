import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileLog } from '../../../src/audit/file-log.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { lastRecords, readRecords, type StoredRecord } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../../../src/lib/ids.ts';
import { bareEntry, intentEntry, openTestLog } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-clocks-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const hourMs = 3_600_000;
const noon = Date.UTC(2026, 10, 21, 12, 30);

/** A wall clock that is set; waits are still measured by the true one. */
function settable(): { clock: Clock; set(ms: number): void } {
  let wallMs = noon;
  const nowNs = (): bigint => BigInt(wallMs) * 1_000_000n;
  return {
    clock: { ...systemClock, nowMs: () => wallMs, nowNs },
    set: (ms) => {
      wallMs = ms;
    },
  };
}

function open(clock: Clock): Promise<FileLog> {
  return openTestLog(directory, {
    clock,
    newId: createUuidV7(clock, createPooledRandom()),
    startWriter: inlineWriter(nodeFs),
  });
}

async function stored(): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const record of readRecords(directory)) records.push(record);
  return records;
}

describe('a wall clock that is set', () => {
  test('however it jumps, ids are unique and the order is that of the log', async () => {
    const { clock, set } = settable();
    const log = await open(clock);
    const receipts: { id: string; sequence: bigint }[] = [];
    // An hour back, ten years on, back again, and steps of NTP; each in the middle of a batch.
    for (const offsetMs of [0, -hourMs, 87_600 * hourMs, 0, -50, 20, -1, 0]) {
      const appended = Array.from({ length: 20 }, (_, i) => {
        if (i === 10) set(noon + offsetMs);
        return log.append(bareEntry('policy'));
      });
      receipts.push(...(await Promise.all(appended)));
    }
    await log.close();
    const records = await stored();
    expect(records.map(({ sequence }) => sequence)).toEqual(records.map((_, index) => index));
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    expect(records.filter(({ kind }) => kind === 'policy').map(({ id, sequence }) => [id, BigInt(sequence)])).toEqual(
      receipts.map(({ id, sequence }) => [id, sequence]),
    );
    // Their own times do go back: what is told by time is not taken for the order.
    const times = records.map(({ wallNs }) => wallNs);
    expect(times).not.toEqual([...times].sort((a, b) => (a < b ? -1 : 1)));
    expect((await lastRecords(directory, 5)).map(({ sequence }) => sequence)).toEqual(
      records.slice(-5).map(({ sequence }) => sequence),
    );
    expect((await verifyLog({ directory })).problems).toEqual([]);
  });

  test('no key is used beyond its hour, also when the clock had been years ahead', async () => {
    const { clock, set } = settable();
    const log = await open(clock);
    const epochs: string[] = [];
    const hours = [0, 87_600 * hourMs, 0, -3 * hourMs, hourMs];
    for (const [index, offsetMs] of hours.entries()) {
      set(noon + offsetMs);
      await log.append(intentEntry(`x-${index}`));
    }
    await log.close();
    for (const { kind, manifest } of await stored()) if (kind === 'intent') epochs.push(String(manifest['epoch']));
    const hourOf = (ms: number): string => `e-${new Date(ms).toISOString().slice(0, 13)}`;
    expect(epochs.map((epoch) => epoch.replace(/-[0-9a-f]{24}$/, ''))).toEqual(
      hours.map((offsetMs) => hourOf(noon + offsetMs)),
    );
    expect((await verifyLog({ directory })).problems).toEqual([]);
  });

  test('a step of a few seconds over the hour and back takes no new key each time', async () => {
    const { clock, set } = settable();
    const log = await open(clock);
    const top = Date.UTC(2026, 10, 21, 13);
    for (const [index, ms] of [-2, 1, -1, 2, -2, 1].entries()) {
      set(top + ms * 1_000);
      await log.append(intentEntry(`x-${index}`));
    }
    await log.close();
    const epochs = (await stored()).filter(({ kind }) => kind === 'intent').map(({ manifest }) => manifest['epoch']);
    expect(new Set(epochs).size).toBe(2);
  });
});

test('ids of version 7 are unique whatever the clock says, and sort by time while it goes on', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 47 }), { minLength: 1, maxLength: 50 }), (times) => {
      let nowMs = 0;
      const newId = createUuidV7({ ...systemClock, nowMs: () => nowMs }, createPooledRandom());
      const ids = times.flatMap((ms) => {
        nowMs = ms;
        return [newId(), newId()];
      });
      expect(new Set(ids).size).toBe(ids.length);
      for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const prefixes = ids.map((id) => id.slice(0, 13));
      const rising = times.every((ms, i) => i === 0 || ms >= (times[i - 1] ?? 0));
      if (rising) expect(prefixes).toEqual([...prefixes].sort());
    }),
  );
});
