import { describe, expect, test } from 'vitest';
import type { Approval, ApprovalState, DecisionMade } from '../../../src/approval/approval.ts';
import {
  approve,
  breakGlass,
  cancel,
  consume,
  create,
  expire,
  governs,
  type Intention,
  isDue,
  isForced,
  mayDecide,
  type Refusal,
  reject,
  revoke,
  type Step,
} from '../../../src/approval/state-machine.ts';
import { limits } from '../../../src/lib/limits.ts';
import { actor, held, person, startMs, terms } from '../../support/approvals.ts';

const ttlMs = 600_000;
const grantMs = 300_000;

const ada = says('ada');
const bob = says('bob');
const rita = says('rita', []);

const pending = make();
const approved = done(approve(pending, ada));
const rejected = done(reject(pending, ada));
const cancelled = done(cancel(pending, rita));
const revoked = done(revoke(approved, bob));
const consumed = done(consume(approved, startMs));
const expired = done(expire(pending, startMs + ttlMs));
const grantExpired = done(expire(approved, startMs + grantMs));

describe('create', () => {
  test('begins pending, with both clocks unset but for the first', () => {
    expect(pending).toEqual({
      id: 'a',
      digest: 'digest',
      state: 'pending',
      held: held(),
      terms: terms(),
      createdAtMs: startMs,
      pendingUntilMs: startMs + ttlMs,
      grantUntilMs: null,
      usesLeft: 0,
      decisions: [],
      version: 1,
    });
  });

  test.each([
    {
      name: 'times',
      given: { ttlS: 1e9, waitS: 1e9 },
      want: { ttlS: limits.approvalTtlSecondsMax, waitS: limits.holdWaitSecondsMax },
    },
    { name: 'negative times', given: { ttlS: -1, waitS: -1 }, want: { ttlS: 0, waitS: 0 } },
    {
      name: 'grant',
      given: { grant: { uses: 1e9, ttlS: 1e9 } },
      want: { grant: { uses: limits.grantUsesMax, ttlS: limits.approvalTtlSecondsMax } },
    },
    { name: 'no use', given: { grant: { uses: 0, ttlS: 1 } }, want: { grant: { uses: 1, ttlS: 1 } } },
    { name: 'quorum of nobody', given: { quorum: 0 }, want: { quorum: 1 } },
    { name: 'quorum is never cut', given: { quorum: 1e6 }, want: { quorum: 1e6 } },
  ])('caps $name', ({ given, want }) => {
    expect(make(given).terms).toEqual({ ...terms(), ...want });
  });

  test('does not take a number that is none', () => {
    expect(() => make({ quorum: Number.NaN })).toThrow('broken invariant: hold terms are finite numbers');
  });
});

