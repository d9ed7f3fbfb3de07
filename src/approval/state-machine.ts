import { invariant, unreachable } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { HoldTerms } from '../policy/decision.ts';
import type { Approval, ApprovalState, DecisionMade, HeldRequest, Person } from './approval.ts';
import { seatsOf } from './seats.ts';

/** Who acts on an approval, as verified. `groups` are all groups of the person, not only those that matter here. */
export interface Actor {
  readonly person: Person;
  readonly kind: HeldRequest['requesterKind'];
  readonly tenant: string;
  readonly groups: readonly string[];
}

/** What an actor wants to be done, when. */
export interface Intention {
  readonly by: Actor;
  readonly reason: string | null;
  readonly atMs: number;
  /** See `DecisionMade.requestKey`. */
  readonly requestKey?: string;
}

/** Why a transition does not take place. Expected outcomes, all of them; the approval stays as it is. */
export type Refusal =
  /** Somebody was first. `first` is the decision that put it into this state; null when time did. */
  | {
      readonly kind: 'already_resolved';
      readonly state: ApprovalState;
      readonly first: DecisionMade | null;
    }
  /** This person has filled a seat of the quorum before. */
  | { readonly kind: 'already_decided'; readonly first: DecisionMade }
  /** Requester, person acted for, or owner of the requesting service account. */
  | { readonly kind: 'own_request' }
  | { readonly kind: 'not_approver'; readonly groups: readonly string[] }
  /** The quorum is filled as far as this person's groups can fill it; these groups are not represented yet. */
  | { readonly kind: 'seat_filled'; readonly groups: readonly string[] }
  /** Not of a group that may approve in an emergency; without groups: nobody may. */
  | { readonly kind: 'not_break_glass'; readonly groups: readonly string[] }
  /** A service account stands in an approver group: a bot that relays a person's click is not that person. */
  | { readonly kind: 'not_human' }
  | { readonly kind: 'not_requester' }
  | { readonly kind: 'reason_required' }
  | { readonly kind: 'reason_too_long'; readonly charsMax: number }
  /** There is no grant to consume or to revoke: nobody has approved yet. */
  | { readonly kind: 'not_approved' }
  /** The clock that ends this state has not run out. */
  | { readonly kind: 'not_due'; readonly untilMs: number }
  /** It is past its time, but nobody has written that yet: expire it, then look again. */
  | { readonly kind: 'due' };

export type Step = Result<Approval, Refusal>;

/**
 * A new pending approval. Times and uses are cut to the limits; a quorum below one becomes one, because nought would
 * approve itself.
 */
export function create(id: string, digest: string, held: HeldRequest, wanted: HoldTerms, nowMs: number): Approval {
  const terms = capped(wanted);
  return {
    id,
    digest,
    state: 'pending',
    held,
    terms,
    createdAtMs: nowMs,
    pendingUntilMs: nowMs + Math.round(terms.ttlS * 1000),
    grantUntilMs: null,
    usesLeft: 0,
    decisions: [],
    version: 1,
  };
}

/**
 * One person approves. Below the quorum the approval stays pending with one more seat filled; at the quorum the grant
 * begins, and its end is set once and for all.
 */
export function approve(approval: Approval, intention: Intention): Step {
  const refusal = refuseDecision(approval, intention);
  if (refusal !== null) return err(refusal);
  const decided = withDecision(approval, 'approve', intention);
  const before = seatsOf(approval);
  const seats = seatsOf(decided);
  // Else members of one group could go on without end while another group has not spoken.
  if (seats.missing === before.missing) return err({ kind: 'seat_filled', groups: before.groupsMissing });
  return ok(seats.missing === 0 ? granted(decided, intention) : decided);
}

/**
 * One member of a break-glass group approves in an emergency: no quorum, but a reason, whatever the terms say of reasons.
 * Nobody forces a request of their own, unless the terms allow self-approval. The grant is the one that the quorum would
 * have given: as many uses, as long, for this digest only.
 */
export function breakGlass(approval: Approval, intention: Intention): Step {
  const { terms } = approval;
  if (forcingGroups(approval, intention.by).length === 0) {
    return err({ kind: 'not_break_glass', groups: terms.breakGlassGroups });
  }
  if (isInvolved(approval, intention.by.person) && !terms.allowSelf) return err({ kind: 'own_request' });
  if (intention.by.kind !== 'human') return err({ kind: 'not_human' });
  const refusal = refuseReason(intention.reason, true) ?? refuseUnlessPending(approval, intention.atMs);
  if (refusal !== null) return err(refusal);
  return ok(granted(withDecision(approval, 'break_glass', intention), intention));
}

/** Whether the grant was given in an emergency, past the quorum. */
export function isForced(approval: Approval): boolean {
  return approval.decisions.some((made) => made.verdict === 'break_glass');
}

