import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import type { Candidate } from './attempt.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { createInnerValues } from './inner-values.ts';
import { betterOf, byStart, isBetter, overlaps, resolve } from './resolve.ts';

/** What was found in a text and is not decided yet. */
export interface Candidates {
  /** Takes one more, unless a good value of its rule covers its beginning. */
  add(candidate: Candidate): void;
  /** Whether a good value of the rule covers `start`. Then that is remembered, to be tried if the good one is lost. */
  isInside(rule: CompiledRule, start: number): boolean;
  some(holds: (candidate: Candidate) => boolean): boolean;
  /** As soon as they are too many: what is still to be read would cost as much again, for nothing. */
  bound(): void;
  /** Those that begin before `place` are none any more. What begins inside them but not before it is tried. */
  dropBefore(place: number, tryAt: TryAt): void;
  /**
   * Reports those that nothing can change any more: all that touch each other end by `place()`. Returns from where on nothing is
   * decided. `place` changes when something is tried.
   */
  decide(place: () => number, report: (candidate: Candidate) => void, tryAt: TryAt): number;
  /** The same of those alone that end by `place`; the others stay. */
  decideEndingBy(place: number, report: (candidate: Candidate) => void, tryAt: TryAt): void;
  /** Positions move by as many. */
  shift(by: number): void;
  /** Another text begins. */
  restart(): void;
}

/** Tries a rule at where a value would begin; what it finds is added. */
export type TryAt = (rule: CompiledRule, start: number) => void;

interface Untried {
  readonly rule: CompiledRule;
  readonly start: number;
}

