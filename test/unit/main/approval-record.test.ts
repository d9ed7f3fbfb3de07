import { describe, expect, test } from 'vitest';
import type { Approval } from '../../../src/approval/approval.ts';
import {
  approve,
  breakGlass,
  cancel,
  consume,
  create,
  expire,
  revoke,
  type Step,
} from '../../../src/approval/state-machine.ts';
import { approvalEntry } from '../../../src/main/approval-record.ts';
import { actor, held, startMs, terms } from '../../support/approvals.ts';

const asked = create(
  'a',
  'digest',
  held({
    requesterReason: 'the release of [EMAIL_1]',
    rules: ['hold_production_changes'],
    policyRevision: 'sha256:01',
  }),
  terms({ breakGlassGroups: ['oncall'], grant: { uses: 2, ttlS: 300 } }),
  startMs,
);
const approved = taken(approve(asked, { by: actor('ada'), reason: 'seen it', atMs: startMs + 1 }));
const at = (ms: number): string => new Date(startMs + ms).toISOString();
const facts = (after: Approval, before: Approval | null) => approvalEntry(after, before).facts;

describe('what the record says of an approval', () => {
  test('every transition: over what, by which rule, under which policy and terms', () => {
    for (const [after, before] of [
      [asked, null],
      [approved, asked],
      [taken(consume(approved, startMs + 2)), approved],
    ] as const) {
      expect(approvalEntry(after, before)).toMatchObject({
        kind: 'approval',
        exchange: asked.held.exchange,
        session: asked.held.session,
        bodies: {},
        facts: {
          approval: 'a',
          digest: 'digest',
          tenant: asked.held.tenant,
          from: before?.state ?? null,
          to: after.state,
          version: after.version,
          rules: ['hold_production_changes'],
          policy: { revision: 'sha256:01' },
          terms: { approver_groups: asked.terms.approverGroups, quorum: 1, uses: 2 },
          uses_left: after.usesLeft,
        },
      });
    }
  });

  test('who decided, by which groups, when and why', () => {
    const by = { issuer: actor('ada').person.issuer, id: 'ada' };
    expect(facts(approved, asked)['decisions']).toEqual([
      { by, groups: ['reviewers'], verdict: 'approve', reason: 'seen it', at: at(1) },
    ]);
    const revoked = taken(revoke(approved, { by: actor('ada'), reason: 'not so', atMs: startMs + 2 }));
    expect(facts(revoked, approved)['decisions']).toEqual([
      { by, groups: ['reviewers'], verdict: 'approve', reason: 'seen it', at: at(1) },
      { by, groups: ['reviewers'], verdict: 'revoke', reason: 'not so', at: at(2) },
    ]);
    const cancelled = taken(cancel(asked, { by: actor('rita', []), reason: null, atMs: startMs + 1 }));
    expect(facts(cancelled, asked)['decisions']).toMatchObject([{ by: { id: 'rita' }, groups: [], verdict: 'cancel' }]);
    expect(facts(taken(expire(asked, asked.pendingUntilMs)), asked)['decisions']).toEqual([]);
  });

  test('why it was asked for, once, as a reviewer sees it', () => {
    expect(facts(asked, null)['requester_reason']).toBe('the release of [EMAIL_1]');
    expect(facts(approved, asked)).not.toHaveProperty('requester_reason');
    const silent = { ...asked, held: held() };
    expect(facts(silent, null)).not.toHaveProperty('requester_reason');
  });

  test('that it was forced, from then on', () => {
    const olga = { by: actor('olga', ['oncall']), reason: 'production is down', atMs: startMs + 1 };
    const forced = taken(breakGlass(asked, olga));
    expect(facts(forced, asked)).toMatchObject({
      forced: true,
      decisions: [{ groups: ['oncall'], verdict: 'break_glass' }],
    });
    expect(facts(taken(consume(forced, startMs + 2)), forced)).toMatchObject({ forced: true });
    expect(facts(approved, asked)).not.toHaveProperty('forced');
  });

  test('that somebody decided about a request of its own, which the rule allowed', () => {
    const own = create('a', 'digest', held(), terms({ allowSelf: true }), startMs);
    const decided = taken(approve(own, { by: actor('rita'), reason: null, atMs: startMs + 1 }));
    expect(facts(decided, own)).toMatchObject({
      terms: { self_approval_allowed: true },
      decisions: [{ by: { id: 'rita' }, own_request: true }],
    });
  });

  test('nothing of the texts', () => {
    const view = 'user: a text that is masked';
    const seen = create('a', 'digest', held({ maskedView: view }), terms(), startMs);
    expect(JSON.stringify(approvalEntry(seen, null))).not.toContain('a text that is masked');
  });
});

function taken(step: Step): Approval {
  if (!step.ok) throw new Error(step.error.kind);
  return step.value;
}
