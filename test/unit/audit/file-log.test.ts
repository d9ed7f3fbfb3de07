import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findRecords, lastRecords, openBodies, readRecords } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { intentEntry, openTestLog, outcomeEntry, testKeys, testOrigin } from '../../support/audit.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function kindsOnRecord(): Promise<string[]> {
  const kinds: string[] = [];
  for await (const record of readRecords(directory)) kinds.push(record.kind);
  return kinds;
}

describe('file log', () => {
  test('acknowledges in order, and goes on after a restart', async () => {
    const first = await openTestLog(directory);
    const receipts = await Promise.all([first.append(intentEntry('x-1')), first.append(intentEntry('x-2'))]);
    expect(receipts.map((receipt) => receipt.sequence)).toEqual([1n, 2n]);
    await first.append(outcomeEntry('x-1'));
    await first.close();
    expect(first.health()).toEqual({
      state: 'closed',
      reason: 'the audit log is closed',
      records: 5,
      checkpointed: 5,
      pendingRecords: 0,
      pendingBytes: 0,
    });

    const second = await openTestLog(directory);
    expect((await second.append(intentEntry('x-3'))).sequence).toBe(7n);
    await second.append(outcomeEntry('x-3'));
    await second.close();
    expect(await kindsOnRecord()).toEqual([
      ...['open', 'intent', 'intent', 'outcome', 'close'],
      ...['open', 'aborted', 'intent', 'outcome', 'close'],
    ]);
    expect(await verifyLog({ directory })).toMatchObject({
      origin: testOrigin,
      key: 'beside the log',
      records: 10,
      checkpointed: 10,
      openIntents: 0,
      unfinishedBytes: 0,
      problems: [],
    });
  });

  test('what was put in can be found, and opened with the key', async () => {
    const log = await openTestLog(directory);
    const { id } = await log.append(intentEntry('x-1', 'the very prompt'));
    await log.append(outcomeEntry('x-1'));
    await log.close();

    const found = await findRecords(directory, 'x-1');
    expect(found.map(({ kind, sequence }) => [kind, sequence])).toEqual([
      ['intent', 1],
      ['outcome', 2],
    ]);
    const [intent] = await findRecords(directory, id);
    expect(intent?.facts).toEqual({ decision: { action: 'allow' } });
    expect(intent?.manifestBytes.toString()).not.toContain('the very prompt');
    const bodies = intent ? await openBodies(directory, intent, testKeys()) : [];
    expect(bodies.map(({ name, content }) => [name, content.toString()])).toEqual([
      ['caller', '{"id":"alice"}'],
      ['prompt_original', 'the very prompt'],
    ]);
    expect((await lastRecords(directory, 2)).map((record) => record.kind)).toEqual(['outcome', 'close']);
  });
});
