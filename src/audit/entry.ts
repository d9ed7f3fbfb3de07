import type { JsonObject } from '../lib/json.ts';

export type EntryKind =
  | 'open'
  | 'intent'
  | 'outcome'
  | 'aborted'
  | 'approval'
  | 'policy'
  | 'config'
  | 'access'
  | 'hold'
  | 'release'
  | 'expire'
  | 'erase'
  | 'erase_deferred'
  | 'recovery'
  | 'beacon'
  | 'close';

/** One thing to put on record. The log adds id, times of its own, nonce, sequence number and commitment. */
export interface AuditEntry {
  readonly kind: EntryKind;
  /** The exchange it belongs to; empty for entries that belong to none (policy, config, open). */
  readonly exchange: string;
  readonly session: string;
  /** Everything that may stand in the manifest: facts and decisions, no prompt text, no credential, no matched value. */
  readonly facts: JsonObject;
  /** Pseudonym of the person whose data the bodies are; absent: nobody that is known. */
  readonly subject?: string;
  /**
   * Seals the bodies for one data subject: besides the epoch's key this one is needed, so destroying it erases them. Absent: the
   * epoch's key alone.
   */
  readonly subjectKey?: SubjectKey;
  /** Texts that are sealed: by name (`prompt_original`, `prompt_sent`, `output`, `caller`), as bytes. */
  readonly bodies: Readonly<Record<string, SealedBodySource>>;
}

export interface SealedBodySource {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The key of a data subject; see subject-keys.ts. */
export interface SubjectKey {
  /** Names the key in manifests: `s-<subject>-<hash>`. */
  readonly id: string;
  readonly key: Uint8Array;
}

export interface Receipt {
  /** Id of the record (UUID version 7). */
  readonly id: string;
  /** Position in this writer's log. */
  readonly sequence: bigint;
}

/**
 * The record of what happened. `append` MUST resolve only when the entry is durable on stable storage; it MUST reject with
 * Fault `audit_unavailable` when that cannot be said within the deadline, and from then on until it has recovered. It does
 * not take the caller's signal: what happened is recorded even when nobody waits for it. The entry's buffers belong to
 * the log from the call on.
 */
export interface AuditLog {
  append(entry: AuditEntry): Promise<Receipt>;
  /** Keeps what an answer gives while it flows, for the case that its outcome is never written. Absent: nothing is kept before it. */
  partial?(answer: AnswerInFlight): PartialAnswer;
}

/** An answer whose intent is durable and whose outcome is to come. */
export interface AnswerInFlight {
  readonly exchange: string;
  readonly session: string;
  readonly mediaType: string;
  /** Pseudonym of the person whose data it is, as in an entry. */
  readonly subject?: string;
  /** The key of that person. */
  readonly subjectKey?: () => Promise<SubjectKey>;
}

export interface PartialAnswer {
  /** More of a body (`output`, `output_released`). Never waits; the bytes must not change afterwards. */
  add(name: string, bytes: Uint8Array): void;
  /** Over. `isRecorded`: its outcome is durable, so that nothing of it is needed; else it stays for the next start. */
  end(isRecorded: boolean): void;
}
