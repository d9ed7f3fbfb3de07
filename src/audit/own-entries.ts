import type { JsonObject } from '../lib/json.ts';
import type { AuditEntry } from './entry.ts';

/** What a log puts on record about itself. None of it has a body. */

/** A writer took the log over, with so many records in it. `link`: what the first record of a shard says of the one before. */
export function openEntry(facts: JsonObject, records: number, link: JsonObject): AuditEntry {
  return ownEntry('open', { ...facts, records: String(records), ...(records === 0 ? link : {}) });
}

/** Why the end was read from disk again, and how much of it was an unfinished write. */
export function recoveryEntry(cutBytes: number, reason: string): AuditEntry {
  return ownEntry('recovery', { cut_bytes: cutBytes, reason });
}

/** For an intent to which no outcome will come. */
export function abortedEntry([exchange, intent]: readonly [string, string], cause: string): AuditEntry {
  return { ...ownEntry('aborted', { cause, intent }), exchange };
}

/** The writer ends in order. `next`: the name of the log that this one goes on in. */
export function closeEntry(next?: string): AuditEntry {
  return ownEntry('close', next === undefined ? {} : { next });
}

function ownEntry(kind: AuditEntry['kind'], facts: JsonObject): AuditEntry {
  return { kind, exchange: '', session: '', facts, bodies: {} };
}
