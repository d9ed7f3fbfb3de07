import type { AuditEntry, AuditLog, Receipt } from './entry.ts';

/** Entries of one kind that a log was asked to take in this run, and what became of them. */
export interface EntryTally {
  readonly asked: number;
  /** Acknowledged as durable. */
  readonly recorded: number;
  /** Rejected: whoever asked was told that they are not on record. They may be all the same, as after a write whose end nobody saw. */
  readonly rejected: number;
}

/** What exchanges put on record: `intent`, and `outcome`, which refusals are as well. */
export interface EntryCounts {
  readonly intents: EntryTally;
  readonly outcomes: EntryTally;
}

/**
 * A log that counts what exchanges ask it to record, apart from what it then holds. Put on record themselves (`beacon`), the counts say
 * how many records there must be before that one, at least and at most, and how many exchanges are missing altogether.
 */
export function countEntries(log: AuditLog): { readonly log: AuditLog; counts(): EntryCounts } {
  const tallies = { intents: createTally(), outcomes: createTally() };

  function append(entry: AuditEntry): Promise<Receipt> {
    const tally = entry.kind === 'intent' ? tallies.intents : entry.kind === 'outcome' ? tallies.outcomes : null;
    return tally === null ? log.append(entry) : tally.count(log.append(entry));
  }

  return {
    log: log.partial === undefined ? { append } : { append, partial: log.partial },
    counts: () => ({ intents: tallies.intents.now(), outcomes: tallies.outcomes.now() }),
  };
}

function createTally(): { count(appended: Promise<Receipt>): Promise<Receipt>; now(): EntryTally } {
  let asked = 0;
  let recorded = 0;
  let rejected = 0;
  return {
    count: (appended) => {
      asked += 1;
      appended.then(
        () => {
          recorded += 1;
        },
        () => {
          rejected += 1;
        },
      );
      return appended;
    },
    now: () => ({ asked, recorded, rejected }),
  };
}
