import type { SegmentHead } from './read.ts';
import type { Shard } from './shards.ts';

/** A segment of one of a log's shards. */
export interface ShardSegment extends SegmentHead {
  readonly shard: Shard;
  /** Its last record, where the shard has ended with it. */
  readonly end?: number;
}

/** What is known of a segment's age. */
export interface Aged {
  /** Its last record. */
  readonly last: number;
  /** A time, in milliseconds since the epoch, after which surely nothing was put into it; null: it cannot be told. */
  readonly writtenUntilMs: number | null;
}

export type AgedSegment = ShardSegment & Aged;

const hourMs = 3_600_000;

/**
 * The closed segments with the time by which they were written. An epoch's name says the hour of the wall clock then, which may have
 * been wrong: the order of the records is not. So no segment counts as older than one before it, and one from the future counts as
 * written before the next one that is not.
 */
export function agedSegments<T extends SegmentHead & { readonly end?: number }>(
  heads: readonly T[],
  nowMs: number,
): readonly (T & Aged)[] {
  const hours = heads.map(({ epoch }) => hourOf(epoch));
  let latestMs = 0;
  return heads.slice(0, -1).map((head, index) => {
    const next = heads[index + 1];
    const own = hours[index] ?? null;
    if (own !== null && own <= nowMs) latestMs = Math.max(latestMs, own);
    const later = hours.slice(index + 1).find((hour) => hour !== null && hour <= nowMs && hour >= latestMs) ?? null;
    const startMs = own !== null && own <= nowMs ? latestMs : later;
    return {
      ...head,
      last: head.end ?? (next?.first ?? head.first) - 1,
      writtenUntilMs: startMs === null ? null : startMs + hourMs,
    };
  });
}

function hourOf(epoch: string): number | null {
  const hour = /^e-(\d{4}-\d{2}-\d{2}T\d{2})-/.exec(epoch)?.[1];
  const ms = hour === undefined ? Number.NaN : Date.parse(`${hour}:00:00.000Z`);
  return Number.isNaN(ms) ? null : ms;
}

/** What a legal hold covers: all that is given must fit; nothing given: everything. */
export interface HoldScope {
  /** Whose records; the tenant of whoever ordered it. */
  readonly tenant?: string;
  readonly subject?: string;
  readonly session?: string;
  readonly exchange?: string;
  readonly fromMs?: number;
  readonly untilMs?: number;
}
