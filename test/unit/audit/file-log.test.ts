import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { type FileLog, openFileLog } from '../../../src/audit/file-log.ts';
import { createAuditKeys } from '../../../src/audit/keys.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../../../src/lib/ids.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';

const random = createPooledRandom();
const keys = createAuditKeys({ kek: Buffer.alloc(32, 1), signingSeed: Buffer.alloc(32, 2) }, random);

function openLog(directory: string): Promise<FileLog> {
  return openFileLog({
    directory,
    origin: 'audit.example.com/test/gw-0',
    keys,
    clock: systemClock,
    random,
    newId: createUuidV7(systemClock, random),
    observe: { log: silentLog, metrics: noMetrics },
    limits: { freeBytesMin: 0 },
  });
}

function intent(exchange: string): AuditEntry {
  return {
    kind: 'intent',
    exchange,
    session: 's-1',
    facts: { decision: 'allow' },
    bodies: { prompt_original: { mediaType: 'application/json', bytes: Buffer.from('{"prompt":"hello"}') } },
  };
}

describe('file log', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'audit-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('acknowledges in order, and goes on after a restart', async () => {
    const first = await openLog(directory);
    const receipts = await Promise.all([first.append(intent('x-1')), first.append(intent('x-2'))]);
    expect(receipts.map((receipt) => receipt.sequence)).toEqual([1n, 2n]);
    await first.append({ kind: 'outcome', exchange: 'x-1', session: 's-1', facts: {}, bodies: {} });
    await first.close();
    expect(first.health()).toMatchObject({ state: 'closed', records: 5, checkpointed: 5 });

    const second = await openLog(directory);
    // 0 open, 1 and 2 intents, 3 outcome, 4 close; 5 open, 6 aborted for x-2.
    expect((await second.append(intent('x-3'))).sequence).toBe(7n);
    await second.close();
  });
});
