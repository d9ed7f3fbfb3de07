import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readRecords } from '../../src/audit/read.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { canOpen, dayMs, officer, openRetentionStack, type RetentionStack, remains } from '../support/retention.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-erase-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function opens(exchange: string): Promise<boolean> {
  return canOpen(directory, exchange);
}

/**
 * Runs an act again and again, from the same beginning, and lets it die before its first step, its second, and so on, until it comes
 * through. After each death a new process takes over: what is on record as destroyed must be, what is not must be untouched.
 */
async function killedAtEachStep(
  prepare: (stack: RetentionStack) => Promise<void>,
  act: (stack: RetentionStack) => Promise<unknown>,
  check: (at: string, stack: RetentionStack) => Promise<void>,
): Promise<string[]> {
  const clock = createManualClock();
  const first = await openRetentionStack({ directory: join(directory, 'base'), clock });
  await prepare(first);
  await first.close();
  const died: string[] = [];
  for (let deadly = 0; ; deadly++) {
    const place = join(directory, `run-${deadly}`);
    cpSync(join(directory, 'base'), place, { recursive: true });
    let count = 0;
    let where: string | null = null;
    const dying = await openRetentionStack({
      directory: place,
      clock,
      onStep: (step) => {
        if (count++ !== deadly) return;
        where = step;
        throw new Error('killed');
      },
    });
    clock.advance(100 * dayMs);
    await dying.exchange('late', 'carol');
    await act(dying).catch(() => undefined);
    await dying.close();
    const before = directory;
    directory = place;
    const next = await openRetentionStack({ directory: place, clock });
    await check(where ?? 'came through', next);
    await next.close();
    const report = await verifyLog({ directory: place });
    expect({ where, problems: report.problems, overdue: report.overdue }).toEqual({ where, problems: [], overdue: [] });
    directory = before;
    clock.advance(-100 * dayMs);
    if (where === null) return died;
    died.push(where);
  }
}

async function has(kind: string): Promise<boolean> {
  for await (const record of readRecords(directory)) if (record.kind === kind) return true;
  return false;
}

describe('killed between any two steps (leaf and key agree after the restart, and the log is sound)', () => {
  test('erasure', async () => {
    const died = await killedAtEachStep(
      async ({ exchange }) => {
        await exchange('e-1', 'alice');
        await exchange('e-2', 'bob');
      },
      ({ retention }) => retention.erase('alice', officer),
      async () => {
        expect(await opens('e-1')).toBe(!(await has('erase')));
        expect(await opens('e-2')).toBe(true);
      },
    );
    expect(died).toEqual(['record erase', 'destroy subject key']);
  });

  test('expiry of texts and of records', async () => {
    const died = await killedAtEachStep(
      async ({ exchange }) => {
        await exchange('e-1', 'alice');
      },
      ({ retention }) => retention.expire(),
      async (where, { retention }) => {
        const isRecorded = await has('expire');
        expect(await opens('e-1')).toBe(!isRecorded);
        await retention.expire();
        expect({ where, segments: remains(directory).segments }).toEqual({ where, segments: 2 });
      },
    );
    expect([...new Set(died)]).toEqual([
      'record expire',
      'destroy epoch key',
      'keep explanations',
      'remove segment',
      'forget rows',
    ]);
  });

  test('release of a hold that an erasure waits for', async () => {
    const died = await killedAtEachStep(
      async ({ exchange, retention }) => {
        await exchange('e-1', 'alice');
        await retention.hold({ subject: 'alice' }, officer);
        await retention.erase('alice', officer);
      },
      ({ retention }) => retention.release(retention.holds()[0]?.id ?? '', officer),
      async () => {
        expect(await opens('e-1')).toBe(!(await has('release')));
        expect(await has('erase')).toBe(await has('release'));
      },
    );
    expect(died).toEqual(['record release', 'record erase', 'destroy subject key']);
  });
});
