import {
  type Metadata,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalStore, Intent, Outcome } from '../approval/store.ts';
import type {
  ApprovalServiceServer,
  ListRequest,
  ListResponse,
  WatchRequest,
  WatchResponse,
} from '../gen/countersign/approval/v1/approval.ts';
import type { Authenticator, Subject } from '../identity/subject.ts';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { faultToStatus, type RpcStatus } from '../rpc/status.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { actorOf, maySee } from './approval-access.ts';
import { approvalMessage, stateFilter } from './approval-message.ts';
import { refusalToStatus } from './approval-status.ts';
import { watchApprovals } from './approval-watch.ts';
import { authenticateCaller } from './caller.ts';

export interface ApprovalServiceDeps {
  readonly store: ApprovalStore;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ApprovalServiceOptions {
  /** Members see every approval of their tenant. Default: none. */
  readonly auditorGroups?: readonly string[];
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
  const { store, authenticator, clock, log } = deps;
  const { auditorGroups = [], draining = new AbortController().signal } = options;
  const { watchPollMs = 30_000, watchSecondsMax = limits.approvalWatchSecondsMax } = options;
  let watchers = 0;

  /** Authenticates, answers, and turns whatever goes wrong into a status. */
  const unary =
    <Q, A>(answer: (subject: Subject, request: Q) => Answer<A>) =>
    async (call: ServerUnaryCall<Q, A>, respond: sendUnaryData<A>): Promise<void> => {
      try {
        const caller = await authenticate(call);
        const answered = caller.ok ? await answer(caller.value, call.request) : caller;
        if (answered.ok) respond(null, answered.value);
        else respond(answered.error);
      } catch (thrown) {
        respond(faulted(thrown));
      }
    };

  const authenticate = (call: Cancellable & { readonly metadata: Metadata }) =>
    authenticateCaller(authenticator, call.metadata, untilGone(call));

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

  const decision = (decide: (id: string, intent: Intent) => Promise<Outcome>) =>
    unary(async (subject: Subject, request: { readonly id: string; readonly reason: string }) => {
      const seen = await visible(subject, request.id);
      if (!seen.ok) return seen;
      const reason = request.reason.trim();
      const outcome = await decide(request.id, { by: actorOf(subject), reason: reason === '' ? null : reason });
      if (!outcome.ok) return err(refusalToStatus(outcome.error));
      return ok({ approval: approvalMessage(outcome.value, clock.nowMs()) });
    });

  const list = async (subject: Subject, request: ListRequest): Answer<ListResponse> => {
    const state = stateFilter(request.state);
    if (state === 'unknown') return invalid('state', 'is not a state');
    if (request.pageToken !== '' && !isId(request.pageToken)) return invalid('page_token', 'is not one of ours');
    const page = await store.list({
      state,
      accepts: (approval) =>
        maySee(subject, approval, auditorGroups) &&
        (request.group === '' || approval.terms.approverGroups.includes(request.group)) &&
        (request.requesterId === '' || approval.held.requester.id === request.requesterId),
      pageSize: Math.min(request.pageSize === 0 ? pageSizeDefault : request.pageSize, limits.approvalPageMax),
      after: request.pageToken === '' ? null : request.pageToken,
    });
    const nowMs = clock.nowMs();
    return ok({
      approvals: page.approvals.map((approval) => approvalMessage(approval, nowMs)),
      nextPageToken: page.next ?? '',
      counts: [],
      countsTruncated: false,
    });
  };

  const openWatch = async (call: ServerWritableStream<WatchRequest, WatchResponse>): Promise<RpcStatus | null> => {
    const caller = await authenticate(call);
    if (!caller.ok) return caller.error;
    const { id, group } = call.request;
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
      const watched = { store, clock, id: id === '' ? null : id, accepts, signal: over.signal, pollMs: watchPollMs };
      await watchApprovals(call, watched);
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
      return seen.ok ? ok({ approval: approvalMessage(seen.value, clock.nowMs()) }) : seen;
    }),
    list: unary(list),
    watch: (call) => void watch(call),
    approve: decision(store.approve),
    reject: decision(store.reject),
    cancel: decision(store.cancel),
    revoke: decision(store.revoke),
    getByRequest: unary(async () => notYet),
    breakGlass: unary(async () => notYet),
    decideBatch: unary(async () => notYet),
  };
}

const notYet = err({ code: status.UNIMPLEMENTED, details: 'not_implemented' });
const pageSizeDefault = 50;

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

function isId(text: string): boolean {
  return /^[\w-]{1,64}$/.test(text);
}

function invalid(field: string, why: string): Result<never, RpcStatus> {
  return err({ code: status.INVALID_ARGUMENT, details: `invalid_argument: ${field} ${why}` });
}
