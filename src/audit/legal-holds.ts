import type { RecordIndex, RecordQuery } from './record-index.ts';
import type { AgedSegment, HoldScope } from './retention-plan.ts';
import { placeOf } from './shards.ts';

export interface Hold {
  /** Id of the record that says so. */
  readonly id: string;
  readonly scope: HoldScope;
}

/** The holds that stand, and what lies under them by the index. */
export interface LegalHolds {
  add(hold: Hold): void;
  remove(id: string): void;
  scopeOf(id: string): HoldScope | null;
  all(): readonly Hold[];
  /** Whether a record of these segments is under a hold. */
  coverAny(segments: readonly AgedSegment[]): Promise<boolean>;
  /** Ids of the holds under which something of this subject lies. */
  onSubject(subject: string): Promise<string[]>;
}

export function createLegalHolds(index: Pick<RecordIndex, 'find' | 'catchUp'>): LegalHolds {
  const holds = new Map<string, HoldScope>();

  async function coverAny(segments: readonly AgedSegment[]): Promise<boolean> {
    for (const scope of holds.values()) {
      for (const { shard, first, last } of segments) {
        const [from, before] = [placeOf(shard.number, first), placeOf(shard.number, last) + 1];
        if (await exists({ ...scope, from, before, limit: 1 })) return true;
      }
    }
    return false;
  }

  async function exists(query: RecordQuery): Promise<boolean> {
    for (let next: RecordQuery | null = query; next !== null; ) {
      const page = await index.find(next);
      if (page.records.length > 0) return true;
      next = page.next === null ? null : { ...query, before: page.next };
    }
    return false;
  }

  async function onSubject(subject: string): Promise<string[]> {
    await index.catchUp();
    const found: string[] = [];
    for (const [id, scope] of holds) {
      if (scope.subject !== undefined && scope.subject !== subject) continue;
      // What was recorded a moment ago may not be in the index yet: a hold on this very subject counts in any case.
      if (scope.subject === subject || (await exists({ ...scope, subject, limit: 1 }))) found.push(id);
    }
    return found;
  }

  return {
    add: ({ id, scope }) => {
      holds.set(id, scope);
    },
    remove: (id) => {
      holds.delete(id);
    },
    scopeOf: (id) => holds.get(id) ?? null,
    all: () => [...holds].map(([id, scope]) => ({ id, scope })),
    coverAny,
    onSubject,
  };
}
