import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileLogOptions } from '../../../src/audit/file-log.ts';
import { type FsPort, nodeFs } from '../../../src/audit/fs-port.ts';
import { layout } from '../../../src/audit/layout.ts';
import { logsIn, readLogs } from '../../../src/audit/logs.ts';
import { findDamage, quarantine, recordQuarantines } from '../../../src/audit/quarantine.ts';
import { openBodies, readRecords } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { verifyShards } from '../../../src/audit/verify-shards.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry, testKeys, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'audit-quarantine-'));
  directory = join(root, 'log');
});
afterEach(() => rmSync(root, { recursive: true }));

const order = { by: 'carol', reason: 'the disk lost a sector' };
const deps = (fs: FsPort = nodeFs) => ({
  directory,
  origin: testOrigin,
  fs,
  signingKey: testKeys().signingKey,
  nowMs: () => Date.UTC(2026, 10, 22),
});
const open = (options: Partial<FileLogOptions> = {}) =>
  openTestLog(directory, { startWriter: inlineWriter(nodeFs), ...options });

/** A log with records, of which one in the middle of `folder` is damaged. */
async function damagedLog(shard: FileLogOptions['shard']): Promise<void> {
  const rule = shard === undefined ? {} : { shard };
  const log = await open(rule);
  for (const id of ['x-1', 'x-2', 'x-3']) {
    await log.append(intentEntry(id));
    await log.append(outcomeEntry(id));
  }
  await log.append(bareEntry('hold'));
  await log.append(intentEntry('x-open'));
  await log.close();
  const folder = (await logsIn(directory)).at(-1) ?? directory;
  const path = join(folder, 'segments', readdirSync(join(folder, 'segments')).at(-1) ?? '');
  const bytes = readFileSync(path);
  bytes[700] = (bytes[700] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

function allFiles(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path).toString('base64')];
    }),
  );
}

