import type { JsonObject } from '../lib/json.ts';
import type { Omission, Redaction } from '../mask/plan.ts';
import type { Restoration } from '../mask/restorables.ts';

export type { Omission, Redaction } from '../mask/plan.ts';
export type { Restoration } from '../mask/restorables.ts';

export type Phase = 'request' | 'response';

/** `input` of both entry points; its JSON schema is policies/schemas/input.json. snake_case: it is Rego's face. */
export interface PolicyInput {
  readonly version: 1;
  readonly phase: Phase;
  readonly exchange: { readonly id: string; readonly session: string; readonly received_at: string };
  readonly subject: {
    readonly authenticated: boolean;
    readonly kind: 'human' | 'service' | 'anonymous';
    readonly id: string;
    readonly issuer: string;
    readonly tenant: string;
    readonly groups: readonly string[];
    readonly roles: readonly string[];
    readonly claims: JsonObject;
    readonly workload: string | null;
  };
  readonly resource: {
    readonly host: string;
    readonly path: string;
    readonly method: string;
    readonly dialect: string;
    readonly operation: string;
    readonly model: string | null;
    readonly stream: boolean;
    /** Status of the model's answer; response phase only. */
    readonly status?: number;
    /** Whether the answer has arrived whole, so that `conversation` and `findings` are the answer's; response phase only. */
    readonly complete?: boolean;
  };
  readonly conversation: {
    readonly segments: readonly {
      readonly pointer: string;
      readonly role: string;
      readonly kind: string;
      readonly text: string;
    }[];
    readonly tools: readonly string[];
    readonly uninspected: readonly { readonly pointer: string; readonly kind: string }[];
  };
  /** Counted per entity, detector and pointer. Never the matched value. */
  readonly findings: readonly {
    readonly entity: string;
    readonly detector: string;
    readonly score: number;
    readonly pointer: string;
    readonly role: string;
    readonly count: number;
  }[];
  readonly approval: { readonly state: string; readonly grant: string } | null;
  readonly http: { readonly headers: Readonly<Record<string, string>> };
  readonly envoy: {
    readonly source: string;
    readonly destination: string;
    readonly context_extensions: Readonly<Record<string, string>>;
    readonly metadata: JsonObject;
  };
}

export interface HoldTerms {
  readonly approverGroups: readonly string[];
  /** `any`: members of any group fill the quorum. `all`: each group must be represented, too, by a person of its own. */
  readonly groupMatch: 'any' | 'all';
  /** How many distinct people have to approve. */
  readonly quorum: number;
  /** Seconds a pending approval lives. */
  readonly ttlS: number;
  /** Seconds the request waits in-band before it is answered `approval_pending`; 0: not at all. */
  readonly waitS: number;
  readonly grant: { readonly uses: number; readonly ttlS: number };
  /** Whether a decision needs a reason. */
  readonly requireReason: boolean;
  /** Whether a request needs one, in the header `x-countersign-reason`. */
  readonly requireRequesterReason: boolean;
  /** Whether the requester is told the reason of the decision. */
  readonly returnReason: boolean;
  /** Whether the requester, who it acts for and owners of its service account may decide, too. */
  readonly allowSelf: boolean;
  /** Members of any of these groups may approve alone in an emergency; empty: nobody. */
  readonly breakGlassGroups: readonly string[];
}

/** What policy decided, validated: unknown or malformed results never get this far (Fault `policy_failed`). */
export interface Decision {
  readonly action: 'allow' | 'hold' | 'deny';
  readonly rules: readonly string[];
  readonly reasons: readonly { readonly rule: string; readonly message: string }[];
  readonly redact: readonly Redaction[];
  /** Of the request's decision: which of its placeholders are put back in its answer. That of an answer is not read. */
  readonly restore: readonly Restoration[];
  /** Kinds of sealed blocks that are left out of the body. */
  readonly omit: readonly Omission[];
  readonly deny: { readonly status: number; readonly code: string; readonly message: string } | null;
  readonly hold: HoldTerms | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly capture: 'full' | 'masked' | 'metadata';
}

/** One immutable revision of the policy. An exchange keeps the one it started with, whatever is loaded meanwhile. */
export interface PinnedPolicy {
  /** Content address of the bundle: `sha256:<hex>`. */
  readonly revision: string;
  /** One Rego evaluation. Synchronous. Throws Fault `policy_failed` on a trap, an undefined or a malformed result. */
  evaluate(input: PolicyInput): Decision;
  /**
   * The same, but a question over a large body is answered by a thread, so that other exchanges are not held up. Rejects with Fault
   * `policy_failed`, also when that takes too long (`limits.policyThreadMs`).
   */
  decide(input: PolicyInput): Decision | Promise<Decision>;
}

/** Policy decision point: where the current revision comes from. Throws Fault `policy_unavailable` when there is none. */
export interface Pdp {
  current(): PinnedPolicy;
}
