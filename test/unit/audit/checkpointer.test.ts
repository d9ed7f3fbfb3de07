import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FileLog } from '../../../src/audit/file-log.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { bareEntry, openTestLog } from '../../support/audit.ts';
import { inlineWriter, interceptedFs } from '../../support/audit-fs.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a tile that a checkpoint covers is never written again: a kill in the middle of that would take it away', async () => {
  const written: string[] = [];
  const fs = interceptedFs(nodeFs, (call, [path]) => {
    if (call === 'writeDurable' && String(path).includes('/tile/')) written.push(String(path));
  });
  const open = (): Promise<FileLog> =>
    openTestLog(directory, { fs, startWriter: inlineWriter(fs), limits: { checkpointIntervalMs: 1 } });
  // More than one full tile, so that a level above the leaves has an edge of its own, over two runs and several checkpoints.
  for (const records of [300, 40]) {
    const log = await open();
    for (let at = 0; at < records; at += 10) {
      await Promise.all(Array.from({ length: 10 }, () => log.append(bareEntry('policy'))));
    }
    await log.close();
  }
  expect(written.length).toBeGreaterThan(4);
  expect(written.filter((path, index) => written.indexOf(path) !== index)).toEqual([]);
  expect((await verifyLog({ directory })).problems).toEqual([]);
});
