import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readFrame } from '../../../src/audit/frame.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { rawPublicKey } from '../../../src/audit/keys.ts';
import { type Recovered, recover } from '../../../src/audit/recover.ts';
import { intentEntry, openTestLog, outcomeEntry, testKeys, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-recover-'));
/** As a crash left it: six records in two segments, the checkpoint covers none of the second run. */
const crashed = join(root, 'crashed');
const work = join(root, 'work');
let tail = '';
/** Offsets at which the records of the last segment begin, and its end. */
let offsets: number[] = [];

beforeAll(async () => {
  const log = await openTestLog(join(root, 'log'), { startWriter: inlineWriter(nodeFs) });
  await log.append(intentEntry('x-1'));
  await log.close();
  const again = await openTestLog(join(root, 'log'), {
    startWriter: inlineWriter(nodeFs),
    limits: { checkpointIntervalMs: 60_000 },
  });
  await Promise.all([again.append(intentEntry('x-2')), again.append(outcomeEntry('x-2'))]);
  await again.append(intentEntry('x-3'));
  cpSync(join(root, 'log'), crashed, { recursive: true });
  await again.close();
  tail = readdirSync(join(crashed, 'segments')).at(-1) ?? '';
  const bytes = readFileSync(join(crashed, 'segments', tail));
  for (let frame = readFrame(bytes, 0); frame !== null; frame = readFrame(bytes, frame.end)) offsets.push(frame.offset);
  offsets = [...offsets.slice(1), bytes.length];
});
beforeEach(() => {
  rmSync(work, { recursive: true, force: true });
  cpSync(crashed, work, { recursive: true });
});
afterAll(() => rmSync(root, { recursive: true }));

function recovered(fs = nodeFs): Recovered {
  const { signingKey } = testKeys();
  return recover(fs, work, testOrigin, signingKey, rawPublicKey(signingKey));
}

function edit(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(join(work, path));
  change(bytes);
  writeFileSync(join(work, path), bytes);
}

describe('recovery', () => {
  test('finds where the run before stopped', () => {
    const { nextSequence, openIntents, cutBytes, checkpointSize, uncovered, tree } = recovered();
    // 0 open, 1 intent, 2 close | 3 open, 4 aborted x-1, 5 intent, 6 outcome, 7 intent.
    expect({ nextSequence, cutBytes, checkpointSize, size: tree.size, uncovered: uncovered.length }).toEqual({
      nextSequence: 8,
      cutBytes: 0,
      checkpointSize: 3,
      size: 3,
      uncovered: 5,
    });
    expect([...openIntents.keys()]).toEqual(['x-3']);
  });

  test('cuts a last write torn at any byte, and nothing before it', () => {
    const path = join(work, 'segments', tail);
    const [start = 0, end = 0] = offsets.slice(-2);
    const whole = readFileSync(path);
    // A thousand times without the syncs.
    const quick = { ...nodeFs, truncate: truncateSync, rewrite: () => undefined };
    for (let at = end - 1; at >= start; at--) {
      writeFileSync(path, whole.subarray(0, at));
      const { nextSequence, cutBytes, openIntents } = recovered(quick);
      expect({ nextSequence, cutBytes, open: openIntents.size }).toEqual({
        nextSequence: 7,
        cutBytes: at - start,
        open: 0,
      });
      expect(statSync(path).size).toBe(start);
    }
  });

  test.each([
    { name: 'zeroes', fill: (bytes: Buffer) => bytes.fill(0) },
    { name: 'stale bytes', fill: (bytes: Buffer) => bytes.fill('CSR1') },
  ])('cuts a tail of $name', ({ fill }) => {
    const [start = 0, end = 0] = offsets.slice(-2);
    edit(`segments/${tail}`, (bytes) => fill(bytes.subarray(start)));
    expect(recovered()).toMatchObject({ nextSequence: 7, cutBytes: end - start });
  });

  test('cuts a tail in a block that held an earlier record: it is intact, and not later', () => {
    const path = join(work, 'segments', tail);
    const whole = readFileSync(path);
    const [first = 0, second = 0] = offsets;
    const [start = 0] = offsets.slice(-2);
    const stale = whole.subarray(first, second);
    writeFileSync(path, Buffer.concat([whole.subarray(0, start + 40), stale, whole.subarray(0, first)]));
    expect(recovered()).toMatchObject({ nextSequence: 7, cutBytes: 40 + stale.length + first });
    // Also where it begins exactly behind the last whole record.
    writeFileSync(path, Buffer.concat([whole.subarray(0, start), stale]));
    expect(recovered()).toMatchObject({ nextSequence: 7, cutBytes: stale.length });
    // But not when later records follow: then it was written over what had been synced.
    writeFileSync(path, Buffer.concat([whole.subarray(0, second), stale, whole.subarray(start)]));
    expect(() => recovered()).toThrow('the audit log is damaged');
  });

  test('a write of several records, torn in its first: the records behind it were never acknowledged either', () => {
    // Records 5 and 6 went to disk in one write; the file ends behind them.
    const [first = 0, , end = 0] = offsets.slice(2, 5);
    truncateSync(join(work, 'segments', tail), end);
    edit(`segments/${tail}`, (bytes) => bytes.fill(0, first, first + 10));
    expect(recovered()).toMatchObject({ nextSequence: 5, cutBytes: end - first });
  });

  test('a segment with nothing but its header, or less, is taken away', () => {
    const path = join(work, 'segments', tail);
    const [first = 0] = offsets;
    for (const length of [first, first - 1, 0]) {
      cpSync(join(crashed, 'segments', tail), path);
      truncateSync(path, length);
      expect(recovered().nextSequence).toBe(3);
      expect(readdirSync(join(work, 'segments'))).toHaveLength(1);
    }
  });

  test('every byte of an earlier write that was changed stops the start', () => {
    const [first = 0, second = 0] = offsets;
    for (let at = 0; at < second; at += at < first ? 7 : 13) {
      cpSync(join(crashed, 'segments', tail), join(work, 'segments', tail));
      edit(`segments/${tail}`, (bytes) => bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at));
      expect(() => recovered(), `byte ${at}`).toThrow('the audit log is damaged');
    }
  });

  test.each([
    {
      name: 'records under the checkpoint are gone',
      act: () => {
        rmSync(join(work, 'segments', tail));
        edit('checkpoint', () => undefined);
        const [first = ''] = readdirSync(join(work, 'segments'));
        truncateSync(join(work, 'segments', first), 600);
      },
      want: /rollback: the checkpoint covers 3 records, the segments hold [01]/,
    },
    {
      name: 'a segment is not where its name says',
      act: () => renameSync(join(work, 'segments', tail), join(work, 'segments', tail.replace('3', '4'))),
      want: '0000000000000004.seg stands where the segment of record 3 should',
    },
    {
      name: 'the checkpoint is of another key',
      act: () =>
        edit('checkpoint', (bytes) => {
          const at = bytes.length - 10;
          bytes.write(bytes.toString('latin1', at, at + 1) === 'A' ? 'B' : 'A', at);
        }),
      want: 'the checkpoint cannot be taken over: its signature does not verify',
    },
    {
      name: 'the checkpoint is no note',
      act: () => writeFileSync(join(work, 'checkpoint'), 'x'),
      want: 'the checkpoint cannot be taken over: it is not a signed note',
    },
    {
      name: 'a tile is gone',
      act: () => rmSync(join(work, 'tile/0/000.p/3')),
      want: 'tile/0/000.p/3 is missing',
    },
    {
      name: 'a tile was changed',
      act: () => edit('tile/0/000.p/3', (bytes) => bytes.fill(1, 0, 1)),
      want: 'the tiles do not have the root that the checkpoint signs',
    },
    {
      name: 'an entry was changed',
      act: () => edit('tile/entries/000.p/3', (bytes) => bytes.fill(1, 5, 6)),
      want: 'tile/entries/000.p/3 does not hold the leaves that the checkpoint covers',
    },
    {
      name: 'something else lies among the segments',
      act: () => writeFileSync(join(work, 'segments', 'x'), ''),
      want: 'x among the segments is none',
    },
  ])('refuses: $name', ({ act, want }) => {
    act();
    expect(() => recovered()).toThrow(want);
  });
});
