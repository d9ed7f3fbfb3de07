import {
  type Approval,
  Direction,
  GroupMatch,
  RequesterKind,
  State,
  Verdict,
} from '../gen/countersign/approval/v1/approval.ts';
import type { JsonObject } from '../lib/json.ts';

/** An approval for scripts: snake_case as in the proto, enums as lower-case words, times in ISO 8601, durations in seconds. */
export function approvalJson(approval: Approval): JsonObject {
  return {
    id: approval.id,
    digest: approval.digest,
    state: stateName(approval.state),
    version: approval.version,
    tenant: approval.tenant,
    requester: personJson(approval.requester),
    requester_kind: word(RequesterKind, approval.requesterKind, 'REQUESTER_KIND_'),
    on_behalf_of: approval.onBehalfOf,
    resource: {
      host: approval.resource?.host ?? '',
      path: approval.resource?.path ?? '',
      dialect: approval.resource?.dialect ?? '',
      model: approval.resource?.model ?? '',
    },
    direction: word(Direction, approval.direction, 'DIRECTION_'),
    exchange: approval.exchange,
    session: approval.session,
    rules: approval.rules,
    reasons: approval.reasons,
    requester_reason: approval.requesterReason,
    findings: approval.findings.map(({ entity, count }) => ({ entity, count })),
    masked_view: approval.maskedView,
    policy_revision: approval.policyRevision,
    terms: {
      approver_groups: approval.terms?.approverGroups ?? [],
      quorum: approval.terms?.quorum ?? 0,
      grant_uses: approval.terms?.grantUses ?? 0,
      grant_ttl_s: Number(approval.terms?.grantTtl?.seconds ?? 0),
      require_reason: approval.terms?.requireReason ?? false,
      group_match: word(GroupMatch, approval.terms?.groupMatch ?? 0, 'GROUP_MATCH_'),
      break_glass_groups: approval.terms?.breakGlassGroups ?? [],
      allow_self_approval: approval.terms?.allowSelfApproval ?? false,
      return_reason: approval.terms?.returnReason ?? false,
    },
    create_time: approval.createTime?.toISOString() ?? null,
    pending_until: approval.pendingUntil?.toISOString() ?? null,
    grant_until: approval.grantUntil?.toISOString() ?? null,
    uses_left: approval.usesLeft,
    time_left_s: approval.timeLeft === undefined ? null : Number(approval.timeLeft.seconds),
    forced: approval.forced,
    approvals_missing: approval.approvalsMissing,
    groups_missing: approval.groupsMissing,
    decisions: approval.decisions.map((decision) => ({
      by: personJson(decision.by),
      groups: decision.groups,
      verdict: word(Verdict, decision.verdict, 'VERDICT_'),
      reason: decision.reason,
      own_request: decision.ownRequest,
      decide_time: decision.decideTime?.toISOString() ?? null,
    })),
  };
}

export function stateName(state: State): string {
  return word(State, state, 'STATE_');
}

/** `approve`, `break_glass`. */
export function verdictName(verdict: Verdict): string {
  return word(Verdict, verdict, 'VERDICT_');
}

function personJson(
  person:
    | {
        readonly issuer: string;
        readonly id: string;
        readonly displayName: string;
      }
    | undefined,
): JsonObject {
  return {
    issuer: person?.issuer ?? '',
    id: person?.id ?? '',
    display_name: person?.displayName ?? '',
  };
}

function word(names: Readonly<Record<string, number>>, value: number, prefix: string): string {
  const found = Object.entries(names).find(([, number]) => number === value)?.[0] ?? '';
  return found.slice(prefix.length).toLowerCase();
}
