import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { openTestLog } from '../support/audit.ts';
import { cli, jsonLines } from '../support/cli.ts';
import { completeOutcome, maskedIntent } from '../support/sink-log.ts';

const root = mkdtempSync(join(tmpdir(), 'search-'));
afterAll(() => rmSync(root, { recursive: true }));

const decisions = [
  { by: { id: 'bob' }, verdict: 'approve', groups: ['approvers'], reason: 'agreed', at: '2026-11-21T10:00:00.000Z' },
];

function approval(from: string | null, to: string): AuditEntry {
  const facts = { approval: 'a-1', from, to, tenant: 'acme', decisions: to === 'pending' ? [] : decisions };
  return { kind: 'approval', exchange: 'x-1', session: 'session-1', facts, bodies: {} };
}

/** Held, approved and repeated within one session; and beside it a log of another writer. */
beforeAll(async () => {
  const one = await openTestLog(join(root, 'one'));
  await one.append(approval(null, 'pending'));
  await one.append(approval('pending', 'approved'));
  await one.append(approval('approved', 'consumed'));
  const intent = maskedIntent('x-2');
  await one.append({ ...intent, facts: { ...intent.facts, approval: { id: 'a-1', state: 'consumed', decisions } } });
  await one.append(completeOutcome('x-2'));
  await one.close();
  const other = await openTestLog(join(root, 'other'));
  await other.append({ ...maskedIntent('y-1'), session: 'session-2' });
  await other.close();
});

async function kinds(...options: readonly string[]): Promise<unknown[]> {
  const { stdout } = await cli(['audit', 'search', root, ...options, '--json']);
  return jsonLines(stdout).map(({ kind }) => kind);
}

describe('a search over the logs of several writers', () => {
  test.each([
    { by: ['--approver', 'bob'], want: ['approval', 'approval', 'intent'] },
    { by: ['--approver', 'alice'], want: [] },
    { by: ['--ended', 'complete'], want: ['outcome'] },
    { by: ['--policy', 'sha256:abab'], want: ['intent', 'intent'] },
    { by: ['--tenant', 'acme', '--kind', 'approval'], want: ['approval', 'approval', 'approval'] },
    { by: ['--session', 'session-2'], want: ['intent'] },
    { by: ['--model', 'scripted-1', '--entity', 'CREDIT_CARD', '--group', 'engineering'], want: ['intent', 'intent'] },
  ])('by $by', async ({ by, want }) => {
    expect(await kinds(...by)).toEqual(want);
  });

  test('says when there is more than it shows', async () => {
    const found = await cli(['audit', 'search', root, '--kind', 'intent', '--limit', '1']);
    expect([found.code, found.stdout.trim().split('\n').length, found.stderr]).toEqual([
      0,
      1,
      'countersign: the last 1 of 2 that fit; see --limit\n',
    ]);
  });
});

test('an approval counts once in its session, however many records tell of it', async () => {
  const { stdout } = await cli(['audit', 'sessions', root, '--json']);
  expect(jsonLines(stdout).map(({ session, approvals, exchanges }) => [session, approvals, exchanges])).toEqual([
    ['session-1', 1, 1],
    ['session-2', 0, 1],
  ]);
});

test('a report counts what happened, in words that a person reads', async () => {
  const { code, stdout } = await cli(['audit', 'report', join(root, 'other')]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^from the beginning until /m);
  expect(stdout).toMatch(/^3 records of 1 exchange by 1 subject$/m);
});
