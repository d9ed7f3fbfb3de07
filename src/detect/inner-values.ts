import type { Candidate } from './attempt.ts';
import type { CompiledRule } from './compiled-rule.ts';

/** Of rules with `isRun`: the places inside good values where another of the same rule begins, to be tried if the good one is lost. */
export interface InnerValues {
  /** Whether a good value of the rule covers `start`, which is remembered then and need not be tried. */
  isInside(rule: CompiledRule, start: number): boolean;
  /**
   * A value was found good. The last one of its rule, if that begins inside it, is remembered and no candidate any more; it goes on behind
   * it, so `behind` are places that are inside nothing now.
   */
  add(candidate: Candidate): { readonly covered: Candidate; readonly behind: readonly number[] } | null;
  /** Whether nothing is remembered. */
  isEmpty(): boolean;
  /** Whether anything is remembered to begin inside a candidate. */
  has(candidate: Candidate | undefined): boolean;
  /** A candidate is none any more. Returns what begins inside it from `from` on. */
  release(candidate: Candidate, from: number): readonly number[];
  /** Positions move by as many. */
  shift(by: number): void;
  /** Another text begins. */
  restart(): void;
}

export function createInnerValues(): InnerValues {
  /** By rule. */
  let last: (Candidate | undefined)[] = [];
  /** Places in ascending order, but for those of a candidate that was taken up. */
  const inside = new Map<Candidate, number[]>();

  function note(candidate: Candidate, start: number): void {
    const starts = inside.get(candidate);
    if (starts) starts.push(start);
    else inside.set(candidate, [start]);
  }

  return {
    isInside: ({ order }, start) => {
      const candidate = last[order];
      if (candidate === undefined || start <= candidate.start || start >= candidate.end) return false;
      note(candidate, start);
      return true;
    },
    add: (candidate) => {
      const { order } = candidate.rule;
      const before = last[order];
      last[order] = candidate;
      if (before === undefined || before.start <= candidate.start || before.start >= candidate.end) return null;
      note(candidate, before.start);
      const starts = inside.get(before) ?? [];
      inside.delete(before);
      for (const start of starts) if (start < candidate.end) note(candidate, start);
      return { covered: before, behind: starts.filter((start) => start >= candidate.end) };
    },
    isEmpty: () => inside.size === 0,
    has: (candidate) => candidate !== undefined && inside.has(candidate),
    release: (candidate, from) => {
      const { order } = candidate.rule;
      if (last[order] === candidate) last[order] = undefined;
      const starts = inside.get(candidate);
      if (!starts) return [];
      inside.delete(candidate);
      return starts.filter((start) => start >= from);
    },
    shift: (by) => {
      for (const [candidate, starts] of inside) {
        inside.set(
          candidate,
          starts.map((start) => start - by),
        );
      }
    },
    restart: () => {
      last = [];
      inside.clear();
    },
  };
}
