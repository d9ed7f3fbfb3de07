import type { Result } from '../lib/result.ts';
import type { HoldTerms } from '../policy/decision.ts';
import type { Approval, ApprovalState, HeldRequest } from './approval.ts';
import type { Actor, Refusal } from './state-machine.ts';

/**
 * Puts a transition on record; the composition root connects it to the audit log. It MUST resolve only when the entry is
 * durable, and reject otherwise. `before` is null for a new approval. It may be called again for the same id and version
 * after a crash or a lost answer: the record then holds the transition twice, and (id, version) tells.
 */
export type OnTransition = (approval: Approval, before: Approval | null) => Promise<void>;

/** A hint that something happened to an approval. The record is the truth: read it. */
export type Hint =
  | { readonly kind: 'changed'; readonly id: string }
  /** Hints may have been lost (the subscription was down): read again whatever you wait for. */
  | { readonly kind: 'resync' };

export type Listener = (hint: Hint) => void;

export interface Opening {
  /** Used when a new approval has to be made. */
  readonly id: string;
  readonly digest: string;
  readonly held: HeldRequest;
  readonly terms: HoldTerms;
}

export type Opened = {
  readonly kind: 'created' | 'attached';
  readonly approval: Approval;
};

export interface ListQuery {
  /** Null: every state. */
  readonly state: ApprovalState | null;
  /** Whether the one who asks may see it, and asked for it. */
  readonly accepts: (approval: Approval) => boolean;
  readonly pageSize: number;
  /** Id of the last approval of the page before, or null. */
  readonly after: string | null;
}

export interface Page {
  /** Newest first. May be short although there is more. */
  readonly approvals: readonly Approval[];
  /** `after` of the next page; null: that was all. */
  readonly next: string | null;
}

export interface Intent {
  readonly by: Actor;
  readonly reason: string | null;
  /** See `DecisionMade.requestKey`. A decision that is on the approval already is its own outcome. */
  readonly requestKey?: string;
}

/** One approval among all changes, in the order in which they took effect. */
export interface Changed {
  readonly id: string;
  /** Position of its last change. Larger than that of every change before, over all replicas. */
  readonly at: number;
}

export type StoreRefusal =
  | Refusal
  | { readonly kind: 'not_found' }
  /** Another transition of the same approval is on its way and took too long: try again. */
  | { readonly kind: 'lost_race' };

export type Outcome = Result<Approval, StoreRefusal>;

/** What one sweep did. */
export interface Swept {
  readonly expired: number;
  readonly settled: number;
  readonly purged: number;
}

/**
 * Approvals, shared by all replicas. Transitions are atomic over all of them and are put on record: see recorded-store.ts
 * for the order. Every method throws Fault `approval_unavailable` when the store does not answer within its deadline, and
 * passes on the fault of the record. What a faulted call was to do may have been done, or may be done later by another
 * replica; it is never done without a record, and a grant is never used more often than was decided.
 */
export interface ApprovalStore {
  /** The approval that governs the digest, or a new pending one. At most one governs at any time. */
  open(opening: Opening): Promise<Opened>;
  get(id: string): Promise<Approval | null>;
  list(query: ListQuery): Promise<Page>;
  approve(id: string, intent: Intent): Promise<Outcome>;
  reject(id: string, intent: Intent): Promise<Outcome>;
  cancel(id: string, intent: Intent): Promise<Outcome>;
  revoke(id: string, intent: Intent): Promise<Outcome>;
  /** Approves in an emergency; see the state machine. */
  breakGlass(id: string, intent: Intent): Promise<Outcome>;
  /**
   * Uses a grant once: `ok` is given out at most `terms.grant.uses` times, over all replicas. `seen` is the approval as the
   * caller has read it, however long ago: where it was approved by then, nothing is read again.
   */
  consume(id: string, seen?: Approval): Promise<Outcome>;
  /** Writes that an approval's time is over. */
  expire(id: string): Promise<Outcome>;
  /** Expires what is due, finishes what a crash left half done, forgets what is past its retention. Bounded; call it again. */
  sweep(): Promise<Swept>;
  /** The newest approval of the digest. */
  byDigest(digest: string): Promise<Approval | null>;
  /** The approval that the exchange caused. One that attached to another's is not found. */
  byExchange(exchange: string): Promise<Approval | null>;
  /** Approvals that changed after a position, each once, at its last change, oldest first. At most `count`. */
  changes(after: number, count: number): Promise<readonly Changed[]>;
  /** Position of the last change; 0: there was none. */
  lastChange(): Promise<number>;
  /** How many approvals are in the state and were created (their ids are UUIDs of version 7) in [`fromMs`, `toMs`). */
  count(state: ApprovalState, fromMs: number, toMs: number): Promise<number>;
  /**
   * Binds a key to a content for at least `limits.requestKeySecondsMin`, unless it is bound. Resolves to the content that it
   * is bound to.
   */
  claim(key: string, content: string): Promise<string>;
  /** Frees the key if it is bound to this content: nothing came of the call. */
  release(key: string, content: string): Promise<void>;
  /** Calls `listener` for hints until the returned function is called. */
  subscribe(listener: Listener): () => void;
  close(): Promise<void>;
}
