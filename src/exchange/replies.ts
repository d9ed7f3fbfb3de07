import type { Approval } from '../approval/approval.ts';
import type { RejectedCredential } from '../identity/subject.ts';
import { type Fault, type FaultCode, faultStatus } from '../lib/fault.ts';
import type { BodyError, ClientError, Dialect } from '../llm/dialect.ts';
import type { Decision } from '../policy/decision.ts';
import type { Reply } from './exchange.ts';

/** What a caller is told when the exchange does not go through; rendered by the dialect it speaks. */
export type Refusal = Omit<ClientError, 'exchange'>;

/** The only texts about faults that leave the house: an allow-list, so that no internal detail does. */
const faultMessages: Readonly<Record<FaultCode, string>> = {
  audit_unavailable: 'The audit record cannot be written, so nothing was sent. Try again later.',
  approval_unavailable: 'The approval store cannot be reached, so nothing was sent. Try again later.',
  identity_unavailable: 'The keys of the identity provider cannot be fetched, so nothing was sent. Try again later.',
  policy_failed: 'The policy could not decide, so nothing was sent.',
  policy_unavailable: 'No policy is loaded, so nothing was sent. Try again later.',
  detection_failed: 'The text could not be inspected within its bounds, so nothing was sent.',
  recogniser_unavailable:
    'The recogniser of names cannot be reached, or did not answer in time, so nothing was sent. Try again later.',
  masking_failed: 'The text could not be masked safely, so nothing of it was passed on.',
  key_unavailable: 'A key cannot be had, so nothing was sent. Try again later.',
  body_too_large: 'The body is too large to be inspected, so nothing was sent.',
  protocol_violation: 'The gateway sent something unexpected, so nothing was passed on.',
  draining: 'The service is shutting down. Try again.',
  internal: 'Something went wrong in the policy service, so nothing was passed on.',
};

/** The words for a fault: its code and a text from the list, never its message. */
export function faultRefusal(fault: Fault): Refusal {
  return {
    status: faultStatus[fault.code],
    code: fault.code,
    message: faultMessages[fault.code],
    details: {},
  };
}

/** A token that does not verify; without one, policy decides about an anonymous caller. */
export function unauthenticated(why: RejectedCredential): Refusal {
  return {
    status: 401,
    code: 'identity_rejected',
    message: `The identity token was not accepted: ${why.replaceAll('_', ' ')}.`,
    details: { reason: why },
  };
}

const bodyStatus: Readonly<Record<BodyError['kind'], number>> = {
  invalid_json: 400,
  invalid_utf8: 400,
  too_deep: 400,
  too_many_values: 413,
  body_too_large: 413,
  unsupported_encoding: 415,
  unsupported_media_type: 415,
  invalid_framing: 400,
  truncated: 413,
};

/** A body that cannot be read, with the status that says why. */
export function unreadableRequest(error: BodyError): Refusal {
  return {
    status: bodyStatus[error.kind],
    code: error.kind,
    message: error.message,
    details: {},
  };
}

/** The model's answer cannot be read, so it cannot be judged: the caller gets 502, the record says why. */
export function unreadableResponse(error: BodyError): Refusal {
  return {
    status: 502,
    code: `response_${error.kind}`,
    message: `The model's answer could not be inspected: ${error.message}`,
    details: {},
  };
}

/** Policy's own words. */
export function denied(decision: Decision): Refusal {
  return {
    status: decision.deny?.status ?? 403,
    code: decision.deny?.code ?? 'policy_denied',
    message: decision.deny?.message ?? 'The policy does not allow this request.',
    details: { rules: decision.rules.join(',') },
  };
}

/** The filter that asks cannot change a body. */
export function maskingNotPossible(): Refusal {
  return {
    status: 403,
    code: 'masking_not_possible',
    message: 'The policy demands masking, which ext_authz alone cannot do. Add the ext_proc filter to this route.',
    details: {},
  };
}

/** Reasoning that the provider has signed would be refused by it if it came back changed. */
export function signedText(): Refusal {
  return {
    status: 403,
    code: 'masking_not_possible',
    message:
      'The policy demands masking of a text that the provider has signed and that cannot be changed. Drop that block.',
    details: {},
  };
}

