import type { HoldTerms } from '../policy/decision.ts';

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'cancelled' | 'consumed' | 'revoked';

export interface Person {
  readonly issuer: string;
  readonly id: string;
  readonly displayName: string | null;
}

/** What is held, as a reviewer may see it: masked, no raw value. At rest exactly this is kept. */
export interface HeldRequest {
  readonly tenant: string;
  readonly requester: Person;
  readonly requesterKind: 'human' | 'service' | 'anonymous';
  /** Where the requester, or the person it acts for, is told what became of it. Absent: nowhere. Of no API, no record, no digest. */
  readonly requesterEmail?: string;
  readonly onBehalfOf: string | null;
  /** May not decide, besides the requester: owners of a service account, the person acted for. */
  readonly excluded: readonly string[];
  readonly resource: {
    readonly host: string;
    readonly path: string;
    readonly dialect: string;
    readonly model: string | null;
  };
  /** `reveal`: no exchange; an auditor wants sealed texts of a record opened. */
  readonly direction: 'request' | 'response' | 'reveal';
  readonly exchange: string;
  readonly session: string;
  readonly rules: readonly string[];
  readonly reasons: readonly string[];
  readonly requesterReason: string | null;
  readonly findings: readonly { readonly entity: string; readonly count: number }[];
  /** The conversation with every finding masked, cut to a bound. */
  readonly maskedView: string;
  /** Content address of the policy revision that asked. */
  readonly policyRevision: string;
}

export interface DecisionMade {
  readonly by: Person;
  readonly groups: readonly string[];
  /** `break_glass`: an approval in an emergency, without quorum. */
  readonly verdict: 'approve' | 'reject' | 'revoke' | 'cancel' | 'break_glass';
  readonly reason: string | null;
  readonly atMs: number;
  /** The person decided about a request of its own, which the terms allow. Present only where it did. */
  readonly isOwn?: true;
  /** Digest of the client's request id and of who sent it: the same one again is the same decision. Absent: none was given. */
  readonly requestKey?: string;
}

export interface Approval {
  readonly id: string;
  /** Hex SHA-256 that binds the approval to one exact request; see fingerprint.ts. */
  readonly digest: string;
  readonly state: ApprovalState;
  readonly held: HeldRequest;
  readonly terms: HoldTerms;
  readonly createdAtMs: number;
  /** When a pending approval expires. */
  readonly pendingUntilMs: number;
  /** When the grant expires; absolute, set once by the approving decision. */
  readonly grantUntilMs: number | null;
  readonly usesLeft: number;
  readonly decisions: readonly DecisionMade[];
  /** Goes up by one with each transition: the compare-and-set guard. */
  readonly version: number;
}

/** What became of a held request at the gate. */
export type GateOutcome =
  /** A grant was consumed for this very exchange: forward it, once. */
  | { readonly kind: 'granted'; readonly approval: Approval }
  | { readonly kind: 'pending'; readonly approval: Approval }
  | { readonly kind: 'rejected'; readonly approval: Approval }
  | { readonly kind: 'expired'; readonly approval: Approval }
  /** Taken back: by an approver (`approval.state` is `revoked`) or, while it was held, by its requester (`cancelled`). */
  | { readonly kind: 'revoked'; readonly approval: Approval };

/**
 * Stands between a hold and the model. Consumes a grant atomically (at most `uses` times over all replicas) or attaches to
 * the pending approval of the same digest, waiting at most `terms.waitS`. `signal` ends the wait, never the record.
 * Throws Fault `approval_unavailable` when the store cannot be asked.
 */
export interface Gate {
  pass(digest: string, held: HeldRequest, terms: HoldTerms, signal: AbortSignal): Promise<GateOutcome>;
}
