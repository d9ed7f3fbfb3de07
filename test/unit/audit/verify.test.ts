import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { intentEntry, openTestLog, outcomeEntry, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-verify-'));
const whole = join(root, 'log');
const work = join(root, 'work');
let files: string[] = [];
let early = '';

beforeAll(async () => {
  for (const run of [0, 1]) {
    const log = await openTestLog(whole, {
      startWriter: inlineWriter(nodeFs),
      limits: { segmentBytesMax: 60_000 },
    });
    // Over two tiles' worth, so that full and partial tiles of two levels are there.
    for (let i = 0; i < 70; i++) {
      await Promise.all([0, 1].map((j) => log.append(intentEntry(`x-${run}-${i}-${j}`))));
      await Promise.all([0, 1].map((j) => log.append(outcomeEntry(`x-${run}-${i}-${j}`))));
    }
    await log.close();
    if (run === 0) early = readFileSync(join(whole, 'checkpoint'), 'utf8');
  }
  files = readdirSync(whole, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(whole, name)).isFile())
    .sort();
});
beforeEach(() => {
  rmSync(work, { recursive: true, force: true });
  cpSync(whole, work, { recursive: true });
});
afterAll(() => rmSync(root, { recursive: true }));

describe('verify', () => {
  test('finds nothing wrong with a sound log, which grew from its earlier checkpoint', async () => {
    const verifierKey = readFileSync(join(whole, 'log.vkey'), 'utf8');
    const report = await verifyLog({ directory: whole, verifierKey, since: early });
    expect({ ...report, root: '' }).toEqual({
      origin: testOrigin,
      key: 'given',
      witnessed: null,
      beacons: { count: 0, vouched: 0, fromS: null, untilS: null },
      records: 564,
      checkpointed: 564,
      expired: 0,
      overdue: [],
      root: '',
      openIntents: 0,
      unfinishedBytes: 0,
      problems: [],
    });
    expect(readFileSync(join(whole, 'checkpoint'), 'utf8')).toContain(`\n564\n${report.root}\n`);
  });

  test('finds any flipped bit in any file', async () => {
    expect(files.length).toBeGreaterThan(12);
    for (const name of files) {
      const original = readFileSync(join(whole, name));
      await fc.assert(
        fc.asyncProperty(fc.nat(original.length - 1), fc.nat(7), async (at, bit) => {
          const changed = Buffer.from(original);
          changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
          writeFileSync(join(work, name), changed);
          const { problems } = await verifyLog({ directory: work });
          writeFileSync(join(work, name), original);
          expect(problems.length).toBeGreaterThan(0);
        }),
        { numRuns: 3 },
      );
    }
  });

  test('finds any file that was cut or emptied', async () => {
    for (const name of files) {
      const original = readFileSync(join(whole, name));
      for (const length of [0, original.length - 1]) {
        writeFileSync(join(work, name), original.subarray(0, length));
        const { problems } = await verifyLog({ directory: work });
        // The line break behind a verifier key carries nothing.
        if (name !== 'log.vkey' || length === 0) expect(problems.length, `${name} cut to ${length}`).toBeGreaterThan(0);
      }
      writeFileSync(join(work, name), original);
    }
  });

  test('finds any file that is gone, but for the partial tiles of earlier checkpoints', async () => {
    for (const name of files) {
      rmSync(join(work, name));
      const { problems } = await verifyLog({ directory: work });
      cpSync(join(whole, name), join(work, name));
      const isSuperseded = /\.p\//.test(name) && !/\/(564|52|2)$/.test(name);
      if (!isSuperseded) expect(problems.length, `${name} removed`).toBeGreaterThan(0);
    }
  });

  test('finds any two files of a kind that were swapped', async () => {
    const kinds = ['segments/', 'epochs/', 'tile/0/', 'tile/entries/'];
    for (const kind of kinds) {
      const [one = '', other = ''] = files.filter((name) => name.startsWith(kind));
      const swap = (): void => {
        renameSync(join(work, one), join(work, 'aside'));
        renameSync(join(work, other), join(work, one));
        renameSync(join(work, 'aside'), join(work, other));
      };
      swap();
      const { problems } = await verifyLog({ directory: work });
      expect(problems.length, kind).toBeGreaterThan(0);
      swap();
    }
    expect((await verifyLog({ directory: work })).problems).toEqual([]);
  });

  test('a log put back to an earlier state is sound in itself, and found by a later checkpoint', async () => {
    const late = readFileSync(join(whole, 'checkpoint'), 'utf8');
    const log = await openTestLog(join(root, 'young'), { startWriter: inlineWriter(nodeFs) });
    await log.close();
    const { problems } = await verifyLog({ directory: join(root, 'young'), since: late });
    expect(problems).toEqual([
      { check: 'tree', place: 'checkpoint', what: 'it covers 2 records, the earlier one 564: the log was rolled back' },
    ]);
  });

  test('a log written anew is found by an earlier checkpoint', async () => {
    const other = join(root, 'forged');
    const log = await openTestLog(other, { startWriter: inlineWriter(nodeFs) });
    for (let i = 0; i < 300; i++) await log.append(intentEntry(`x-${i}`));
    await log.close();
    const { problems } = await verifyLog({ directory: other, since: early });
    expect(problems).toEqual([
      { check: 'tree', place: 'earlier checkpoint', what: 'the first 282 records are not those that it covers' },
    ]);
  });

  // A link to itself stands for whatever cannot be read: rights do not bind the user that tests may run as.
  test.each(['segments', 'kept', 'checkpoint', 'log.vkey'])('%s that cannot be read is no verdict', async (name) => {
    rmSync(join(work, name), { recursive: true, force: true });
    symlinkSync(name, join(work, name));
    await expect(verifyLog({ directory: work })).rejects.toMatchObject({ code: 'ELOOP' });
  });

  test('shares no code with the writer', () => {
    const folder = 'src/audit';
    const imports = readdirSync(folder)
      // The thread that verification can run in is no part of it.
      .filter((name) => name.startsWith('verify') && !/^verify-(thread|worker)/.test(name))
      .flatMap((name) =>
        [...readFileSync(join(folder, name), 'utf8').matchAll(/from '([^']+)'/g)].map((match) => match[1]),
      );
    expect(imports.length).toBeGreaterThan(8);
    expect(imports.filter((from) => !/^(node:|\.\/verify)/.test(from ?? ''))).toEqual([]);
  });

  test.each([
    { name: 'nothing there', act: () => rmSync(work, { recursive: true }), want: 'log.vkey' },
    { name: 'another key given', verifierKey: 'x+00000000+AAAA', want: 'verifier key' },
  ])('says what it misses: $name', async ({ act, verifierKey, want }) => {
    act?.();
    const options = verifierKey === undefined ? { directory: work } : { directory: work, verifierKey };
    const { problems } = await verifyLog(options);
    expect(problems[0]).toEqual({ check: 'tree', place: want, what: 'it is not a verifier key (name+hash+key)' });
  });
});
