import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { findRecords, readRecords } from '../../../src/audit/read.ts';
import { agedSegments } from '../../../src/audit/retention-plan.ts';
import { createSteadyClock } from '../../../src/audit/steady-clock.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import {
  canOpen,
  covered,
  dayMs,
  officer,
  openRetentionStack,
  type RetentionStack,
  remains,
} from '../../support/retention.ts';

let directory = '';
let clock: ManualClock;
let open: RetentionStack | null = null;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-retention-'));
  clock = createManualClock();
});
afterEach(async () => {
  await open?.close();
  open = null;
  rmSync(directory, { recursive: true });
});

async function stack(options: Partial<Parameters<typeof openRetentionStack>[0]> = {}): Promise<RetentionStack> {
  await open?.close();
  open = await openRetentionStack({ directory, clock, ...options });
  return open;
}

function opens(exchange: string): Promise<boolean> {
  return canOpen(directory, exchange);
}

async function problems(): Promise<readonly unknown[]> {
  const report = await verifyLog({ directory });
  return [...report.problems, ...report.overdue];
}

async function kinds(): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind } of readRecords(directory)) found.push(kind);
  return found;
}

describe('erasure by subject', () => {
  test('makes what is sealed for one person unreadable, and nothing else; the log stays sound', async () => {
    const { exchange, retention } = await stack();
    await exchange('e-1', 'alice');
    await exchange('e-2', 'bob');
    const erased = await retention.erase('alice', officer);
    expect(erased).toMatchObject({ ok: true, value: { kind: 'erased' } });
    expect([await opens('e-1'), await opens('e-2')]).toEqual([false, true]);
    expect(await retention.erase('alice', officer)).toEqual({ ok: false, error: 'not_found' });
    await exchange('e-3', 'alice');
    expect([await opens('e-1'), await opens('e-3')]).toEqual([false, true]);
    expect(await problems()).toEqual([]);
  });

  test('under a hold waits for its release, over a restart', async () => {
    const first = await stack();
    await first.exchange('e-1', 'alice', 's-7');
    const hold = await first.retention.hold({ session: 's-7' }, officer);
    expect(await first.retention.erase('alice', officer)).toMatchObject({
      value: { kind: 'deferred', holds: [hold.id] },
    });
    expect(await opens('e-1')).toBe(true);
    const second = await stack();
    expect(second.retention.holds()).toEqual([hold]);
    expect(await opens('e-1')).toBe(true);
    expect(await second.retention.release('nothing', officer)).toEqual({ ok: false, error: 'not_found' });
    expect(await second.retention.release(hold.id, officer)).toMatchObject({ value: { erased: 1 } });
    expect(await opens('e-1')).toBe(false);
    expect(await problems()).toEqual([]);
    expect(await kinds()).toEqual(expect.arrayContaining(['hold', 'erase_deferred', 'release', 'erase']));
  });

  test('a key that comes back from a backup is destroyed again before anything is served', async () => {
    const first = await stack();
    await first.exchange('e-1', 'alice');
    cpSync(join(directory, 'subjects'), join(directory, 'backup'), { recursive: true });
    await first.retention.erase('alice', officer);
    await first.close();
    open = null;
    cpSync(join(directory, 'backup'), join(directory, 'subjects'), { recursive: true });
    expect((await verifyLog({ directory })).overdue).toHaveLength(1);
    await stack();
    expect(await opens('e-1')).toBe(false);
    expect(await problems()).toEqual([]);
  });

  test('a key that somebody removed is tampering', async () => {
    const { exchange } = await stack();
    await exchange('e-1', 'alice');
    rmSync(
      join(directory, 'subjects', readdirSync(join(directory, 'subjects')).find((name) => name.length === 2) ?? ''),
      {
        recursive: true,
      },
    );
    expect(await problems()).toMatchObject([{ what: 'the key of a data subject is missing, and no record says why' }]);
  });
});

