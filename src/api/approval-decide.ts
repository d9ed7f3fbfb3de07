import { status } from '@grpc/grpc-js';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalStore, Intent, Outcome } from '../approval/store.ts';
import {
  type Approval as ApprovalMessage,
  type BatchOutcome,
  type DecideBatchRequest,
  type DecideBatchResponse,
  Verdict,
} from '../gen/countersign/approval/v1/approval.ts';
import type { Subject } from '../identity/subject.ts';
import { sha256Hex } from '../lib/hash.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { RpcStatus } from '../rpc/status.ts';
import type { Metrics } from '../telemetry/telemetry.ts';
import { actorOf } from './approval-access.ts';
import { refusalToStatus, requestIdReused } from './approval-status.ts';
import { invalid } from './caller.ts';

export interface DecidingDeps {
  readonly store: ApprovalStore;
  readonly metrics: Pick<Metrics, 'approvalConflict'>;
  /** The approval, if the caller may know of it. */
  readonly visible: (subject: Subject, id: string) => Promise<Result<Approval, RpcStatus>>;
  /** What the caller reads of an approval. */
  readonly shown: (subject: Subject, approval: Approval) => ApprovalMessage;
  /** What a thrown thing is as a status; logs it. */
  readonly faulted: (thrown: unknown) => RpcStatus;
}

/** What the calls that decide have in common. */
export interface DecisionRequest {
  readonly id: string;
  readonly reason: string;
  readonly requestId: string;
}

export type Verb = 'approve' | 'reject' | 'cancel' | 'revoke' | 'breakGlass';

type Decided = Result<Approval, RpcStatus>;

export interface Deciding {
  one(subject: Subject, verb: Verb, request: DecisionRequest): Promise<Decided>;
  batch(subject: Subject, request: DecideBatchRequest): Promise<Result<DecideBatchResponse, RpcStatus>>;
}

/** The calls that decide: who may see the approval may try, and the state machine says whether it may. */
export function createDeciding(deps: DecidingDeps): Deciding {
  const { store, metrics, visible, shown, faulted } = deps;
  const decide: Readonly<Record<Verb, (id: string, intent: Intent) => Promise<Outcome>>> = {
    approve: store.approve,
    reject: store.reject,
    cancel: store.cancel,
    revoke: store.revoke,
    breakGlass: store.breakGlass,
  };

  /**
   * Decides under the caller's request id: refused where that came with something else before. A call of which nothing came
   * (`isVoid`) leaves the id free, so that no more of them are kept than there are decisions.
   */
  const once = async <T>(
    call: {
      readonly subject: Subject;
      readonly requestId: string;
      readonly verb: Verb;
      readonly ids: readonly string[];
    },
    reason: string,
    decideAll: (requestKey: string | null) => Promise<Result<T, RpcStatus>>,
    isVoid: (decided: Result<T, RpcStatus>) => boolean,
  ): Promise<Result<T, RpcStatus>> => {
    const { subject, requestId, verb, ids } = call;
    if (requestId === '') return decideAll(null);
    if (requestId.length > limits.requestIdCharsMax) {
      return invalid('request_id', `must have at most ${limits.requestIdCharsMax} characters`);
    }
    const key = sha256Hex(JSON.stringify([subject.tenant, subject.issuer, subject.id, requestId]));
    const digest = sha256Hex(JSON.stringify([verb, ids, reason]));
    const content = `${digest} ${verb} ${ids.length === 1 ? (ids[0] ?? '') : `${ids.length} approvals`}`;
    const bound = await store.claim(key, content);
    if (bound !== content) {
      metrics.approvalConflict('request_id_reused');
      return err(requestIdReused(bound.slice(bound.indexOf(' ') + 1)));
    }
    // With the content in it: should the claim be gone, another content is still no repetition.
    const decided = await decideAll(sha256Hex(`${key} ${digest}`));
    if (isVoid(decided)) await store.release(key, content);
    return decided;
  };

  const decideOne = async (
    subject: Subject,
    verb: Verb,
    id: string,
    reason: string,
    requestKey: string | null,
  ): Promise<Decided> => {
    const intent: Intent = {
      by: actorOf(subject),
      reason: reason === '' ? null : reason,
      ...(requestKey === null ? {} : { requestKey }),
    };
    const outcome = await decide[verb](id, intent);
    if (outcome.ok) return outcome;
    const refusal = refusalToStatus(outcome.error);
    if (isConflict(refusal)) metrics.approvalConflict(outcome.error.kind);
    return err(refusal);
  };

  const inBatch = async (
    subject: Subject,
    verb: Verb,
    id: string,
    reason: string,
    key: string | null,
  ): Promise<BatchOutcome> => {
    const decided = await visible(subject, id)
      .then((seen) => (seen.ok ? decideOne(subject, verb, id, reason, key) : seen))
      .catch((thrown: unknown) => err(faulted(thrown)));
    if (decided.ok) {
      return { id, outcome: { $case: 'approval', value: shown(subject, decided.value) } };
    }
    const { code, details } = decided.error;
    return { id, outcome: { $case: 'refusal', value: { status: code, details } } };
  };

  return {
    one: async (subject, verb, { id, reason, requestId }) => {
      const seen = await visible(subject, id);
      if (!seen.ok) return seen;
      const why = reason.trim();
      return once(
        { subject, requestId, verb, ids: [id] },
        why,
        (key) => decideOne(subject, verb, id, why, key),
        (decided) => !decided.ok,
      );
    },
    batch: async (subject, { ids, verdict, reason, requestId }) => {
      const verb = verbs[verdict];
      if (verb === undefined) return invalid('verdict', 'must be to approve, reject, cancel or revoke');
      if (ids.length === 0 || ids.length > limits.approvalBatchMax || new Set(ids).size < ids.length) {
        return invalid('ids', `must be 1 to ${limits.approvalBatchMax}, each once`);
      }
      const why = reason.trim();
      return once(
        { subject, requestId, verb, ids },
        why,
        async (key) => ok({ outcomes: await Promise.all(ids.map((id) => inBatch(subject, verb, id, why, key))) }),
        (decided) => !decided.ok || decided.value.outcomes.every(({ outcome }) => outcome?.$case === 'refusal'),
      );
    },
  };
}

/** An emergency is one approval at a time. */
const verbs: Readonly<Partial<Record<Verdict, Verb>>> = {
  [Verdict.VERDICT_APPROVE]: 'approve',
  [Verdict.VERDICT_REJECT]: 'reject',
  [Verdict.VERDICT_CANCEL]: 'cancel',
  [Verdict.VERDICT_REVOKE]: 'revoke',
};

/** Somebody, or time, was quicker. */
function isConflict({ code }: RpcStatus): boolean {
  return code === status.FAILED_PRECONDITION || code === status.ABORTED;
}