function granted(approval: Approval, intention: Intention): Approval {
  return {
    ...approval,
    state: 'approved',
    usesLeft: approval.terms.grant.uses,
    grantUntilMs: intention.atMs + Math.round(approval.terms.grant.ttlS * 1000),
  };
}

/** One person rejects: that ends it, whatever seats are filled. */
export function reject(approval: Approval, intention: Intention): Step {
  const refusal = refuseDecision(approval, intention);
  if (refusal !== null) return err(refusal);
  return ok({
    ...withDecision(approval, 'reject', intention),
    state: 'rejected',
  });
}

/** The requester, or the person it acts for, withdraws a pending approval. Needs no reason. */
export function cancel(approval: Approval, intention: Intention): Step {
  const { held } = approval;
  const id = intention.by.person.id;
  const own = samePerson(intention.by.person, held.requester) || (held.onBehalfOf !== null && id === held.onBehalfOf);
  if (id === '' || !own || intention.by.tenant !== held.tenant) return err({ kind: 'not_requester' });
  const refusal = refuseReason(intention.reason, false) ?? refuseUnlessPending(approval, intention.atMs);
  if (refusal !== null) return err(refusal);
  return ok({
    ...withDecision(approval, 'cancel', intention),
    state: 'cancelled',
  });
}

/**
 * Any approver takes back a grant that is not used up. Who may approve, by quorum or in an emergency, may revoke, the
 * requester included: taking a permission away needs no second pair of eyes.
 */
export function revoke(approval: Approval, intention: Intention): Step {
  if (groupsBy(approval, 'revoke', intention.by).length === 0) {
    return err({ kind: 'not_approver', groups: approval.terms.approverGroups });
  }
  const refusal =
    refuseReason(intention.reason, approval.terms.requireReason) ?? refuseUnlessApproved(approval, intention.atMs);
  if (refusal !== null) return err(refusal);
  return ok({
    ...withDecision(approval, 'revoke', intention),
    state: 'revoked',
    usesLeft: 0,
  });
}

/** Uses the grant once. */
export function consume(approval: Approval, nowMs: number): Step {
  const refusal = refuseUnlessApproved(approval, nowMs);
  if (refusal !== null) return err(refusal);
  const usesLeft = approval.usesLeft - 1;
  return ok({
    ...approval,
    usesLeft,
    state: usesLeft === 0 ? 'consumed' : 'approved',
    version: approval.version + 1,
  });
}

/** Writes down that time ran out: for the decision when pending, for the grant when approved. */
export function expire(approval: Approval, nowMs: number): Step {
  const untilMs = deadlineMs(approval);
  if (untilMs === null) return err(resolved(approval));
  if (nowMs < untilMs) return err({ kind: 'not_due', untilMs });
  return ok({
    ...approval,
    state: 'expired',
    usesLeft: 0,
    version: approval.version + 1,
  });
}

/** When time ends the present state; null when the state is final. The instant itself is already too late. */
export function deadlineMs(approval: Approval): number | null {
  switch (approval.state) {
    case 'pending':
      return approval.pendingUntilMs;
    case 'approved':
      return approval.grantUntilMs;
    case 'rejected':
    case 'expired':
    case 'cancelled':
    case 'consumed':
    case 'revoked':
      return null;
    default:
      return unreachable(approval.state);
  }
}

export function isDue(approval: Approval, nowMs: number): boolean {
  const untilMs = deadlineMs(approval);
  return untilMs !== null && nowMs >= untilMs;
}

/**
 * Whether an identical request is answered by this approval instead of asking people anew. A rejection stands until the
 * pending time it cut short is over, a revocation until the grant would have ended: a client that simply tries again
 * cannot wear its reviewers out. Expired, cancelled and consumed approvals answer nothing.
 */
export function governs(approval: Approval, nowMs: number): boolean {
  switch (approval.state) {
    case 'pending':
    case 'approved':
      return true;
    case 'rejected':
      return nowMs < approval.pendingUntilMs;
    case 'revoked':
      return approval.grantUntilMs !== null && nowMs < approval.grantUntilMs;
    case 'expired':
    case 'cancelled':
    case 'consumed':
      return false;
    default:
      return unreachable(approval.state);
  }
}

/** The approver groups by which the actor may decide; empty: none, or another tenant's. */
export function entitlingGroups(approval: Approval, by: Actor): readonly string[] {
  if (by.person.id === '' || by.tenant !== approval.held.tenant) return [];
  return approval.terms.approverGroups.filter((group) => by.groups.includes(group));
}

/** The break-glass groups by which the actor may force an approval; empty: none, or another tenant's. */
export function forcingGroups(approval: Approval, by: Actor): readonly string[] {
  if (by.person.id === '' || by.tenant !== approval.held.tenant) return [];
  return approval.terms.breakGlassGroups.filter((group) => by.groups.includes(group));
}