describe('decisions', () => {
  test('one approval of a quorum of one begins the grant', () => {
    expect(approved).toEqual({
      ...pending,
      state: 'approved',
      usesLeft: 1,
      grantUntilMs: startMs + grantMs,
      decisions: [made('ada', 'approve')],
      version: 2,
    });
  });

  test('a quorum fills with distinct people, and the last of them sets the end of the grant', () => {
    const first = done(approve(make({ quorum: 2 }), ada));
    expect(first).toMatchObject({ state: 'pending', usesLeft: 0, grantUntilMs: null, version: 2 });
    expect(approve(first, ada)).toEqual(refused({ kind: 'already_decided', first: made('ada', 'approve') }));
    expect(approve(first, { ...ada, by: { ...ada.by, person: person('ada', 'https://elsewhere.example') } })).toEqual(
      refused({ kind: 'already_decided', first: made('ada', 'approve') }),
    );
    const second = done(approve(first, { ...bob, atMs: startMs + 5 }));
    expect(second).toMatchObject({ state: 'approved', grantUntilMs: startMs + 5 + grantMs, version: 3 });
  });

  test('one rejection ends it, whatever seats are filled', () => {
    const first = done(approve(make({ quorum: 3 }), ada));
    expect(reject(first, bob)).toEqual({
      ok: true,
      value: { ...first, state: 'rejected', decisions: [made('ada', 'approve'), made('bob', 'reject')], version: 3 },
    });
  });

  test('names the groups by which the decider was entitled, no others', () => {
    const given = make({ approverGroups: ['security', 'reviewers'] });
    const decided = done(approve(given, says('ada', ['staff', 'reviewers', 'security'])));
    expect(decided.decisions[0]?.groups).toEqual(['security', 'reviewers']);
  });

  const notApprover = { kind: 'not_approver', groups: ['reviewers'] } as const;
  const refusals: readonly { name: string; given?: Approval; by: Intention; want: Refusal }[] = [
    { name: 'requester', by: says('rita'), want: { kind: 'own_request' } },
    {
      name: 'requester by another issuer',
      by: { ...ada, by: { ...ada.by, person: person('rita', 'https://elsewhere.example') } },
      want: { kind: 'own_request' },
    },
    { name: 'person acted for', given: make({}, { onBehalfOf: 'ada' }), by: ada, want: { kind: 'own_request' } },
    {
      name: 'owner of the service account',
      given: make({}, { excluded: ['owen', 'ada'] }),
      by: ada,
      want: { kind: 'own_request' },
    },
    { name: 'member of no approver group', by: says('olga', ['operations']), want: notApprover },
    { name: 'approver of another tenant', by: { ...ada, by: actor('ada', ['reviewers'], 'other') }, want: notApprover },
    { name: 'nobody', by: says(''), want: notApprover },
    { name: 'service account', by: { ...ada, by: { ...ada.by, kind: 'service' } }, want: { kind: 'not_human' } },
    { name: 'missing reason', given: make({ requireReason: true }), by: ada, want: { kind: 'reason_required' } },
    {
      name: 'blank reason',
      given: make({ requireReason: true }),
      by: { ...ada, reason: ' \n' },
      want: { kind: 'reason_required' },
    },
    {
      name: 'endless reason',
      by: { ...ada, reason: 'x'.repeat(1001) },
      want: { kind: 'reason_too_long', charsMax: 1000 },
    },
    { name: 'too late', by: { ...ada, atMs: startMs + ttlMs }, want: { kind: 'due' } },
    {
      name: 'after approval',
      given: approved,
      by: bob,
      want: { kind: 'already_resolved', state: 'approved', first: made('ada', 'approve') },
    },
    {
      name: 'after rejection',
      given: rejected,
      by: bob,
      want: { kind: 'already_resolved', state: 'rejected', first: made('ada', 'reject') },
    },
    {
      name: 'after revocation',
      given: revoked,
      by: bob,
      want: { kind: 'already_resolved', state: 'revoked', first: made('bob', 'revoke') },
    },
    {
      name: 'after expiry',
      given: expired,
      by: bob,
      want: { kind: 'already_resolved', state: 'expired', first: null },
    },
  ];
  test.each(refusals)('approve and reject refuse: $name', ({ given = pending, by, want }) => {
    expect(approve(given, by)).toEqual(refused(want));
    expect(reject(given, by)).toEqual(refused(want));
  });

  test('the last instant is in time', () => {
    expect(approve(pending, { ...ada, atMs: startMs + ttlMs - 1 }).ok).toBe(true);
  });
});

describe('cancel', () => {
  test.each([
    { name: 'requester', given: pending, by: rita, ok: true },
    { name: 'person acted for', given: make({}, { onBehalfOf: 'paul' }), by: says('paul', []), ok: true },
    { name: 'somebody else', given: pending, by: ada, ok: false },
    {
      name: 'namesake of another issuer',
      given: pending,
      by: { ...rita, by: { ...rita.by, person: person('rita', 'https://elsewhere.example') } },
      ok: false,
    },
    { name: 'namesake of another tenant', given: pending, by: { ...rita, by: actor('rita', [], 'other') }, ok: false },
    { name: 'nobody, for nobody', given: make({}, { requester: person('') }), by: says('', []), ok: false },
  ])('$name: $ok', ({ given, by, ok }) => {
    const want = {
      ...given,
      state: 'cancelled',
      decisions: [{ ...made(by.by.person.id, 'cancel'), groups: [] }],
      version: 2,
    };
    expect(cancel(given, by)).toEqual(ok ? { ok: true, value: want } : refused({ kind: 'not_requester' }));
  });

  test('needs no reason where decisions do', () => {
    expect(cancel(make({ requireReason: true }), rita).ok).toBe(true);
  });
});

