import { member } from './verify-json.ts';

/** What is missing, and what the record says about it. Absence must be explained: what no record explains was tampered with. */
export interface Absence {
  /** Takes in what a record says was destroyed. */
  explain(manifest: object): void;
  /** These records are not there. */
  gap(first: number, last: number): void;
  /** Whether a record says that this key was destroyed. */
  isDestroyed(key: string): boolean;
  /** Missing records that are explained. */
  expired(): number;
  unexplained(): readonly Range[];
  /** Expired ranges of which fewer records were kept than the record says. */
  lostExplanations(): readonly Range[];
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** `kept`: how many of its records were kept because they explain what is absent. */
interface ExpiredRange extends Range {
  readonly kept: number;
}

/** `origin`: name of the log whose records are missing; null: not known. */
export function createAbsence(kept: readonly object[], origin: string | null): Absence {
  const destroyed = new Set<string>();
  const ranges: ExpiredRange[] = [];
  const gaps: Range[] = [];

  function explain(manifest: object): void {
    const facts = member(manifest, 'facts');
    const kind = member(manifest, 'kind');
    if (kind === 'erase') for (const key of list(member(facts, 'keys'))) destroyed.add(String(key));
    if (kind !== 'expire') return;
    for (const epoch of list(member(facts, 'epochs'))) destroyed.add(String(epoch));
    // Expired records of a shard are told by a later one, which then says whose they are.
    if (origin !== null && (member(facts, 'log') ?? member(manifest, 'origin')) !== origin) return;
    for (const range of list(member(facts, 'segments'))) {
      const [first, last] = [Number(member(range, 'first')), Number(member(range, 'last'))];
      ranges.push({ first, last, kept: Number(member(range, 'kept')) });
    }
  }

  /** What of a gap no range covers. */
  function uncovered(gap: Range): Range[] {
    const left: Range[] = [];
    let at = gap.first;
    for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
      if (range.last < at || range.first > gap.last) continue;
      if (range.first > at) left.push({ first: at, last: range.first - 1 });
      at = Math.max(at, range.last + 1);
    }
    return at <= gap.last ? [...left, { first: at, last: gap.last }] : left;
  }

  for (const manifest of kept) explain(manifest);
  return {
    explain,
    gap: (first, last) => void gaps.push({ first, last }),
    isDestroyed: (key) => destroyed.has(key),
    expired: () => {
      const missing = gaps.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      const lost = gaps.flatMap(uncovered).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      return missing - lost;
    },
    unexplained: () => gaps.flatMap(uncovered),
    lostExplanations: () => {
      const sequences = kept.map((manifest) => Number(member(manifest, 'seq')));
      return ranges.filter((range) => {
        const isGone = gaps.some((gap) => gap.first <= range.first && range.last <= gap.last);
        return isGone && sequences.filter((at) => at >= range.first && at <= range.last).length < range.kept;
      });
    },
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
