import type { Approval, Person } from '../approval/approval.ts';
import { type Notice, type NoticeEvent, noticeOf } from '../approval/notice/notice.ts';
import {
  approve,
  breakGlass,
  cancel,
  create,
  expire,
  type Intention,
  revoke,
  type Step,
} from '../approval/state-machine.ts';
import { invariant, unreachable } from '../lib/invariant.ts';
import type { HoldTerms } from '../policy/decision.ts';

/** An approval that never was, in the state in which people would be told of it. */
export function sampleNotice(
  event: NoticeEvent,
  nowMs: number,
  { group, rule }: { readonly group: string; readonly rule: string },
): { readonly notice: Notice; readonly from: string | null } {
  const held = {
    tenant: 'example',
    requester: person('alice', 'Alice Example'),
    requesterKind: 'human' as const,
    onBehalfOf: null,
    excluded: [],
    resource: { host: 'api.example.com', path: '/v1/chat/completions', dialect: 'openai.chat', model: 'example-1' },
    direction: 'request' as const,
    exchange: '00000000-0000-7000-8000-000000000001',
    session: 'sample',
    rules: [rule],
    reasons: ['This is a sample: nothing is held.'],
    requesterReason: null,
    findings: [{ entity: 'CREDIT_CARD', count: 1 }],
    maskedView: 'user: This is a sample with the card CREDIT_CARD_0000000000.',
    policyRevision: `sha256:${'0'.repeat(64)}`,
  };
  const terms: HoldTerms = {
    approverGroups: [group],
    groupMatch: 'any',
    quorum: 1,
    ttlS: 3_600,
    waitS: 50,
    grant: { uses: 1, ttlS: 600 },
    requireReason: false,
    requireRequesterReason: false,
    returnReason: true,
    allowSelf: false,
    breakGlassGroups: [group],
  };
  const pending = create('00000000-0000-7000-8000-000000000000', '0'.repeat(64), held, terms, nowMs);
  const says = (who: Person, groups: readonly string[]): Intention => ({
    by: { person: who, kind: 'human', tenant: held.tenant, groups },
    reason: 'A sample.',
    atMs: nowMs,
  });
  const bob = says(person('bob', 'Bob Example'), [group]);
  const made = (step: Step): Approval => {
    invariant(step.ok, 'the sample is a legal history');
    return step.value;
  };
  const told = (approval: Approval, before: Approval | null) => {
    const notice = noticeOf(approval, before, nowMs);
    invariant(notice !== null, 'people are told of each event');
    return { notice, from: before?.state ?? null };
  };
  switch (event) {
    case 'created':
      return told(pending, null);
    case 'decided':
      return told(made(approve(pending, bob)), pending);
    case 'break_glass':
      return told(made(breakGlass(pending, bob)), pending);
    case 'expired':
      return told(made(expire(pending, pending.pendingUntilMs)), pending);
    case 'cancelled':
      return told(made(cancel(pending, says(held.requester, []))), pending);
    case 'revoked': {
      const approved = made(approve(pending, bob));
      return told(made(revoke(approved, bob)), approved);
    }
    default:
      return unreachable(event);
  }
}

function person(id: string, displayName: string): Person {
  return { issuer: 'https://issuer.example.com', id, displayName };
}
