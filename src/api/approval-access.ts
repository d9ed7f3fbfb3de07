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
  if (!subject.authenticated || subject.id === '' || subject.tenant !== approval.held.tenant) return false;
  const { requester, onBehalfOf } = approval.held;
  const actor = actorOf(subject);
  const isOwn =
    subject.issuer === requester.issuer && (subject.id === requester.id || (onBehalfOf ?? '') === subject.id);
  return (
    isOwn ||
    entitlingGroups(approval, actor).length > 0 ||
    forcingGroups(approval, actor).length > 0 ||
    subject.groups.some((group) => auditorGroups.includes(group))
  );
}
