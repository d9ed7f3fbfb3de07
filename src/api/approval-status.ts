import { status } from '@grpc/grpc-js';
import type { DecisionMade } from '../approval/approval.ts';
import type { StoreRefusal } from '../approval/store.ts';
import { unreachable } from '../lib/invariant.ts';
import type { RpcStatus } from '../rpc/status.ts';

/** Why a call of the approval API is refused. `details` is a stable code, then, after a colon, words for a person. */
export function refusalToStatus(refusal: StoreRefusal): RpcStatus {
  switch (refusal.kind) {
    case 'not_found':
      return { code: status.NOT_FOUND, details: refusal.kind };
    case 'already_resolved': {
      const how = refusal.first === null ? `${refusal.state} by time` : `${refusal.state}: ${told(refusal.first)}`;
      return { code: status.FAILED_PRECONDITION, details: `${refusal.kind}: ${how}` };
    }
    case 'already_decided':
      return { code: status.FAILED_PRECONDITION, details: `${refusal.kind}: ${told(refusal.first)}` };
    case 'not_approved':
      return { code: status.FAILED_PRECONDITION, details: `${refusal.kind}: there is no grant to take back` };
    case 'own_request':
      return { code: status.PERMISSION_DENIED, details: `${refusal.kind}: nobody decides about their own request` };
    case 'not_approver': {
      const details = `${refusal.kind}: members of ${refusal.groups.join(', ')} may decide`;
      return { code: status.PERMISSION_DENIED, details };
    }
    case 'seat_filled': {
      const missing = refusal.groups.length === 0 ? 'somebody else' : `members of ${refusal.groups.join(', ')}`;
      return { code: status.FAILED_PRECONDITION, details: `${refusal.kind}: it waits for ${missing}` };
    }
    case 'not_break_glass': {
      const may = refusal.groups.length === 0 ? 'nobody may' : `members of ${refusal.groups.join(', ')} may`;
      return { code: status.PERMISSION_DENIED, details: `${refusal.kind}: ${may} approve this in an emergency` };
    }
    case 'not_human':
      return {
        code: status.PERMISSION_DENIED,
        details: `${refusal.kind}: a person has to decide, not a service account`,
      };
    case 'not_requester':
      return { code: status.PERMISSION_DENIED, details: `${refusal.kind}: only the requester may withdraw` };
    case 'reason_required':
      return { code: status.INVALID_ARGUMENT, details: `${refusal.kind}: this approval needs a reason` };
    case 'reason_too_long': {
      const details = `${refusal.kind}: a reason has at most ${refusal.charsMax} characters`;
      return { code: status.INVALID_ARGUMENT, details };
    }
    case 'lost_race':
    case 'due':
    case 'not_due':
      return { code: status.ABORTED, details: `${refusal.kind}: it changed in the meantime, try again` };
    default:
      return unreachable(refusal);
  }
}

/** The same request id came with something else before. `first` says with what. */
export function requestIdReused(first: string): RpcStatus {
  return { code: status.FAILED_PRECONDITION, details: `request_id_reused: it came with "${first}" first` };
}

function told(made: DecisionMade): string {
  return `${made.verdict} by ${made.by.id} at ${new Date(made.atMs).toISOString()}`;
}
