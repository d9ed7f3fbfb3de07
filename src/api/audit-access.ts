import { status } from '@grpc/grpc-js';
import type { Subject } from '../identity/subject.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { RpcStatus } from '../rpc/status.ts';

/** Groups of identity tokens that make the roles of the audit API. None: nobody has that role. */
export interface AuditRoles {
  readonly readerGroups: readonly string[];
  readonly auditorGroups: readonly string[];
  readonly officerGroups: readonly string[];
}

export type AuditRole = 'reader' | 'auditor' | 'officer';

/** The groups by which the caller has the role, or PERMISSION_DENIED. Auditors and officers may read. */
export function entitled(subject: Subject, role: AuditRole, roles: AuditRoles): Result<readonly string[], RpcStatus> {
  const groups = groupsOf(role, roles).filter((group) => subject.groups.includes(group));
  if (groups.length > 0) return ok(groups);
  return err({ code: status.PERMISSION_DENIED, details: `not_${role}: your token has no group with this role` });
}

function groupsOf(role: AuditRole, { readerGroups, auditorGroups, officerGroups }: AuditRoles): readonly string[] {
  switch (role) {
    case 'reader':
      return [...new Set([...readerGroups, ...auditorGroups, ...officerGroups])];
    case 'auditor':
      return auditorGroups;
    case 'officer':
      return officerGroups;
  }
}