/**
 * 403 for every state of an approval that does not let the request through: SDKs do not retry 403. While it is pending the caller is
 * told where to ask for its state: the gRPC call, and the address (`{approval}` in it is the id) where there is one.
 */
export function held(
  kind: 'pending' | 'rejected' | 'expired' | 'revoked',
  approval: Approval,
  statusUrl: string | null = null,
): Refusal {
  const decision = approval.decisions.at(-1);
  const isTold = approval.terms.returnReason && (kind === 'rejected' || kind === 'revoked');
  const messages = {
    pending: `This request waits for approval ${approval.id}. Repeat the identical request once it is approved.`,
    rejected: `Approval ${approval.id} of this request was rejected.`,
    expired: `Approval ${approval.id} of this request expired before it was used. Repeat the request to ask again.`,
    revoked: `Approval ${approval.id} of this request was revoked.`,
  };
  return {
    status: 403,
    code: `approval_${kind}`,
    message: messages[kind],
    details: {
      approval_id: approval.id,
      expires_at: new Date(
        kind === 'pending' ? approval.pendingUntilMs : (approval.grantUntilMs ?? approval.pendingUntilMs),
      ).toISOString(),
      ...(kind === 'pending' ? { status_call: 'countersign.approval.v1.ApprovalService/Get' } : {}),
      ...(kind === 'pending' && statusUrl !== null
        ? { status_url: statusUrl.replaceAll('{approval}', encodeURIComponent(approval.id)) }
        : {}),
      ...(isTold && decision?.reason ? { reason: decision.reason } : {}),
    },
  };
}

/**
 * The same of an answer. There is nothing pending for the caller: an answer whose time is over is gone, whoever might still
 * have agreed.
 */
export function heldAnswer(kind: Parameters<typeof held>[0], approval: Approval): Refusal {
  const refusal = held(kind === 'pending' ? 'expired' : kind, approval);
  const messages = {
    approval_rejected: `Approval ${approval.id} of the model's answer was rejected, so it was discarded.`,
    approval_revoked: `Approval ${approval.id} of the model's answer was revoked, so it was discarded.`,
  };
  const late = `Nobody agreed to the model's answer in time (approval ${approval.id}), so it was discarded. Another try asks the model anew.`;
  return { ...refusal, message: Object.entries(messages).find(([code]) => code === refusal.code)?.[1] ?? late };
}

/** The policy holds the answer, and leaves nobody the time to agree to it. */
export function noTimeToApprove(): Refusal {
  return {
    status: 403,
    code: 'approval_not_possible',
    message: "The model's answer needs approval, and there was no time left to wait for it, so it was discarded.",
    details: {},
  };
}

/** The policy wants the requester to say why, and the request says nothing. */
export function reasonRequired(): Refusal {
  return {
    status: 403,
    code: 'approval_reason_required',
    message: 'This request needs approval and must say why it is made, in the header x-countersign-reason.',
    details: {},
  };
}

/** Whether trying again may help although nobody changes anything: something is away that comes back by itself. */
function mayHelp({ status, code }: Refusal): boolean {
  return status === 503 && !code.startsWith('policy_failed') && !code.startsWith('policy_misconfigured');
}

/** The whole HTTP answer, in the caller's dialect. Tells SDKs and agents not to try again by themselves, unless it may help. */
export function replyOf(refusal: Refusal, dialect: Dialect, exchange: string): Reply {
  const { contentType, body, headers: told = {} } = dialect.errorBody({ ...refusal, exchange });
  const headers = new Map([
    ...Object.entries(told),
    ['content-type', contentType],
    ['cache-control', 'no-store'],
    ['x-countersign-code', refusal.code],
    ['x-should-retry', mayHelp(refusal) ? 'true' : 'false'],
  ]);
  if (exchange) headers.set('x-countersign-exchange', exchange);
  if (mayHelp(refusal)) headers.set('retry-after', '1');
  if (refusal.status === 401) headers.set('www-authenticate', 'Bearer');
  const approval = refusal.details['approval_id'];
  if (approval) headers.set('x-countersign-approval', approval);
  return {
    status: refusal.status,
    headers,
    body,
    details: `countersign_${refusal.code}`,
  };
}
