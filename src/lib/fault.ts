/**
 * The closed set of reasons for which countersign itself could not do its work. Each is a metric label, a code in the
 * caller's error body and in the audit record. Adding one means adding its row to `faultStatus` and to docs/errors.md.
 */
export type FaultCode =
  | 'audit_unavailable'
  | 'approval_unavailable'
  | 'identity_unavailable'
  | 'policy_failed'
  | 'policy_unavailable'
  | 'detection_failed'
  | 'recogniser_unavailable'
  | 'masking_failed'
  | 'key_unavailable'
  | 'body_too_large'
  | 'protocol_violation'
  | 'draining'
  | 'internal';

/** HTTP status a caller sees for each fault. 503: an operator can mend it and a later retry may pass. */
export const faultStatus: Readonly<Record<FaultCode, number>> = {
  audit_unavailable: 503,
  approval_unavailable: 503,
  identity_unavailable: 503,
  policy_failed: 503,
  policy_unavailable: 503,
  detection_failed: 500,
  recogniser_unavailable: 503,
  masking_failed: 500,
  key_unavailable: 503,
  body_too_large: 413,
  protocol_violation: 500,
  draining: 503,
  internal: 500,
};

/**
 * Something countersign depends on failed. `message` is for operators (never sent to callers, never holds a value taken
 * from a prompt or a credential); `cause` keeps the original.
 */
export class Fault extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Fault';
    this.code = code;
  }

  /** The only narrowing of `unknown` thrown things. A thing that is no Fault is a bug: `internal`. */
  static from(thrown: unknown, code: FaultCode = 'internal'): Fault {
    if (thrown instanceof Fault) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new Fault(code, message, thrown);
  }
}
