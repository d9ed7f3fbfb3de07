import type { Approval, ApprovalState } from './approval.ts';
import type { Changed, Listener } from './store.ts';

/** An approval as it stands, and the transition that is decided but not on record yet. */
export interface Row {
  readonly approval: Approval;
  /** Takes effect when it is settled. Until then nobody else may change the row. */
  readonly staged: Approval | null;
}

/** A transition that was written and is not known to be on record. */
export interface Unsettled {
  readonly approval: Approval;
  readonly before: Approval | null;
}

/** Dates that a table needs besides the approval itself. */
export interface Keeping {
  /** When the sweep should look at it: the state's deadline, or, when the state is final, `purgeAtMs`. */
  readonly nextAtMs: number;
  /** When it may be forgotten. */
  readonly purgeAtMs: number;
}

/**
 * The storage under recorded-store.ts: compare-and-set on rows, no rules of its own beyond atomicity. Time is an argument.
 * Implementations MUST make every write durable to the degree they promise before they resolve, MUST apply each call
 * wholly or not at all, and MUST throw Fault `approval_unavailable` within a bounded time when they cannot say.
 */
export interface ApprovalTable {
  read(id: string): Promise<Row | null>;
  /** The newest row of the digest. */
  latest(digest: string): Promise<Row | null>;
  /**
   * Writes a new row, unsettled, and makes it the latest of its digest, if `replaces` (null: none) still is the latest.
   * False: it is not.
   */
  insert(approval: Approval, replaces: string | null, keeping: Keeping, nowMs: number): Promise<boolean>;
  /** Stages `after` if the row has version `after.version - 1` and nothing staged. False: it has not. */
  stage(after: Approval, nowMs: number): Promise<boolean>;
  /**
   * Takes one use of a live grant if nothing is staged, unsettled but with effect at once (the caller puts it on record
   * before it lets the request go). `seen` is the approval as somebody has read it, approved: while a grant stands its
   * document does not change, so it is not read again. Null: nothing was taken; read the row to learn why.
   */
  consume(seen: Approval, keeping: Keeping, nowMs: number): Promise<Approval | null>;
  /**
   * The transition to `after` is on record: a staged one takes effect, and `scan`, `due` and `count` know the state at the
   * latest now. Idempotent. It takes the next position among all changes (at least `nowMs`, so that positions grow even after all data was lost). Then hints `changed`.
   */
  settle(after: Approval, keeping: Keeping, nowMs: number): Promise<void>;
  /**
   * Transitions written at or before `untilMs` and not settled. Of a use a table may go by when such a call of its own first
   * found it, at `nowMs`, instead of when it was written: that is later by as long as nobody looked.
   */
  unsettled(untilMs: number, nowMs: number, count: number): Promise<readonly Unsettled[]>;
  /** Ids of rows whose `nextAtMs` has come. */
  due(nowMs: number, count: number): Promise<readonly string[]>;
  /** Forgets the row if nothing of it is unsettled. */
  remove(approval: Approval): Promise<void>;
  /** Approvals in descending order of id, beginning below `after`. `last` is the id the scan stopped at; null: at the end. */
  scan(state: ApprovalState | null, after: string | null, count: number): Promise<Scanned>;
  /** The row that the exchange caused. */
  byExchange(exchange: string): Promise<Row | null>;
  /** See `ApprovalStore`. */
  changes(after: number, count: number): Promise<readonly Changed[]>;
  lastChange(): Promise<number>;
  /** Rows in the state with an id in [`from`, `to`). */
  count(state: ApprovalState, from: string, to: string): Promise<number>;
  /** Binds the key to the content until `untilMs` if it is free; the content that it is bound to. */
  claim(key: string, content: string, untilMs: number, nowMs: number): Promise<string>;
  /** Frees the key if it is bound to this content. */
  release(key: string, content: string): Promise<void>;
  /** Forgets at most `count` claims that are over, where the storage does not do that by itself. */
  forgetClaims(nowMs: number, count: number): Promise<void>;
  subscribe(listener: Listener): () => void;
  close(): Promise<void>;
}

export interface Scanned {
  readonly approvals: readonly Approval[];
  readonly last: string | null;
}