describe('revoke', () => {
  test('takes the uses away, keeps the end of the grant', () => {
    expect(revoked).toEqual({
      ...approved,
      state: 'revoked',
      usesLeft: 0,
      decisions: [made('ada', 'approve'), made('bob', 'revoke')],
      version: 3,
    });
  });

  test.each<{ name: string; given: Approval; by: Intention; want: Refusal }>([
    { name: 'no approver', given: approved, by: rita, want: { kind: 'not_approver', groups: ['reviewers'] } },
    { name: 'nothing granted', given: pending, by: bob, want: { kind: 'not_approved' } },
    { name: 'nothing granted, and late', given: pending, by: { ...bob, atMs: startMs + ttlMs }, want: { kind: 'due' } },
    { name: 'grant over', given: approved, by: { ...bob, atMs: startMs + grantMs }, want: { kind: 'due' } },
    {
      name: 'used up',
      given: consumed,
      by: bob,
      want: { kind: 'already_resolved', state: 'consumed', first: made('ada', 'approve') },
    },
  ])('refuses: $name', ({ given, by, want }) => {
    expect(revoke(given, by)).toEqual(refused(want));
  });
});

describe('consume', () => {
  test('uses are counted down, and the last one ends it', () => {
    const twice = done(approve(make({ grant: { uses: 2, ttlS: 300 } }), ada));
    const once = done(consume(twice, startMs));
    expect(once).toEqual({ ...twice, usesLeft: 1, version: 3 });
    expect(done(consume(once, startMs))).toEqual({ ...twice, state: 'consumed', usesLeft: 0, version: 4 });
  });

  test('use does not slide the end of the grant', () => {
    const twice = done(approve(make({ grant: { uses: 2, ttlS: 300 } }), ada));
    const once = done(consume(twice, startMs + grantMs - 1));
    expect(consume(once, startMs + grantMs)).toEqual(refused({ kind: 'due' }));
  });

  test.each<{ name: string; given: Approval; want: Refusal }>([
    { name: 'pending', given: pending, want: { kind: 'not_approved' } },
    {
      name: 'consumed',
      given: consumed,
      want: { kind: 'already_resolved', state: 'consumed', first: made('ada', 'approve') },
    },
    { name: 'expired grant', given: grantExpired, want: { kind: 'already_resolved', state: 'expired', first: null } },
  ])('refuses: $name', ({ given, want }) => {
    expect(consume(given, startMs)).toEqual(refused(want));
  });
});

