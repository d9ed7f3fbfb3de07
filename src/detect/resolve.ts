import type { Candidate } from './attempt.ts';

/**
 * Keeps of overlapping candidates the better one: unbounded token before proven before plausible, then longer, then
 * higher score, then earlier. The order is total, so the outcome does not depend on the order of discovery. Sorted by start.
 */
export function resolve(candidates: readonly Candidate[]): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of [...candidates].sort(better)) {
    const place = firstEndingAfter(kept, candidate.start);
    const next = kept[place];
    if (!next || next.start >= candidate.end) kept.splice(place, 0, candidate);
  }
  return kept;
}

/** Whether the first of two that overlap is preferred. */
export function isBetter(a: Candidate, b: Candidate): boolean {
  return better(a, b) < 0;
}

export function overlaps(a: Candidate, b: Candidate): boolean {
  return a.start < b.end && b.start < a.end;
}

/** The better of two that overlap. */
export function betterOf(a: Candidate, b: Candidate): Candidate {
  return better(b, a) < 0 ? b : a;
}

export function byStart(a: Candidate, b: Candidate): number {
  return a.start - b.start || a.end - b.end || a.rule.order - b.rule.order;
}

function better(a: Candidate, b: Candidate): number {
  if (a.strength !== b.strength) return b.strength - a.strength;
  // The end of an unbounded token is not known when its first piece is reported, so it must not decide.
  if (a.strength === 2 && a.start !== b.start) return a.start - b.start;
  return b.end - b.start - (a.end - a.start) || b.score - a.score || a.start - b.start || a.rule.order - b.rule.order;
}

function firstEndingAfter(sorted: readonly Candidate[], offset: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.end ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