describe('expiry', () => {
  test('first the texts, then the records; what is left is sound and says why', async () => {
    const { exchange, retention, index } = await stack();
    await exchange('e-1', 'alice');
    clock.advance(31 * dayMs);
    await exchange('e-2', 'alice');
    const before = remains(directory);
    expect(await retention.expire()).toEqual({ epochs: 1, segments: 0, shards: 0 });
    expect([await opens('e-1'), await opens('e-2')]).toEqual([false, true]);
    expect(remains(directory)).toEqual({ ...before, epochs: before.epochs - 1 });
    expect(await problems()).toEqual([]);

    clock.advance(61 * dayMs);
    await exchange('e-3', 'alice');
    expect(await retention.expire()).toEqual({ epochs: 1, segments: 1, shards: 0 });
    expect(await findRecords(directory, 'e-1')).toEqual([]);
    expect((await index.find({ exchange: 'e-1', limit: 10 })).records).toEqual([]);
    expect((await index.find({ exchange: 'e-3', limit: 10 })).records).toHaveLength(2);
    const report = await verifyLog({ directory });
    expect({ problems: report.problems, overdue: report.overdue }).toEqual({ problems: [], overdue: [] });
    expect(report.expired).toBeGreaterThan(2);
  });

  test('explanations outlive the records that they stood among', async () => {
    const first = await stack();
    await first.exchange('e-1', 'alice');
    await first.retention.erase('alice', officer);
    const hold = await first.retention.hold({ session: 'other' }, officer);
    for (let month = 0; month < 8; month++) {
      clock.advance(31 * dayMs);
      await first.exchange(`m-${month}`, 'bob');
      await first.retention.expire();
    }
    expect(await problems()).toEqual([]);
    await first.close();
    open = null;
    rmSync(join(directory, 'index'), { recursive: true });
    expect((await stack()).retention.holds()).toEqual([hold]);
    const [kept] = readdirSync(join(directory, 'kept'));
    rmSync(join(directory, 'kept', kept ?? ''));
    expect((await problems()).length).toBeGreaterThan(0);
  });

  test('nothing under a hold goes, and it goes when the hold is released', async () => {
    const { exchange, retention, log } = await stack();
    await exchange('e-1', 'alice');
    const hold = await retention.hold({ subject: 'alice' }, officer);
    clock.advance(100 * dayMs);
    await exchange('e-2', 'bob');
    await covered(log);
    expect(await retention.expire()).toEqual({ epochs: 0, segments: 0, shards: 0 });
    expect(await opens('e-1')).toBe(true);
    await retention.release(hold.id, officer);
    expect(await retention.expire()).toEqual({ epochs: 1, segments: 1, shards: 0 });
    expect(await problems()).toEqual([]);
  });

  test('no record goes that a sink has yet to read', async () => {
    let needed = 0;
    const { exchange, retention } = await stack({ neededFrom: () => needed });
    await exchange('e-1', 'alice');
    clock.advance(100 * dayMs);
    await exchange('e-2', 'bob');
    expect(await retention.expire()).toEqual({ epochs: 1, segments: 0, shards: 0 });
    needed = 1_000;
    expect(await retention.expire()).toEqual({ epochs: 0, segments: 1, shards: 0 });
  });

  test('a segment that cannot be read stops it: nobody knows what lies there', async () => {
    const { exchange, retention } = await stack();
    await exchange('e-1', 'alice');
    clock.advance(dayMs);
    await exchange('e-2', 'alice');
    clock.advance(100 * dayMs);
    await exchange('e-3', 'alice');
    await retention.hold({ session: 'other' }, officer);
    const before = remains(directory);
    const path = join(directory, 'segments', readdirSync(join(directory, 'segments'))[1] ?? '');
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([Buffer.alloc(4), bytes.subarray(4)]));
    await expect(retention.expire()).rejects.toMatchObject({ code: 'audit_unavailable' });
    expect(remains(directory)).toEqual(before);
    writeFileSync(path, bytes);
    expect(await retention.expire()).toEqual({ epochs: 2, segments: 2, shards: 0 });
  });

  test('a hold counts after a restart that nothing told of it', async () => {
    const first = await stack();
    await first.exchange('e-1', 'alice');
    await first.retention.hold({ subject: 'alice' }, officer);
    rmSync(join(directory, 'orders'));
    const second = await stack();
    clock.advance(100 * dayMs);
    await second.exchange('e-2', 'bob');
    // What goes is what the second run wrote about itself.
    expect(await second.retention.expire()).toEqual({ epochs: 1, segments: 1, shards: 0 });
    expect([await opens('e-1'), await problems()]).toEqual([true, []]);
  });

  test('a segment or an epoch key that somebody removed is tampering', async () => {
    const { exchange } = await stack();
    await exchange('e-1', 'alice');
    clock.advance(dayMs);
    await exchange('e-2', 'alice');
    const [segment = ''] = readdirSync(join(directory, 'segments'));
    const [epoch = ''] = readdirSync(join(directory, 'epochs'));
    rmSync(join(directory, 'epochs', epoch));
    expect(await problems()).toMatchObject([{ what: 'the key of this epoch is missing, and no record says why' }]);
    rmSync(join(directory, 'segments', segment));
    expect(await problems()).toMatchObject([{ what: expect.stringMatching(/^records 0 to \d+ are missing/) }]);
  });
});