/** Whether the actor could approve or reject it now. */
export function mayDecide(approval: Approval, by: Actor, nowMs: number): boolean {
  return refuseDecision(approval, { by, reason: 'any', atMs: nowMs }) === null;
}

/** Whether the person asked for this approval itself, or stands behind the one who asked. */
export function isInvolved(approval: Approval, person: Person): boolean {
  // By id alone: should two issuers share an id, refusing one approver too many is the safe mistake.
  const { requester, onBehalfOf, excluded } = approval.held;
  return person.id === requester.id || person.id === onBehalfOf || excluded.includes(person.id);
}

function refuseDecision(approval: Approval, intention: Intention): Refusal | null {
  const { person } = intention.by;
  if (isInvolved(approval, person) && !approval.terms.allowSelf) return { kind: 'own_request' };
  if (entitlingGroups(approval, intention.by).length === 0) {
    return { kind: 'not_approver', groups: approval.terms.approverGroups };
  }
  if (intention.by.kind !== 'human') return { kind: 'not_human' };
  const refusal =
    refuseReason(intention.reason, approval.terms.requireReason) ?? refuseUnlessPending(approval, intention.atMs);
  if (refusal !== null) return refusal;
  // Distinct people by id alone, for the same reason as above: one person must not fill two seats by two issuers.
  const first = approval.decisions.find((made) => made.by.id === person.id);
  return first === undefined ? null : { kind: 'already_decided', first };
}

function refuseReason(reason: string | null, required: boolean): Refusal | null {
  if (required && (reason === null || reason.trim() === '')) return { kind: 'reason_required' };
  if (reason !== null && reason.length > limits.reasonCharsMax) {
    return { kind: 'reason_too_long', charsMax: limits.reasonCharsMax };
  }
  return null;
}

function refuseUnlessPending(approval: Approval, atMs: number): Refusal | null {
  if (approval.state !== 'pending') return resolved(approval);
  return isDue(approval, atMs) ? { kind: 'due' } : null;
}

function refuseUnlessApproved(approval: Approval, atMs: number): Refusal | null {
  if (approval.state === 'pending') return isDue(approval, atMs) ? { kind: 'due' } : { kind: 'not_approved' };
  if (approval.state !== 'approved') return resolved(approval);
  return isDue(approval, atMs) ? { kind: 'due' } : null;
}

function resolved(approval: Approval): Refusal {
  const byTime = approval.state === 'expired';
  return {
    kind: 'already_resolved',
    state: approval.state,
    first: byTime ? null : (approval.decisions.at(-1) ?? null),
  };
}

function withDecision(approval: Approval, verdict: DecisionMade['verdict'], intention: Intention): Approval {
  const made: DecisionMade = {
    by: intention.by.person,
    groups: groupsBy(approval, verdict, intention.by),
    verdict,
    reason: intention.reason,
    atMs: intention.atMs,
    ...(isPermission(verdict) && isInvolved(approval, intention.by.person) ? { isOwn: true } : {}),
    ...(intention.requestKey === undefined ? {} : { requestKey: intention.requestKey }),
  };
  return {
    ...approval,
    decisions: [...approval.decisions, made],
    version: approval.version + 1,
  };
}

/** By which groups somebody does what it does. */
function groupsBy(approval: Approval, verdict: DecisionMade['verdict'], by: Actor): readonly string[] {
  if (verdict === 'break_glass') return forcingGroups(approval, by);
  const entitling = entitlingGroups(approval, by);
  return verdict === 'revoke' && entitling.length === 0 ? forcingGroups(approval, by) : entitling;
}

function isPermission(verdict: DecisionMade['verdict']): boolean {
  return verdict === 'approve' || verdict === 'break_glass';
}

function samePerson(a: Person, b: Person): boolean {
  return a.id === b.id && a.issuer === b.issuer;
}

function capped(terms: HoldTerms): HoldTerms {
  const { quorum, ttlS, waitS, grant } = terms;
  invariant([quorum, ttlS, waitS, grant.uses, grant.ttlS].every(Number.isFinite), 'hold terms are finite numbers');
  return {
    ...terms,
    // Never cut from above: a smaller quorum would grant more than policy asked for.
    quorum: Math.max(1, Math.ceil(quorum)),
    ttlS: within(ttlS, 0, limits.approvalTtlSecondsMax),
    waitS: within(waitS, 0, limits.holdWaitSecondsMax),
    grant: {
      uses: within(Math.floor(grant.uses), 1, limits.grantUsesMax),
      ttlS: within(grant.ttlS, 0, limits.approvalTtlSecondsMax),
    },
  };
}

function within(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