export function createCandidates(): Candidates {
  let pending: Candidate[] = [];
  /** Those found while others are decided. */
  let fresh: Candidate[] | null = null;
  /** What is to be tried with the next decision. */
  let untried: Untried[] = [];
  const inner = createInnerValues();

  function add(candidate: Candidate): void {
    if (candidate.rule.isRun) {
      if (inner.isInside(candidate.rule, candidate.start)) return;
      const begun = inner.add(candidate);
      if (begun) {
        remove(begun.covered);
        for (const start of begun.behind) untried.push({ rule: candidate.rule, start });
      }
    }
    (fresh ?? pending).push(candidate);
  }

  function remove(candidate: Candidate): void {
    for (const list of [pending, fresh ?? []]) {
      const at = list.lastIndexOf(candidate);
      if (at >= 0) list.splice(at, 1);
    }
  }

  function tryAll(tryAt: TryAt): void {
    while (untried.length > 0) {
      const tried = untried.sort((a, b) => a.start - b.start);
      untried = [];
      for (const { rule, start } of tried) tryAt(rule, start);
    }
  }

  function dropBefore(place: number, tryAt: TryAt): void {
    const lost = pending.filter(({ start }) => start < place);
    if (lost.length === 0) return;
    pending = pending.filter(({ start }) => start >= place);
    for (const candidate of lost) {
      for (const start of inner.release(candidate, place)) untried.push({ rule: candidate.rule, start });
    }
    tryAll(tryAt);
  }

  function decide(placeOf: () => number, report: (candidate: Candidate) => void, tryAt: TryAt): number {
    tryAll(tryAt);
    let place = placeOf();
    const undecided: Candidate[] = [];
    let next = place;
    let decided = 0;
    if (pending.length > 1) pending.sort(byStart);
    /** Those from `from` to `to` end by `end`, and touch no others. */
    let to = 0;
    let end = 0;
    for (let from = 0; from < pending.length; ) {
      if (to <= from) {
        to = from + 1;
        end = pending[from]?.end ?? 0;
      }
      for (let other = pending[to]; other !== undefined && other.start < end; other = pending[to]) {
        end = Math.max(end, other.end);
        to++;
      }
      if (end > place) {
        next = Math.min(next, pending[from]?.start ?? next);
        undecided.push(...pending.slice(from, to));
        from = to;
      } else if (!holdsUntried(from, to)) {
        decided = Math.max(decided, end);
        reportAll(pending, from, to, report);
        from = to;
      } else {
        const winner = firstKept(pending, from, to);
        decided = Math.max(decided, winner.end);
        report(winner);
        from = dropLosers(winner, from);
        to = from;
        if (untried.length === 0) continue;
        fresh = [];
        tryAll(tryAt);
        for (const found of fresh) pending.splice(placeIn(pending, found, from), 0, found);
        fresh = null;
        place = Math.min(place, placeOf());
      }
    }
    pending = undecided;
    return Math.max(decided, Math.min(next, place));
  }

  function holdsUntried(from: number, to: number): boolean {
    if (inner.isEmpty()) return false;
    for (let i = from; i < to; i++) if (inner.has(pending[i])) return true;
    return false;
  }

  /**
   * Takes out a winner and all that it is preferred to, from `from` on. What begins inside those behind it is to be tried. Returns where the
   * others begin now.
   */
  function dropLosers(winner: Candidate, from: number): number {
    const left: Candidate[] = [];
    let to = from;
    for (let other = pending[to]; other !== undefined && other.start < winner.end; other = pending[++to]) {
      if (other === winner) inner.release(other, Number.POSITIVE_INFINITY);
      else if (!overlaps(other, winner) || isBetter(other, winner)) left.push(other);
      else for (const start of inner.release(other, winner.end)) untried.push({ rule: other.rule, start });
    }
    const begin = to - left.length;
    left.forEach((candidate, i) => {
      pending[begin + i] = candidate;
    });
    return begin;
  }

  function reportAll(
    list: readonly Candidate[],
    from: number,
    to: number,
    report: (candidate: Candidate) => void,
  ): void {
    const [first, second] = [list[from], list[from + 1]];
    // Most stand alone, or where another rule found the same.
    if (first && to === from + 1) report(first);
    else if (first && second && to === from + 2) report(betterOf(first, second));
    else for (const candidate of resolve(list.slice(from, to))) report(candidate);
    for (let i = from; i < to; i++) {
      const candidate = list[i];
      if (candidate?.rule.isRun) inner.release(candidate, Number.POSITIVE_INFINITY);
    }
  }

  return {
    add,
    isInside: inner.isInside,
    some: (holds) => pending.some(holds),
    bound: () => {
      if (pending.length + (fresh?.length ?? 0) > limits.findingsMax) {
        throw new Fault('detection_failed', `a text holds more than ${limits.findingsMax} open candidates`);
      }
    },
    dropBefore,
    decide,
    decideEndingBy: (place, report, tryAt) => {
      const others = pending.filter((candidate) => candidate.end > place);
      pending = pending.filter((candidate) => candidate.end <= place);
      decide(() => place, report, tryAt);
      pending.push(...others);
    },
    shift: (by) => {
      inner.shift(by);
      untried = untried.map(({ rule, start }) => ({ rule, start: start - by }));
      for (const candidate of pending) {
        candidate.start -= by;
        candidate.end -= by;
      }
    },
    restart: () => {
      pending = [];
      fresh = null;
      untried = [];
      inner.restart();
    },
  };
}

/** Where it belongs among others that are sorted from `from` on. */
function placeIn(sorted: readonly Candidate[], candidate: Candidate, from: number): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = sorted[middle];
    if (other && byStart(other, candidate) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The first of those that `resolve` would keep. What is tried because others lose cannot change it: that begins behind all that are
 * preferred to them, and is preferred to none of those. Found by looking at what touches it, not at all of them: where one loss leads
 * to the next, that is done for each.
 */
function firstKept(sorted: readonly Candidate[], from: number, to: number): Candidate {
  const known = new Map<Candidate, boolean>();
  let isTooDeep = false;

  function isKept(at: number, depth: number): boolean {
    const candidate = sorted[at];
    if (!candidate) return false;
    const answer = known.get(candidate);
    if (answer !== undefined) return answer;
    if (depth > depthMax) isTooDeep = true;
    let kept = !isTooDeep;
    for (let i = from; kept && i < to; i++) {
      const other = sorted[i];
      if (!other || other.start >= candidate.end) break;
      if (overlaps(other, candidate) && isBetter(other, candidate) && isKept(i, depth + 1)) kept = false;
    }
    known.set(candidate, kept);
    return kept;
  }

  for (let at = from; at < to && !isTooDeep; at++) {
    const candidate = sorted[at];
    if (candidate && isKept(at, 0) && !isTooDeep) return candidate;
  }
  const [first] = resolve(sorted.slice(from, to));
  if (!first) throw new RangeError('of some candidates one is kept');
  return first;
}

const depthMax = 500;
