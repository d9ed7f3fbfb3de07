import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeFs } from '../../src/audit/fs-port.ts';
import { logsIn } from '../../src/audit/logs.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { verifyShards } from '../../src/audit/verify-shards.ts';
import { bareEntry, openTestLog } from '../support/audit.ts';
import { inlineWriter } from '../support/audit-fs.ts';
import { isWholeByTessera } from '../support/tessera.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-go-'));
const verifier = join(root, 'verifier');
beforeAll(() => {
  execFileSync('go', ['build', '-o', verifier, '.'], { cwd: 'test/support/verifier-go' });
});
afterAll(() => rmSync(root, { recursive: true }));

/** A log of so many records, of which the last is the `close`. */
async function write(records: number): Promise<string> {
  const directory = join(root, String(records));
  const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  for (let left = records - 2; left > 0; left -= 2_000) {
    await Promise.all(Array.from({ length: Math.min(left, 2_000) }, () => log.append(bareEntry('policy'))));
  }
  await log.close();
  return directory;
}

function verifyByGo(directory: string): { status: number | null; said: string } {
  const key = readFileSync(join(directory, 'log.vkey'), 'utf8').trim();
  const { status, stdout, stderr } = spawnSync(verifier, [directory, key], { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}`.trim() };
}

describe("Go's checksum database client reads the log", () => {
  // One leaf short of a tile, a tile, one more; and two levels of full tiles with something of a third.
  test.each([2, 255, 256, 257, 66_000])('of %i records', async (records) => {
    const directory = await write(records);
    const { root: head, problems } = await verifyLog({ directory });
    expect(problems).toEqual([]);
    expect(verifyByGo(directory)).toEqual({ status: 0, said: `OK ${records} ${head}` });
    expect(isWholeByTessera(directory, records, head)).toBe(true);
  });

  test('of each shard of a log by itself', async () => {
    const directory = join(root, 'shards');
    const shard = { byMonth: false, recordsMax: 200 };
    const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs), shard });
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 150 }, () => log.append(bareEntry('policy'))));
    }
    await log.close();
    const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
    expect(reports.length).toBeGreaterThan(2);
    for (const { folder, checkpointed, root: head, problems } of reports) {
      expect(problems).toEqual([]);
      expect(verifyByGo(folder)).toEqual({ status: 0, said: `OK ${checkpointed} ${head}` });
      expect(isWholeByTessera(folder, checkpointed, head)).toBe(true);
    }
  });

  test('and refuses one of which a leaf was changed', async () => {
    const directory = join(root, '257');
    const path = join(directory, 'tile/entries/000');
    const bundle = readFileSync(path);
    bundle.writeUInt8(bundle.readUInt8(100) ^ 1, 100);
    writeFileSync(path, bundle);
    expect(verifyByGo(directory)).toEqual({ status: 1, said: 'FAIL: the leaves do not have the signed root' });
    expect(
      isWholeByTessera(directory, 257, readFileSync(join(directory, 'checkpoint'), 'utf8').split('\n')[2] ?? ''),
    ).toBe(false);
  });
});
