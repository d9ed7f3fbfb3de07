import type { Approval, Person } from '../approval/approval.ts';
import { type Actor, entitlingGroups, forcingGroups } from '../approval/state-machine.ts';
import type { Subject } from '../identity/subject.ts';

export function personOf(subject: Subject): Person {
  return { issuer: subject.issuer, id: subject.id, displayName: subject.displayName };
}

export function actorOf(subject: Subject): Actor {
  return { person: personOf(subject), kind: subject.kind, tenant: subject.tenant, groups: subject.groups };
}

/**
 * Who may see an approval: its requester and the person it was requested for, who may decide about it or force it, and
 * auditors of the tenant. To everybody else it does not exist.
 */
export function maySee(subject: Subject, approval: Approval, auditorGroups: readonly string[]): boolean {
  if (!isOf(subject, approval)) return false;
  const actor = actorOf(subject);
  return (
    isOwn(subject, approval) ||
    entitlingGroups(approval, actor).length > 0 ||
    forcingGroups(approval, actor).length > 0 ||
    subject.groups.some((group) => auditorGroups.includes(group))
  );
}

/**
 * The approval as this caller may read it: where the terms do not return reasons, who asked for it does not read those of others, unless
 * as an auditor.
 */
export function asSeenBy(subject: Subject, approval: Approval, auditorGroups: readonly string[]): Approval {
  if (approval.terms.returnReason || !isOwn(subject, approval)) return approval;
  if (subject.groups.some((group) => auditorGroups.includes(group))) return approval;
  const isTheirs = ({ issuer, id }: Person) => issuer === subject.issuer && id === subject.id;
  return {
    ...approval,
    decisions: approval.decisions.map((made) => (isTheirs(made.by) ? made : { ...made, reason: null })),
  };
}

/** Whether the caller asked for it, or it was asked for on the caller's behalf. */
export function isOwn(subject: Subject, approval: Approval): boolean {
  const { requester, onBehalfOf } = approval.held;
  return (
    isOf(subject, approval) &&
    subject.issuer === requester.issuer &&
    (subject.id === requester.id || (onBehalfOf ?? '') === subject.id)
  );
}

/** Whether the caller is anybody, and of the approval's tenant. */
function isOf(subject: Subject, approval: Approval): boolean {
  return subject.authenticated && subject.id !== '' && subject.tenant === approval.held.tenant;
}
