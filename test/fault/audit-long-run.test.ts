import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { nodeFs } from '../../src/audit/fs-port.ts';
import { inlineWriter } from '../support/audit-fs.ts';
import { longRun } from '../support/long-run.ts';

const folder = mkdtempSync(join(tmpdir(), 'audit-long-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

// `npm run bench:long-run` does the same with 20 million records.
test('a day of two logs in a row: files and memory stay as they were, and others find both whole', async () => {
  const hours = 6;
  const { usage, logs } = await longRun({ folder, leaves: 9_600, hours, logs: 2, startWriter: inlineWriter(nodeFs) });
  expect(logs.map(({ problems, isWhole }) => ({ problems, isWhole }))).toEqual([
    { problems: [], isWhole: true },
    { problems: [], isWhole: true },
  ]);
  for (const { records, segments } of logs) {
    // `open` and `close` beside what was appended.
    expect(records).toBe(4_802);
    expect(segments).toBeGreaterThanOrEqual(hours);
  }
  const [early, late] = [usage.slice(0, hours), usage.slice(hours)];
  const most = (of: readonly { openFiles: number }[]): number => Math.max(...of.map(({ openFiles }) => openFiles));
  // The thread pool has some files open at any moment.
  expect(most(late)).toBeLessThanOrEqual(most(early) + 6);
  const rss = (of: readonly { rssBytes: number }[]): number => Math.max(...of.map(({ rssBytes }) => rssBytes));
  expect(rss(late) - rss(early)).toBeLessThan(128 * 1024 * 1024);
});
