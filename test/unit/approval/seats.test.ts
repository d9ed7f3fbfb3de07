import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Approval } from '../../../src/approval/approval.ts';
import { seatsOf } from '../../../src/approval/seats.ts';
import { approve, create } from '../../../src/approval/state-machine.ts';
import { actor, held, startMs, terms } from '../../support/approvals.ts';

type Votes = readonly (readonly string[])[];

describe('seats', () => {
  test.each<{ name: string; match: 'any' | 'all'; quorum: number; votes: Votes; want: [number, string[]] }>([
    { name: 'any: nobody yet', match: 'any', quorum: 2, votes: [], want: [2, []] },
    { name: 'any: whatever the group', match: 'any', quorum: 2, votes: [['a'], ['a']], want: [0, []] },
    { name: 'all: nobody yet', match: 'all', quorum: 1, votes: [], want: [2, ['a', 'b']] },
    { name: 'all: one group of two', match: 'all', quorum: 1, votes: [['a']], want: [1, ['b']] },
    { name: 'all: one group twice', match: 'all', quorum: 2, votes: [['a'], ['a']], want: [1, ['b']] },
    { name: 'all: one person is not two', match: 'all', quorum: 1, votes: [['a', 'b']], want: [1, ['b']] },
    { name: 'all: a seat is handed on', match: 'all', quorum: 1, votes: [['a', 'b'], ['a']], want: [0, []] },
    { name: 'all: more people than groups', match: 'all', quorum: 3, votes: [['a'], ['b']], want: [1, []] },
  ])('$name', ({ match, quorum, votes, want }) => {
    const { missing, groupsMissing } = seatsOf(voted(match, quorum, ['a', 'b'], votes));
    expect([missing, groupsMissing]).toEqual(want);
  });

  test('nobody is heard whose word would change nothing, so that decisions are bounded', () => {
    const one = voted('all', 2, ['a', 'b'], [['a']]);
    const refused = approve(one, { by: actor('p2', ['a']), reason: null, atMs: startMs });
    expect(refused).toEqual({ ok: false, error: { kind: 'seat_filled', groups: ['b'] } });
  });

  test('as many are missing as the best seating leaves', () => {
    const groups = ['a', 'b', 'c', 'd'];
    const someVote = fc.subarray(groups, { minLength: 1 });
    fc.assert(
      fc.property(fc.array(someVote, { maxLength: 5 }), (votes) => {
        const { groupsMissing } = seatsOf(voted('all', 1, groups, votes));
        expect(groupsMissing.length).toBe(groups.length - bestSeating(groups, votes));
      }),
      { seed: 5 },
    );
  });
});

/** By trying everything. */
function bestSeating(groups: readonly string[], votes: Votes): number {
  const [vote, ...rest] = votes;
  if (vote === undefined) return 0;
  const seated = vote
    .filter((group) => groups.includes(group))
    .map(
      (group) =>
        1 +
        bestSeating(
          groups.filter((other) => other !== group),
          rest,
        ),
    );
  return Math.max(bestSeating(groups, rest), ...seated);
}

function voted(match: 'any' | 'all', quorum: number, groups: readonly string[], votes: Votes): Approval {
  const given = terms({ groupMatch: match, quorum, approverGroups: groups });
  const decisions = votes.map((voter, index) => ({
    by: actor(`p${index}`).person,
    groups: voter,
    verdict: 'approve' as const,
    reason: null,
    atMs: startMs,
  }));
  return { ...create('a', 'digest', held(), given, startMs), decisions };
}
