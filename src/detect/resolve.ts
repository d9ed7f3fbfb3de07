import type { Candidate } from './attempt.ts';

/**
 * Keeps of overlapping candidates the better one: unbounded token before proven before plausible, then longer, then
 * higher score, then earlier. The order is total, so the outcome does not depend on the order of discovery. Sorted by start.
 */
export function resolve(candidates: readonly Candidate[]): Candidate[] {
  if (candidates.length < 2) return [...candidates];
  const kept: Candidate[] = [];
  for (const candidate of [...candidates].sort(better)) {
    const place = firstEndingAfter(kept, candidate.start);
    const next = kept[place];
    if (!next || next.start >= candidate.end) kept.splice(place, 0, candidate);
  }
  return kept;
}

/** Cuts candidates, sorted by start, into groups that do not touch each other. */
export function clusters(candidates: readonly Candidate[]): Candidate[][] {
  const groups: Candidate[][] = [];
  let end = -1;
  for (const candidate of candidates) {
    const group = groups.at(-1);
    if (group && candidate.start < end) group.push(candidate);
    else groups.push([candidate]);
    end = Math.max(end, candidate.end);
  }
  return groups;
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
