import {
  type Metadata,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalStore } from '../approval/store.ts';
import type {
  Approval as ApprovalMessage,
  ApprovalServiceServer,
  GetByRequestRequest,
  ListRequest,
  WatchRequest,
  WatchResponse,
} from '../gen/countersign/approval/v1/approval.ts';
import type { Authenticator, Subject } from '../identity/subject.ts';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { createRateLimiter, type RateLimit } from '../lib/rate-limiter.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { faultToStatus, type RpcStatus } from '../rpc/status.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import { asSeenBy, maySee } from './approval-access.ts';
import { createDeciding, type DecisionRequest, type Verb } from './approval-decide.ts';
import { listApprovals, listByRequest } from './approval-list.ts';
import { approvalMessage } from './approval-message.ts';
import { watchApprovals } from './approval-watch.ts';
import { authenticateCaller, invalid, isId } from './caller.ts';
import { tooManyCalls } from './too-many-calls.ts';

export interface ApprovalServiceDeps {
  readonly store: ApprovalStore;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'approvalConflict'>;
}

export interface ApprovalServiceOptions {
  /** Members see every approval of their tenant. Default: none. */
  readonly auditorGroups?: readonly string[];
  /** How often one caller may call; a batch counts once for each approval of it. Default: 50 a second, 200 at once. */
  readonly rate?: RateLimit;
  /** Aborted when the server drains: watches end (status OK), so that their clients go elsewhere. */
  readonly draining?: AbortSignal;
  /** How often a watch reads again although nothing was heard. Default: 30 s. */
  readonly watchPollMs?: number;
  /** How long one watch lasts at most: a token that was good when it began is not good for ever. Default: 15 minutes. */
  readonly watchSecondsMax?: number;
}

type Answer<T> = Promise<Result<T, RpcStatus>>;

/** `countersign.approval.v1.ApprovalService`: see the .proto for the contract of each call. */
export function createApprovalService(
  deps: ApprovalServiceDeps,
  options: ApprovalServiceOptions = {},
): ApprovalServiceServer {
  const { store, authenticator, clock, log, metrics } = deps;
  const { auditorGroups = [], draining = new AbortController().signal } = options;
  const { watchPollMs = 30_000, watchSecondsMax = limits.approvalWatchSecondsMax } = options;
  const rates = createRateLimiter(clock, options.rate ?? { perSecond: 50, burst: 200 }, limits.apiCallersMax);
  let watchers = 0;

  /** Authenticates, answers, and turns whatever goes wrong into a status. */
  const unary =
    <Q, A>(answer: (subject: Subject, request: Q) => Answer<A>, weigh: (request: Q) => number = () => 1) =>
    async (call: ServerUnaryCall<Q, A>, respond: sendUnaryData<A>): Promise<void> => {
      try {
        const caller = await admit(call, weigh(call.request));
        const answered = caller.ok ? await answer(caller.value, call.request) : caller;
        if (answered.ok) respond(null, answered.value);
        else respond(answered.error);
      } catch (thrown) {
        respond(faulted(thrown));
      }
    };

  /** Who calls, if it may call now. */
  const admit = async (call: Cancellable & { readonly metadata: Metadata }, calls: number): Answer<Subject> => {
    const caller = await authenticateCaller(authenticator, call.metadata, untilGone(call));
    if (!caller.ok) return caller;
    const { tenant, issuer, id } = caller.value;
    const retryMs = rates.take(JSON.stringify([tenant, issuer, id]), calls);
    return retryMs === null ? caller : err(tooManyCalls(retryMs));
  };

  const faulted = (thrown: unknown): RpcStatus => {
    const fault = Fault.from(thrown);
    log.error('approval call failed', { code: fault.code, reason: fault.message });
    return faultToStatus(fault);
  };

  /** The approval, if this caller may know of it. */
  const visible = async (subject: Subject, id: string): Answer<Approval> => {
    if (!isId(id)) return invalid('id', 'must be the id of an approval');
    const approval = await store.get(id);
    if (approval !== null && maySee(subject, approval, auditorGroups)) return ok(approval);
    return err({ code: status.NOT_FOUND, details: 'not_found' });
  };

  /** What the caller reads of it. */
  const shown = (subject: Subject, approval: Approval): ApprovalMessage =>
    approvalMessage(asSeenBy(subject, approval, auditorGroups), clock.nowMs());

  const listing = { store, clock, auditorGroups, shown };
  const deciding = createDeciding({ store, metrics, visible, shown, faulted });
  const decision = (verb: Verb) =>
    unary(async (subject: Subject, request: DecisionRequest) => {
      const decided = await deciding.one(subject, verb, request);
      return decided.ok ? ok({ approval: shown(subject, decided.value) }) : decided;
    });

  const openWatch = async (call: ServerWritableStream<WatchRequest, WatchResponse>): Promise<RpcStatus | null> => {
    const caller = await admit(call, 1);
    if (!caller.ok) return caller.error;
    const { id, group, resumeToken } = call.request;
    if (id !== '') {
      const seen = await visible(caller.value, id);
      if (!seen.ok) return seen.error;
    }
    const accepts = (approval: Approval) =>
      maySee(caller.value, approval, auditorGroups) && (group === '' || approval.terms.approverGroups.includes(group));
    const over = new AbortController();
    const end = () => over.abort();
    const timer = setTimeout(end, watchSecondsMax * 1000);
    draining.addEventListener('abort', end);
    if (draining.aborted) end();
    if (call.cancelled) end();
    else call.once('cancelled', end);
    try {
      await watchApprovals(call, {
        store,
        shown: (approval) => shown(caller.value, approval),
        id: id === '' ? null : id,
        accepts,
        resumeToken,
        signal: over.signal,
        pollMs: watchPollMs,
      });
    } finally {
      clearTimeout(timer);
      draining.removeEventListener('abort', end);
    }
    return null;
  };

  const watch = async (call: ServerWritableStream<WatchRequest, WatchResponse>): Promise<void> => {
    if (watchers >= limits.approvalWatchersMax) {
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'too_many_watchers' });
      return;
    }
    watchers += 1;
    try {
      const refusal = await openWatch(call);
      if (refusal === null) call.end();
      else call.emit('error', refusal);
    } catch (thrown) {
      call.emit('error', faulted(thrown));
    } finally {
      watchers -= 1;
    }
  };

  return {
    get: unary(async (subject: Subject, request: { readonly id: string }) => {
      const seen = await visible(subject, request.id);
      return seen.ok ? ok({ approval: shown(subject, seen.value) }) : seen;
    }),
    list: unary((subject: Subject, request: ListRequest) => listApprovals(listing, subject, request)),
    getByRequest: unary((subject: Subject, request: GetByRequestRequest) => listByRequest(listing, subject, request)),
    watch: (call) => void watch(call),
    approve: decision('approve'),
    reject: decision('reject'),
    cancel: decision('cancel'),
    revoke: decision('revoke'),
    breakGlass: decision('breakGlass'),
    decideBatch: unary(deciding.batch, ({ ids }) => ids.length),
  };
}

interface Cancellable {
  readonly cancelled: boolean;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** Aborted when the client is gone or its deadline has passed. */
function untilGone(call: Cancellable): AbortSignal {
  const gone = new AbortController();
  if (call.cancelled) gone.abort();
  else call.once('cancelled', () => gone.abort());
  return gone.signal;
}