describe('a clock that jumps destroys nothing', () => {
  const hour = 3_600_000;
  const settleMs = 48 * hour;

  test.each([
    { name: 'ten years ahead', step: 3_652 * dayMs },
    { name: 'an hour back', step: -hour },
    { name: 'ten years back', step: -3_652 * dayMs },
  ])('$name, in the middle of a run and at a restart', async ({ step }) => {
    const first = await stack({ settleMs });
    await first.exchange('e-1', 'alice');
    clock.advance(3 * dayMs);
    await first.retention.expire();
    clock.step(step);
    await first.exchange('e-2', 'alice');
    expect(await first.retention.expire()).toEqual({ epochs: 0, segments: 0, shards: 0 });
    const second = await stack({ settleMs });
    clock.advance(47 * hour);
    await second.exchange('e-3', 'alice');
    expect(await second.retention.expire()).toEqual({ epochs: 0, segments: 0, shards: 0 });
    clock.step(-step);
    clock.advance(hour);
    await second.exchange('e-4', 'alice');
    expect(await second.retention.expire()).toEqual({ epochs: 0, segments: 0, shards: 0 });
    expect(await Promise.all(['e-1', 'e-2', 'e-3', 'e-4'].map(opens))).toEqual([true, true, true, true]);
    expect(await problems()).toEqual([]);
  });

  test('what is due goes once the clock has settled', async () => {
    const { exchange, retention } = await stack({ settleMs });
    await exchange('e-1', 'alice');
    clock.advance(31 * dayMs);
    await exchange('e-2', 'alice');
    expect(await retention.expire()).toEqual({ epochs: 1, segments: 0, shards: 0 });
  });

  test('the steady clock goes on with the monotonic one, over restarts', async () => {
    const make = () => createSteadyClock(nodeFs, directory, clock, settleMs);
    const first = make();
    expect(await first.nowMs()).toBe(0);
    clock.advance(settleMs);
    const settled = clock.nowMs();
    expect(await first.nowMs()).toBe(settled);
    clock.step(3_652 * dayMs);
    clock.advance(1_000);
    expect(await first.nowMs()).toBe(settled + 1_000);
    const second = make();
    clock.advance(1_000);
    expect(await second.nowMs()).toBe(settled + 2_000);
  });
});

describe('how old a segment surely is', () => {
  const head = (first: number, hour: string) => ({ first, epoch: `e-${hour}-${'0'.repeat(24)}` });
  const now = Date.parse('2026-11-21T12:30:00Z');
  test.each([
    { name: 'by its hour', hours: ['2026-11-21T01', '2026-11-21T02'], want: ['02:00'] },
    {
      name: 'not older than one before it',
      hours: ['2026-11-21T05', '2016-01-01T00', '2026-11-21T06'],
      want: ['06:00', '06:00'],
    },
    {
      name: 'from the future: as the next sane one',
      hours: ['2036-01-01T00', '2026-11-21T05', '2026-11-21T06'],
      want: ['06:00', '06:00'],
    },
    { name: 'from the future, and nothing sane behind it', hours: ['2036-01-01T00', '2036-01-01T01'], want: [null] },
  ])('$name', ({ hours, want }) => {
    const aged = agedSegments(
      hours.map((hour, index) => head(index * 10, hour)),
      now,
    );
    expect(
      aged.map(({ writtenUntilMs }) =>
        writtenUntilMs === null ? null : new Date(writtenUntilMs).toISOString().slice(11, 16),
      ),
    ).toEqual(want);
  });
});
