import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Swept } from '../../../src/approval/store.ts';
import { startSweeper } from '../../../src/approval/sweeper.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { type Log, silentLog } from '../../../src/telemetry/telemetry.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('sweeps again and again, logs an outage once, and stops', async () => {
  const swept: Swept = { expired: 0, settled: 0, purged: 0 };
  const results: (Swept | Fault)[] = [
    swept,
    new Fault('approval_unavailable', 'down'),
    new Fault('approval_unavailable', 'still down'),
    { ...swept, settled: 2 },
  ];
  let sweeps = 0;
  const store = {
    sweep: async () => {
      const result = results[sweeps] ?? swept;
      sweeps += 1;
      if (result instanceof Fault) throw result;
      return result;
    },
  };
  const lines: unknown[] = [];
  const log: Log = {
    ...silentLog,
    warn: (event, fields) => lines.push(['warn', event, fields]),
    error: (event, fields) => lines.push(['error', event, fields]),
  };
  const sweeper = startSweeper(store, log, 1_000);
  await vi.advanceTimersByTimeAsync(999);
  expect(sweeps).toBe(0);
  await vi.advanceTimersByTimeAsync(5_001);
  expect(sweeps).toBe(6);
  expect(lines).toEqual([
    ['error', 'approval sweep failed', { code: 'approval_unavailable', reason: 'down' }],
    ['warn', 'approval transitions finished for another', { count: 2 }],
  ]);
  await sweeper.close();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(sweeps).toBe(6);
});
