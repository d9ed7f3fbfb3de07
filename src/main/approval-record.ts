import type { Approval } from '../approval/approval.ts';
import { isForced } from '../approval/state-machine.ts';
import type { AuditEntry } from '../audit/entry.ts';

/** What the record says of a transition of an approval: who, which groups, when, why, over what. No text of the request. */
export function approvalEntry(approval: Approval, before: Approval | null): AuditEntry {
  const { held, terms } = approval;
  return {
    kind: 'approval',
    exchange: held.exchange,
    session: held.session,
    facts: {
      approval: approval.id,
      digest: approval.digest,
      tenant: held.tenant,
      ...(held.direction === 'request' ? {} : { direction: held.direction }),
      from: before?.state ?? null,
      to: approval.state,
      version: approval.version,
      rules: held.rules,
      policy: { revision: held.policyRevision },
      terms: {
        approver_groups: terms.approverGroups,
        quorum: terms.quorum,
        uses: terms.grant.uses,
        require_reason: terms.requireReason,
        group_match: terms.groupMatch,
        ...(terms.allowSelf ? { self_approval_allowed: true } : {}),
      },
      // Once, and with what is sensitive in it labelled: as reviewers see it.
      ...(before === null && held.requesterReason !== null ? { requester_reason: held.requesterReason } : {}),
      uses_left: approval.usesLeft,
      ...(isForced(approval) ? { forced: true } : {}),
      decisions: approval.decisions.map(({ by, groups, verdict, reason, atMs, isOwn }) => ({
        by: { issuer: by.issuer, id: by.id },
        groups,
        verdict,
        reason,
        at: new Date(atMs).toISOString(),
        ...(isOwn === true ? { own_request: true } : {}),
      })),
    },
    bodies: {},
  };
}
