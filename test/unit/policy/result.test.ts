import { describe, expect, test } from 'vitest';
import { Fault } from '../../../src/lib/fault.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { parseDecision } from '../../../src/policy/result.ts';

const allow = {
  action: 'allow',
  rules: [],
  reasons: [],
  redact: [],
  deny: null,
  hold: null,
  labels: {},
  capture: 'full',
};

const hold = {
  ...allow,
  action: 'hold',
  rules: ['h'],
  reasons: [{ rule: 'h', message: 'waits' }],
  hold: {
    approvers: { groups: ['g'], quorum: 2 },
    ttl_s: 60,
    wait_s: 5,
    grant: { uses: 1, ttl_s: 30 },
    require_reason: true,
  },
};

const deny = {
  ...allow,
  action: 'deny',
  rules: ['d'],
  reasons: [{ rule: 'd', message: 'no' }],
  deny: { status: 403, code: 'not_you', message: 'no' },
};

test.each<{ name: string; given: unknown; want: Decision }>([
  {
    name: 'allow with a plan',
    given: {
      ...allow,
      rules: ['m'],
      redact: [
        { entity: 'SECRET_*', method: 'label', roles: ['user'], min_score: 0.5 },
        { entity: 'EMAIL_ADDRESS', method: 'surrogate' },
        { entity: 'CREDIT_CARD', method: 'partial', keep: 6 },
      ],
      labels: { kind: 'x' },
      restore: [{ entity: 'EMAIL_*' }, { entity: '*', tools: true }],
      omit: [{ blocks: 'signed' }, { blocks: 'encrypted' }],
      capture: 'metadata',
    },
    want: {
      action: 'allow',
      rules: ['m'],
      reasons: [],
      redact: [
        { entity: 'SECRET_*', method: 'label', roles: ['user'], minScore: 0.5 },
        { entity: 'EMAIL_ADDRESS', method: 'surrogate' },
        { entity: 'CREDIT_CARD', method: 'partial', keep: 6 },
      ],
      restore: [{ entity: 'EMAIL_*' }, { entity: '*', tools: true }],
      omit: [{ blocks: 'signed' }, { blocks: 'encrypted' }],
      deny: null,
      hold: null,
      labels: { kind: 'x' },
      capture: 'metadata',
    },
  },
  {
    name: 'hold',
    given: hold,
    want: {
      action: 'hold',
      rules: ['h'],
      reasons: [{ rule: 'h', message: 'waits' }],
      redact: [],
      restore: [],
      omit: [],
      deny: null,
      hold: {
        approverGroups: ['g'],
        quorum: 2,
        ttlS: 60,
        waitS: 5,
        grant: { uses: 1, ttlS: 30 },
        requireReason: true,
        groupMatch: 'any',
        requireRequesterReason: false,
        returnReason: true,
        allowSelf: false,
        breakGlassGroups: [],
      },
      labels: {},
      capture: 'full',
    },
  },
  {
    name: 'deny',
    given: deny,
    want: {
      action: 'deny',
      rules: ['d'],
      reasons: [{ rule: 'd', message: 'no' }],
      redact: [],
      restore: [],
      omit: [],
      deny: { status: 403, code: 'not_you', message: 'no' },
      hold: null,
      labels: {},
      capture: 'full',
    },
  },
  {
    name: 'hold with all its terms',
    given: {
      ...hold,
      hold: {
        ...hold.hold,
        approvers: { groups: ['g', 'h'], quorum: 2, match: 'all' },
        require_requester_reason: true,
        return_reason: false,
        allow_self_approval: true,
        break_glass: { groups: ['oncall'] },
      },
    },
    want: {
      action: 'hold',
      rules: ['h'],
      reasons: [{ rule: 'h', message: 'waits' }],
      redact: [],
      restore: [],
      omit: [],
      deny: null,
      hold: {
        approverGroups: ['g', 'h'],
        quorum: 2,
        ttlS: 60,
        waitS: 5,
        grant: { uses: 1, ttlS: 30 },
        requireReason: true,
        groupMatch: 'all',
        requireRequesterReason: true,
        returnReason: false,
        allowSelf: true,
        breakGlassGroups: ['oncall'],
      },
      labels: {},
      capture: 'full',
    },
  },
])('a valid result is a decision: $name', ({ given, want }) => {
  expect(parseDecision(given)).toEqual(want);
});

describe('a result that is not of the contract is a fault', () => {
  test.each<{ name: string; given: unknown; place: string }>([
    { name: 'nothing', given: undefined, place: 'result' },
    { name: 'a boolean', given: true, place: 'result' },
    { name: 'a member missing', given: { ...allow, redact: undefined }, place: 'redact' },
    { name: 'a member too many', given: { ...allow, redacts: [] }, place: 'result' },
    { name: 'an unknown action', given: { ...allow, action: 'permit' }, place: 'action' },
    {
      name: 'an unknown method',
      given: { ...allow, redact: [{ entity: '*', method: 'blur' }] },
      place: 'redact.0.method',
    },
    {
      name: 'a misspelt restriction',
      given: { ...allow, redact: [{ entity: '*', method: 'label', role: ['user'] }] },
      place: 'redact.0',
    },
    {
      name: 'an entity in lower case',
      given: { ...allow, redact: [{ entity: 'email', method: 'label' }] },
      place: 'redact.0.entity',
    },
    {
      name: 'a score that is none',
      given: { ...allow, redact: [{ entity: '*', method: 'label', min_score: 2 }] },
      place: 'redact.0.min_score',
    },
    { name: 'a deny without its words', given: { ...deny, deny: null }, place: 'deny' },
    { name: 'words of a deny on an allow', given: { ...allow, deny: deny.deny }, place: 'deny' },
    { name: 'a deny without a reason', given: { ...deny, reasons: [] }, place: 'reasons' },
    { name: 'a deny that is a success', given: { ...deny, deny: { ...deny.deny, status: 200 } }, place: 'deny.status' },
    { name: 'a code that is prose', given: { ...deny, deny: { ...deny.deny, code: 'Not you!' } }, place: 'deny.code' },
    { name: 'a hold without terms', given: { ...hold, hold: null }, place: 'hold' },
    { name: 'terms of a hold on an allow', given: { ...allow, hold: hold.hold }, place: 'hold' },
    {
      name: 'nobody to approve',
      given: { ...hold, hold: { ...hold.hold, approvers: { groups: [], quorum: 1 } } },
      place: 'hold.approvers.groups',
    },
    {
      name: 'a hold that lives for ever',
      given: { ...hold, hold: { ...hold.hold, ttl_s: 1e12 } },
      place: 'hold.ttl_s',
    },
    { name: 'a label that is no string', given: { ...allow, labels: { kind: 1 } }, place: 'labels.kind' },
    {
      name: 'a misspelt restoration',
      given: { ...allow, restore: [{ entity: '*', tool: true }] },
      place: 'restore.0',
    },
    { name: 'an unknown capture', given: { ...allow, capture: 'all' }, place: 'capture' },
  ])('$name', ({ given, place }) => {
    expect(faultOf(() => parseDecision(given))).toMatch(
      new RegExp(`^policy_failed: the policy's result is malformed at ${place.replaceAll('.', '\\.')} \\(`),
    );
  });

  test('and its message quotes no value', () => {
    const given = { ...deny, deny: { ...deny.deny, code: 'VALUE OF A PROMPT' } };
    expect(faultOf(() => parseDecision(given))).not.toContain('VALUE');
  });
});

function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof Fault) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return 'no fault';
}