describe('time', () => {
  test('expires a pending approval and a grant at their instant', () => {
    expect(expire(pending, startMs + ttlMs - 1)).toEqual(refused({ kind: 'not_due', untilMs: startMs + ttlMs }));
    expect(expired).toEqual({ ...pending, state: 'expired', version: 2 });
    expect(expire(approved, startMs + grantMs - 1)).toEqual(refused({ kind: 'not_due', untilMs: startMs + grantMs }));
    expect(grantExpired).toEqual({ ...approved, state: 'expired', usesLeft: 0, version: 3 });
    expect(isDue(rejected, Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  test.each<{ given: Approval; untilMs: number }>([
    { given: pending, untilMs: Number.POSITIVE_INFINITY },
    { given: approved, untilMs: Number.POSITIVE_INFINITY },
    { given: rejected, untilMs: startMs + ttlMs },
    { given: revoked, untilMs: startMs + grantMs },
    { given: expired, untilMs: Number.NEGATIVE_INFINITY },
    { given: cancelled, untilMs: Number.NEGATIVE_INFINITY },
    { given: consumed, untilMs: Number.NEGATIVE_INFINITY },
  ])('$given.state governs its digest until $untilMs', ({ given, untilMs }) => {
    for (const nowMs of [startMs, startMs + grantMs - 1, startMs + grantMs, startMs + ttlMs - 1, startMs + ttlMs]) {
      expect([nowMs, governs(given, nowMs)]).toEqual([nowMs, nowMs < untilMs]);
    }
  });
});

describe('break-glass', () => {
  const given = make({ quorum: 3, breakGlassGroups: ['oncall', 'duty'] });
  const olga = { ...says('olga', ['oncall']), reason: 'the site is down' };

  test('one person is enough, and the grant is flagged and no wider than any other', () => {
    expect(done(breakGlass(given, olga))).toEqual({
      ...given,
      state: 'approved',
      usesLeft: 1,
      grantUntilMs: startMs + grantMs,
      decisions: [
        { by: person('olga'), groups: ['oncall'], verdict: 'break_glass', reason: 'the site is down', atMs: startMs },
      ],
      version: 2,
    });
    expect(isForced(done(breakGlass(given, olga)))).toBe(true);
    expect(isForced(approved)).toBe(false);
  });

  test.each<{ name: string; given: Approval; by: Intention; want: Refusal }>([
    { name: 'nobody may', given: pending, by: olga, want: { kind: 'not_break_glass', groups: [] } },
    { name: 'an approver', given, by: ada, want: { kind: 'not_break_glass', groups: ['oncall', 'duty'] } },
    {
      name: 'another tenant',
      given,
      by: { ...olga, by: actor('olga', ['oncall'], 'other') },
      want: { kind: 'not_break_glass', groups: ['oncall', 'duty'] },
    },
    {
      name: 'the requester',
      given,
      by: { ...says('rita', ['oncall']), reason: 'please' },
      want: { kind: 'own_request' },
    },
    {
      name: 'a service',
      given,
      by: { ...olga, by: { ...olga.by, kind: 'service' } },
      want: { kind: 'not_human' },
    },
    { name: 'no reason', given, by: { ...olga, reason: null }, want: { kind: 'reason_required' } },
    { name: 'blanks for a reason', given, by: { ...olga, reason: ' ' }, want: { kind: 'reason_required' } },
    { name: 'past its time', given, by: { ...olga, atMs: startMs + ttlMs }, want: { kind: 'due' } },
  ])('is refused: $name', ({ given, by, want }) => {
    expect(breakGlass(given, by)).toEqual(refused(want));
  });

  test('who may force may take it back', () => {
    const forced = done(breakGlass(given, olga));
    expect(done(revoke(forced, olga)).decisions.at(-1)).toMatchObject({ verdict: 'revoke', groups: ['oncall'] });
  });
});

describe('self-approval', () => {
  test('is for the rule to allow, fills one seat, and is flagged', () => {
    const given = make({ allowSelf: true, quorum: 2 }, { excluded: ['owen'] });
    const own = done(approve(given, says('rita')));
    expect(own).toMatchObject({ state: 'pending', decisions: [{ isOwn: true }] });
    expect(approve(own, says('rita'))).toMatchObject({ ok: false, error: { kind: 'already_decided' } });
    expect(done(approve(own, says('owen'))).decisions).toMatchObject([{ isOwn: true }, { isOwn: true }]);
    expect(done(approve(own, ada)).decisions.at(-1)).not.toHaveProperty('isOwn');
  });

  test('takes an approver all the same', () => {
    expect(approve(make({ allowSelf: true }), rita)).toEqual(refused({ kind: 'not_approver', groups: ['reviewers'] }));
  });
});

test('who could decide now', () => {
  expect(mayDecide(make({ requireReason: true }), ada.by, startMs)).toBe(true);
  expect(mayDecide(pending, rita.by, startMs)).toBe(false);
  expect(mayDecide(pending, ada.by, startMs + ttlMs)).toBe(false);
  expect(mayDecide(approved, bob.by, startMs)).toBe(false);
});

test('a final state allows nothing', () => {
  const final: Readonly<Record<Exclude<ApprovalState, 'pending' | 'approved'>, Approval>> = {
    rejected,
    expired,
    cancelled,
    consumed,
    revoked,
  };
  for (const [state, given] of Object.entries(final)) {
    const force = breakGlass({ ...given, terms: terms({ breakGlassGroups: ['reviewers'] }) }, { ...bob, reason: 'x' });
    const steps = [force, approve(given, bob), reject(given, bob), cancel(given, rita), revoke(given, bob)];
    const late = startMs + 10 * ttlMs;
    for (const step of [...steps, consume(given, startMs), consume(given, late), expire(given, late)]) {
      expect(step).toMatchObject({ ok: false, error: { kind: 'already_resolved', state } });
    }
  }
});

function make(termChanges = {}, heldChanges = {}): Approval {
  return create('a', 'digest', held(heldChanges), terms(termChanges), startMs);
}

function says(id: string, groups: readonly string[] = ['reviewers']): Intention {
  return { by: actor(id, groups), reason: null, atMs: startMs };
}

function made(id: string, verdict: DecisionMade['verdict']): DecisionMade {
  return { by: person(id), groups: ['reviewers'], verdict, reason: null, atMs: startMs };
}

function done(step: Step): Approval {
  if (!step.ok) throw new Error(step.error.kind);
  return step.value;
}

function refused(error: Refusal): Step {
  return { ok: false, error };
}
