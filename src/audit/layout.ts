import { join } from 'node:path';

/** Where things lie in a log's directory. `checkpoint` and `tile/` are C2SP tlog-tiles: any reader of that format can check them. */
export const layout = {
  /** What makes a folder a log of its own; the rest is shared by its shards. */
  logParts: ['log.vkey', 'checkpoint', 'segments'],
  /** The shards of a log that has any; see shards.ts. */
  shards: (directory: string): string => join(directory, 'shards'),
  lock: (directory: string): string => join(directory, 'lock'),
  /** Room that is kept for the log's end; see ballast.ts. */
  ballast: (directory: string): string => join(directory, 'ballast'),
  checkpoint: (directory: string): string => join(directory, 'checkpoint'),
  verifierKey: (directory: string): string => join(directory, 'log.vkey'),
  segments: (directory: string): string => join(directory, 'segments'),
  /** A segment is named by the sequence number of its first record. */
  segment: (directory: string, first: number): string =>
    join(directory, 'segments', `${String(first).padStart(16, '0')}.seg`),
  epochs: (directory: string): string => join(directory, 'epochs'),
  epoch: (directory: string, epoch: string): string => join(directory, 'epochs', `${epoch}.json`),
  /** The same key for the auditors' age identities; only where recipients are configured. */
  epochAge: (directory: string, epoch: string): string => join(directory, 'epochs', `${epoch}.age`),
  subjects: (directory: string): string => join(directory, 'subjects'),
  /** The key that wraps subject keys, itself wrapped by the key-encryption key. */
  subjectsKey: (directory: string): string => join(directory, 'subjects', 'key.json'),
  /** `subject`: 32 hex digits. */
  subject: (directory: string, subject: string): string =>
    join(directory, 'subjects', subject.slice(0, 2), `${subject}.json`),
  /** What stays of a segment that has expired: the records that explain what is absent. */
  kept: (directory: string, first: number): string =>
    join(directory, 'kept', `${String(first).padStart(16, '0')}.jsonl`),
  keptFolder: (directory: string): string => join(directory, 'kept'),
  /** What answers in flight have given so far; see part-log.ts. */
  parts: (directory: string): string => join(directory, 'parts'),
  /** Damaged logs that were put aside, by the name of their shard; see quarantine.ts. */
  quarantine: (directory: string): string => join(directory, 'quarantine'),
  quarantined: (directory: string, name: string): string => join(directory, 'quarantine', name),
  /** Stands there as soon as something was to be held, released, erased or expired: the next start finishes what was not finished. */
  orders: (directory: string): string => join(directory, 'orders'),
  /** How far retention trusts the clock. */
  steadyClock: (directory: string): string => join(directory, 'steady-clock.json'),
  tile: (directory: string, path: string): string => join(directory, path),
} as const;

/** First sequence number of the segment with this name, or null when it is no segment's name. */
export function segmentFirst(name: string): number | null {
  const match = /^([0-9]{16})\.seg$/.exec(name);
  return match ? Number(match[1]) : null;
}
