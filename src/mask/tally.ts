import type { MaskMethod } from './plan.ts';

/** How often findings of an entity were masked with a method; `method` null: found and, by plan, left as they were. */
export interface FindingCount {
  readonly entity: string;
  readonly method: MaskMethod | null;
  readonly count: number;
}

/** Counts findings per entity and method. Bounded by the detector's entities times six. */
export interface Tally {
  add(entity: string, method: MaskMethod | null): void;
  /** In order of first appearance. */
  list(): readonly FindingCount[];
  /** All findings counted. */
  total(): number;
}

export function createTally(): Tally {
  const counts = new Map<string, { entity: string; method: MaskMethod | null; count: number }>();
  let total = 0;
  return {
    add: (entity, method) => {
      total++;
      const key = `${method ?? ''} ${entity}`;
      const known = counts.get(key);
      if (known) known.count++;
      else counts.set(key, { entity, method, count: 1 });
    },
    list: () => [...counts.values()].map((row) => ({ ...row })),
    total: () => total,
  };
}
