import { status } from '@grpc/grpc-js';
import type { Approval, ApprovalState } from '../approval/approval.ts';
import { mayDecide } from '../approval/state-machine.ts';
import type { ApprovalStore } from '../approval/store.ts';
import {
  type Approval as ApprovalMessage,
  Direction,
  type GetByRequestRequest,
  type GetByRequestResponse,
  type ListRequest,
  type ListResponse,
  type StateCount,
} from '../gen/countersign/approval/v1/approval.ts';
import type { Subject } from '../identity/subject.ts';
import type { Clock } from '../lib/clock.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { RpcStatus } from '../rpc/status.ts';
import { actorOf, isOwn, maySee } from './approval-access.ts';
import { stateFilter, stateMessages } from './approval-message.ts';
import { invalid, isId } from './caller.ts';

export interface ListingDeps {
  readonly store: Pick<ApprovalStore, 'list' | 'byExchange' | 'byDigest'>;
  readonly clock: Clock;
  readonly auditorGroups: readonly string[];
  /** What the caller reads of an approval. */
  readonly shown: (subject: Subject, approval: Approval) => ApprovalMessage;
}

const pageSizeDefault = 50;

/** A page of what the caller may see and asked for; with counts, how much there is of it. */
export async function listApprovals(
  deps: ListingDeps,
  subject: Subject,
  request: ListRequest,
): Promise<Result<ListResponse, RpcStatus>> {
  const states = new Set<ApprovalState>();
  for (const given of [request.state, ...request.states]) {
    const state = stateFilter(given);
    if (state === 'unknown') return invalid('state', 'is not a state');
    if (state !== null) states.add(state);
  }
  if (request.pageToken !== '' && !isId(request.pageToken)) return invalid('page_token', 'is not one of ours');
  const matches = filterOf(deps, subject, request);
  const [only = null] = states;
  const page = await deps.store.list({
    state: states.size === 1 ? only : null,
    accepts: (approval) => (states.size === 0 || states.has(approval.state)) && matches(approval),
    pageSize: Math.min(request.pageSize === 0 ? pageSizeDefault : request.pageSize, limits.approvalPageMax),
    after: request.pageToken === '' ? null : request.pageToken,
  });
  const counted = request.withCounts ? await countByState(deps.store, matches) : null;
  return ok({
    approvals: page.approvals.map((approval) => deps.shown(subject, approval)),
    nextPageToken: page.next ?? '',
    counts: counted?.counts ?? [],
    countsTruncated: counted?.isTruncated ?? false,
  });
}

/** What one's own request waits for. */
export async function listByRequest(
  deps: ListingDeps,
  subject: Subject,
  { by }: GetByRequestRequest,
): Promise<Result<GetByRequestResponse, RpcStatus>> {
  const accepts = (approval: Approval) => isOwn(subject, approval);
  const shown = (found: readonly Approval[]) =>
    ok({ approvals: found.map((approval) => deps.shown(subject, approval)) });
  if (by === undefined) {
    const query = { state: 'pending', accepts, pageSize: limits.approvalPageMax, after: null } as const;
    return shown((await deps.store.list(query)).approvals);
  }
  if (!isId(by.value)) return invalid(by.$case, 'is not one of ours');
  const found = await (by.$case === 'exchange' ? deps.store.byExchange(by.value) : deps.store.byDigest(by.value));
  if (found === null || !accepts(found)) return err({ code: status.NOT_FOUND, details: 'not_found' });
  return shown([found]);
}

/** All filters but those of state. */
function filterOf(deps: ListingDeps, subject: Subject, request: ListRequest): (approval: Approval) => boolean {
  const { auditorGroups, clock } = deps;
  const { group, requesterId, rule, model, session, createdAfter, createdBefore } = request;
  const actor = actorOf(subject);
  const direction = directions[request.direction];
  return (approval) =>
    maySee(subject, approval, auditorGroups) &&
    (group === '' || approval.terms.approverGroups.includes(group)) &&
    (requesterId === '' || approval.held.requester.id === requesterId) &&
    (rule === '' || approval.held.rules.includes(rule)) &&
    (model === '' || approval.held.resource.model === model) &&
    (session === '' || approval.held.session === session) &&
    (direction === undefined || approval.held.direction === direction) &&
    (createdAfter === undefined || approval.createdAtMs >= createdAfter.getTime()) &&
    (createdBefore === undefined || approval.createdAtMs < createdBefore.getTime()) &&
    (!request.mineToDecide || mayDecide(approval, actor, clock.nowMs()));
}

const directions: Readonly<Partial<Record<Direction, Approval['held']['direction']>>> = {
  [Direction.DIRECTION_REQUEST]: 'request',
  [Direction.DIRECTION_RESPONSE]: 'response',
  [Direction.DIRECTION_REVEAL]: 'reveal',
};

/** Counts until it has looked at `limits.approvalsScannedMax`, newest first. */
async function countByState(
  store: Pick<ApprovalStore, 'list'>,
  accepts: (approval: Approval) => boolean,
): Promise<{ readonly counts: StateCount[]; readonly isTruncated: boolean }> {
  const counted = new Map<ApprovalState, number>();
  const tally = (approval: Approval): boolean => {
    if (accepts(approval)) counted.set(approval.state, (counted.get(approval.state) ?? 0) + 1);
    return false;
  };
  // Nothing is accepted, so that one call looks at as much as a list may.
  const page = await store.list({ state: null, accepts: tally, pageSize: limits.approvalPageMax, after: null });
  const counts = [...counted].map(([state, count]) => ({ state: stateMessages[state], count }));
  counts.sort((a, b) => a.state - b.state);
  return { counts, isTruncated: page.next !== null };
}
