import type { Approval, ApprovalState, DecisionMade, HeldRequest, Person } from '../approval/approval.ts';
import { seatsOf } from '../approval/seats.ts';
import { deadlineMs, isForced } from '../approval/state-machine.ts';
import {
  type Approval as ApprovalMessage,
  type Decision as DecisionMessage,
  Direction,
  GroupMatch,
  type Person as PersonMessage,
  RequesterKind,
  State,
  Verdict,
} from '../gen/countersign/approval/v1/approval.ts';
import { unreachable } from '../lib/invariant.ts';
import type { HoldTerms } from '../policy/decision.ts';

/** An approval as the API shows it. */
export function approvalMessage(approval: Approval, nowMs: number): ApprovalMessage {
  const { held, terms } = approval;
  const untilMs = deadlineMs(approval);
  const seats = approval.state === 'pending' ? seatsOf(approval) : { missing: 0, groupsMissing: [] };
  return {
    id: approval.id,
    digest: approval.digest,
    state: stateMessages[approval.state],
    version: approval.version,
    tenant: held.tenant,
    requester: personMessage(held.requester),
    requesterKind: kindMessages[held.requesterKind],
    onBehalfOf: held.onBehalfOf ?? '',
    resource: { ...held.resource, model: held.resource.model ?? '' },
    direction: directionMessages[held.direction],
    exchange: held.exchange,
    session: held.session,
    rules: [...held.rules],
    reasons: [...held.reasons],
    requesterReason: held.requesterReason ?? '',
    findings: held.findings.map((finding) => ({ ...finding })),
    maskedView: held.maskedView,
    policyRevision: held.policyRevision,
    terms: {
      approverGroups: [...terms.approverGroups],
      quorum: terms.quorum,
      grantUses: terms.grant.uses,
      grantTtl: duration(terms.grant.ttlS * 1000),
      requireReason: terms.requireReason,
      groupMatch: groupMatchMessages[terms.groupMatch],
      breakGlassGroups: [...terms.breakGlassGroups],
      allowSelfApproval: terms.allowSelf,
      returnReason: terms.returnReason,
    },
    createTime: new Date(approval.createdAtMs),
    // Another replica's clock may be ahead of this one's.
    age: duration(Math.max(0, nowMs - approval.createdAtMs)),
    pendingUntil: new Date(approval.pendingUntilMs),
    grantUntil: approval.grantUntilMs === null ? undefined : new Date(approval.grantUntilMs),
    usesLeft: approval.usesLeft,
    decisions: approval.decisions.map(decisionMessage),
    forced: isForced(approval),
    timeLeft: untilMs === null ? undefined : duration(Math.max(0, untilMs - nowMs)),
    approvalsMissing: seats.missing,
    groupsMissing: [...seats.groupsMissing],
  };
}

/** The state that a filter names; null: every state. */
export function stateFilter(state: State): ApprovalState | null | 'unknown' {
  switch (state) {
    case State.STATE_UNSPECIFIED:
      return null;
    case State.STATE_PENDING:
      return 'pending';
    case State.STATE_APPROVED:
      return 'approved';
    case State.STATE_REJECTED:
      return 'rejected';
    case State.STATE_EXPIRED:
      return 'expired';
    case State.STATE_CANCELLED:
      return 'cancelled';
    case State.STATE_CONSUMED:
      return 'consumed';
    case State.STATE_REVOKED:
      return 'revoked';
    default:
      // Open on the wire: a later client may know more states.
      state satisfies never;
      return 'unknown';
  }
}

export const stateMessages: Readonly<Record<ApprovalState, State>> = {
  pending: State.STATE_PENDING,
  approved: State.STATE_APPROVED,
  rejected: State.STATE_REJECTED,
  expired: State.STATE_EXPIRED,
  cancelled: State.STATE_CANCELLED,
  consumed: State.STATE_CONSUMED,
  revoked: State.STATE_REVOKED,
};

const groupMatchMessages: Readonly<Record<HoldTerms['groupMatch'], GroupMatch>> = {
  any: GroupMatch.GROUP_MATCH_ANY,
  all: GroupMatch.GROUP_MATCH_ALL,
};

const directionMessages: Readonly<Record<HeldRequest['direction'], Direction>> = {
  request: Direction.DIRECTION_REQUEST,
  response: Direction.DIRECTION_RESPONSE,
  reveal: Direction.DIRECTION_REVEAL,
};

const kindMessages: Readonly<Record<HeldRequest['requesterKind'], RequesterKind>> = {
  human: RequesterKind.REQUESTER_KIND_HUMAN,
  service: RequesterKind.REQUESTER_KIND_SERVICE,
  anonymous: RequesterKind.REQUESTER_KIND_ANONYMOUS,
};

function decisionMessage(made: DecisionMade): DecisionMessage {
  return {
    by: personMessage(made.by),
    groups: [...made.groups],
    verdict: verdictMessage(made.verdict),
    reason: made.reason ?? '',
    decideTime: new Date(made.atMs),
    ownRequest: made.isOwn === true,
  };
}

function verdictMessage(verdict: DecisionMade['verdict']): Verdict {
  switch (verdict) {
    case 'approve':
      return Verdict.VERDICT_APPROVE;
    case 'reject':
      return Verdict.VERDICT_REJECT;
    case 'revoke':
      return Verdict.VERDICT_REVOKE;
    case 'cancel':
      return Verdict.VERDICT_CANCEL;
    case 'break_glass':
      return Verdict.VERDICT_BREAK_GLASS;
    default:
      return unreachable(verdict);
  }
}

function personMessage(person: Person): PersonMessage {
  return { issuer: person.issuer, id: person.id, displayName: person.displayName ?? '' };
}

function duration(ms: number): { seconds: bigint; nanos: number } {
  const whole = Math.round(ms);
  return { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1_000_000 };
}
