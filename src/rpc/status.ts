import { status } from '@grpc/grpc-js';
import type { Fault } from '../lib/fault.ts';
import { unreachable } from '../lib/invariant.ts';

/** A gRPC status as grpc-js takes it. `details` is a code of ours, never a message: messages are for operators. */
export interface RpcStatus {
  readonly code: status;
  readonly details: string;
}

/** The one place where a fault becomes a gRPC status. UNAVAILABLE: an operator can mend it, and a later retry may pass. */
export function faultToStatus(fault: Fault): RpcStatus {
  return { code: statusCode(fault), details: fault.code };
}

function statusCode(fault: Fault): status {
  const { code } = fault;
  switch (code) {
    case 'audit_unavailable':
    case 'approval_unavailable':
    case 'identity_unavailable':
    case 'policy_unavailable':
    case 'key_unavailable':
    case 'recogniser_unavailable':
    case 'draining':
      return status.UNAVAILABLE;
    case 'body_too_large':
      return status.RESOURCE_EXHAUSTED;
    case 'protocol_violation':
      return status.INVALID_ARGUMENT;
    case 'policy_failed':
    case 'detection_failed':
    case 'masking_failed':
    case 'internal':
      return status.INTERNAL;
    default:
      return unreachable(code);
  }
}
