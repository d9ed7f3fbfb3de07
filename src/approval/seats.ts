import type { Approval } from './approval.ts';

/** What is still missing of a quorum. */
export interface Seats {
  /** How many more distinct people have to approve, at least. 0: the quorum is filled. */
  readonly missing: number;
  /** Groups of `all` terms that nobody represents yet. Another choice of who stands for whom may leave others. */
  readonly groupsMissing: readonly string[];
}

/**
 * Counts the approvals of distinct people against the terms. With `all` every group is represented by a person of its own:
 * somebody who is in two groups fills the seat of one of them, whichever leaves the other to somebody else.
 */
export function seatsOf({ terms, decisions }: Approval): Seats {
  const approvals = decisions.filter((made) => made.verdict === 'approve');
  const short = Math.max(0, terms.quorum - approvals.length);
  if (terms.groupMatch === 'any') return { missing: short, groupsMissing: [] };
  const groupsMissing = unrepresented(
    terms.approverGroups,
    approvals.map((made) => made.groups),
  );
  return { missing: Math.max(short, groupsMissing.length), groupsMissing };
}

/** A largest matching of groups to people, found by augmenting paths: a person moves to another group where that frees a seat. */
function unrepresented(groups: readonly string[], people: readonly (readonly string[])[]): readonly string[] {
  const seated = new Map<string, number>();
  const seat = (person: number, tried: Set<string>): boolean => {
    for (const group of groups) {
      if (!people[person]?.includes(group) || tried.has(group)) continue;
      tried.add(group);
      const sitting = seated.get(group);
      if (sitting === undefined || seat(sitting, tried)) {
        seated.set(group, person);
        return true;
      }
    }
    return false;
  };
  for (const person of people.keys()) seat(person, new Set());
  return [...new Set(groups)].filter((group) => !seated.has(group));
}