describe('a log that is damaged in its middle', () => {
  test.each([
    { name: 'without shards', shard: undefined, was: testOrigin, number: '000000' },
    {
      name: 'in shards',
      shard: { byMonth: false, recordsMax: 100 },
      was: expect.stringContaining('/000001-'),
      number: '000001',
    },
  ])('$name is put aside whole, and goes on in a new shard that says so', async ({ shard, was, number }) => {
    await damagedLog(shard);
    await expect(open()).rejects.toThrow('the audit log is damaged');
    const [folder = ''] = await logsIn(directory);
    const before = allFiles(folder === directory ? join(directory, 'segments') : folder);
    const damage = findDamage(deps());
    expect(damage).toMatchObject({ log: was, what: expect.stringContaining('the audit log is damaged') });
    if (damage === null) throw new Error('it is damaged');
    const done = await quarantine(deps(), damage, order);
    expect(done).toMatchObject({ log: was, next: expect.stringMatching(/\/00000[12]-2026-11$/) });
    const aside = join(directory, 'quarantine', readdirSync(join(directory, 'quarantine'))[0] ?? '');
    expect(aside).toContain(number);
    expect(allFiles(folder === directory ? join(aside, 'segments') : aside)).toMatchObject(before);
    expect(findDamage(deps())).toBeNull();

    for (const run of [0, 1]) {
      const log = await open();
      await recordQuarantines(nodeFs, directory, log);
      await log.append(intentEntry(`y-${run}`));
      await log.close();
    }
    const kinds: unknown[] = [];
    for await (const { kind, facts } of readLogs(await logsIn(directory))) {
      if (kind === 'recovery') kinds.push(facts);
    }
    expect(kinds).toEqual([
      expect.objectContaining({ event: 'quarantined', log: damage.log, by: { id: 'carol' }, reason: order.reason }),
    ]);
    const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
    expect(reports.map(({ problems, quarantined }) => ({ problems, quarantined }))).toEqual([
      { problems: [], quarantined: [damage.log] },
    ]);
    // What was put aside is as damaged as it was, and what of it can be read can be opened.
    expect((await verifyLog({ directory: aside })).problems).not.toEqual([]);
    const opened: string[] = [];
    for await (const record of readRecords(aside)) {
      if (record.kind !== 'intent') continue;
      for (const { name, content } of await openBodies(aside, record, testKeys()))
        if (name === 'prompt_original') opened.push(content.toString());
    }
    // All but the one that was hit.
    expect(opened).toEqual(['prompt of x-2', 'prompt of x-3', 'prompt of x-open']);
    expect([done.records, done.holds.length]).toEqual([9, 1]);
  });

  test('in a later shard: the ones before it stay, and are sound', async () => {
    await damagedLog({ byMonth: false, recordsMax: 4 });
    const logs = await logsIn(directory);
    expect(logs.length).toBeGreaterThan(1);
    const damage = findDamage(deps());
    if (damage === null) throw new Error('it is damaged');
    await quarantine(deps(), damage, order);
    const log = await open();
    await recordQuarantines(nodeFs, directory, log);
    await log.close();
    const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
    expect(reports.length).toBe(logs.length);
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
  });

  test('interrupted before any step, it is still no log that can be begun anew, and doing it again ends it', async () => {
    await damagedLog(undefined);
    const copy = join(root, 'copy');
    cpSync(directory, copy, { recursive: true });
    for (let steps = 0; ; steps++) {
      rmSync(directory, { recursive: true });
      cpSync(copy, directory, { recursive: true });
      let left = steps;
      const tick = (): void => {
        left -= 1;
        if (left < 0) throw new Error('power is out');
      };
      const failing: FsPort = {
        ...nodeFs,
        rename: async (from, to) => {
          tick();
          await nodeFs.rename(from, to);
        },
        makeDirectory: async (path) => {
          tick();
          await nodeFs.makeDirectory(path);
        },
      };
      const damage = findDamage(deps());
      if (damage === null) throw new Error('it is damaged');
      const isDone = await quarantine(deps(failing), damage, order).then(
        () => true,
        () => false,
      );
      if (!isDone) {
        const again = findDamage(deps());
        if (again === null) throw new Error(`after step ${steps} it looks sound`);
        await quarantine(deps(), again, order);
      }
      const log = await open();
      await recordQuarantines(nodeFs, directory, log);
      await log.close();
      const [report, ...others] = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
      expect([report?.problems, report?.quarantined, others]).toEqual([[], [testOrigin], []]);
      expect(nodeFs.list(layout.quarantined(directory, '000000'))).toEqual(
        expect.arrayContaining(['checkpoint', 'log.vkey', 'quarantine.json', 'segments', 'tile']),
      );
      if (isDone) break;
    }
  });

  test('a log that cannot be read for now is not called damaged; one whose disk has lost bytes is', async () => {
    await (await open()).close();
    const failing = (code: string): FsPort => ({
      ...nodeFs,
      read: (path) => {
        if (path.includes('segments')) throw Object.assign(new Error(`${code}: read`), { code });
        return nodeFs.read(path);
      },
    });
    for (const code of ['EACCES', 'EMFILE']) expect(() => findDamage(deps(failing(code))), code).toThrow(code);
    expect(findDamage(deps(failing('EIO')))?.what).toContain('EIO');
  });

  test('a sound log is left alone, and so is one that another key has signed', async () => {
    const log = await open();
    await log.append(intentEntry('x-1'));
    await log.close();
    const before = allFiles(directory);
    expect(findDamage(deps())).toBeNull();
    expect(() => findDamage({ ...deps(), origin: 'audit.example.com/other' })).toThrow('names another log or key');
    // A torn tail is what every start mends: no damage, and nothing is cut by the look.
    const path = join(directory, 'segments', readdirSync(join(directory, 'segments'))[0] ?? '');
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('torn')]));
    const torn = allFiles(directory);
    expect(findDamage(deps())).toBeNull();
    expect(allFiles(directory)).toEqual(torn);
    expect(Object.keys(torn)).toEqual(Object.keys(before));
  });
});
