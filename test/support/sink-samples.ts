import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { nodeFs } from '../../src/audit/fs-port.ts';
import { readRecords, type StoredRecord } from '../../src/audit/read.ts';
import { bareEntry, intentEntry, openTestLog } from './audit.ts';
import { inlineWriter } from './audit-fs.ts';
import { completeOutcome, maskedIntent, refusedOutcome } from './sink-log.ts';

/** One record of every kind and decision that there is, as the log gives them back. */
export async function sampleRecords(): Promise<readonly StoredRecord[]> {
  const directory = mkdtempSync(join(tmpdir(), 'samples-'));
  const log = await openTestLog(directory, {
    startWriter: inlineWriter(nodeFs),
    openFacts: { version: '1.2.3', config: 'c-1', node: '20.0.0' },
  });
  for (const entry of entries) await log.append(entry);
  await log.close();
  const records: StoredRecord[] = [];
  for await (const record of readRecords(directory)) records.push(record);
  rmSync(directory, { recursive: true });
  return records;
}

const approval = (to: string, decisions: AuditEntry['facts'][string]): AuditEntry => ({
  kind: 'approval',
  exchange: 'exchange-3',
  session: 'session-1',
  facts: {
    approval: 'a-1',
    digest: 'd-1',
    from: to === 'pending' ? null : 'pending',
    to,
    version: 1,
    rules: ['production'],
    policy: { revision: `sha256:${'ab'.repeat(32)}` },
    decisions,
  },
  bodies: {},
});

const bob = {
  by: { issuer: 'https://idp.example.com', id: 'bob' },
  groups: ['leads'],
  verdict: 'approve',
  reason: 'agreed',
  at: '2026-11-21T10:00:00.000Z',
};

const entries: readonly AuditEntry[] = [
  { ...bareEntry('policy'), facts: { revision: `sha256:${'ab'.repeat(32)}`, previous: null, event: 'loaded' } },
  { ...bareEntry('policy'), facts: { event: 'refused', code: 'policy_failed' } },
  { ...bareEntry('config'), facts: { event: 'changed' } },
  intentEntry('exchange-1'),
  { ...bareEntry('aborted'), exchange: 'exchange-1', facts: { cause: 'process_ended', intent: 'r-1' } },
  maskedIntent('exchange-2'),
  completeOutcome('exchange-2'),
  approval('pending', []),
  refusedOutcome('exchange-3', 'approval_pending'),
  approval('approved', [bob]),
  refusedOutcome('exchange-4'),
  refusedOutcome('exchange-5', 'approval_rejected'),
  refusedOutcome('exchange-6', 'audit_unavailable'),
  { ...bareEntry('access'), facts: { reason: 'ticket 7', record: 'r-2' } },
  { ...bareEntry('recovery'), facts: { cut_bytes: 3, reason: 'unfinished write' } },
];
