import { describe, expect, test } from 'vitest';
import { compilePlan, type Redaction } from '../../../src/mask/plan.ts';

const cases: readonly {
  name: string;
  redact: readonly Redaction[];
  entity: string;
  score?: number;
  role?: string;
  want: string | null;
}[] = [
  { name: 'no line', redact: [], entity: 'US_SSN', want: null },
  {
    name: 'exact name',
    redact: [{ entity: 'US_SSN', method: 'token' }],
    entity: 'US_SSN',
    want: 'token',
  },
  {
    name: 'a name is no prefix',
    redact: [{ entity: 'US_SSN', method: 'token' }],
    entity: 'US_SSN_X',
    want: null,
  },
  {
    name: 'glob tail',
    redact: [{ entity: 'SECRET_*', method: 'label' }],
    entity: 'SECRET_AWS',
    want: 'label',
  },
  {
    name: 'glob tail needs its head',
    redact: [{ entity: 'SECRET_*', method: 'label' }],
    entity: 'SECRET',
    want: null,
  },
  {
    name: 'star alone',
    redact: [{ entity: '*', method: 'label' }],
    entity: 'ANY',
    want: 'label',
  },
  {
    name: 'star in the middle',
    redact: [{ entity: 'US_*_ID', method: 'drop' }],
    entity: 'US_X_ID',
    want: 'drop',
  },
  {
    name: 'head and tail do not overlap',
    redact: [{ entity: 'AB*BA', method: 'drop' }],
    entity: 'ABA',
    want: null,
  },
  {
    name: 'several stars',
    redact: [{ entity: '*A*B*', method: 'drop' }],
    entity: 'XAYBZ',
    want: 'drop',
  },
  {
    name: 'stars in order',
    redact: [{ entity: '*A*B*', method: 'drop' }],
    entity: 'XBYAZ',
    want: null,
  },
  {
    name: 'dots stand for themselves',
    redact: [{ entity: 'A.C', method: 'drop' }],
    entity: 'ABC',
    want: null,
  },
  {
    name: 'the strictest of several',
    redact: [
      { entity: '*', method: 'partial' },
      { entity: 'US_*', method: 'label' },
      { entity: 'US_SSN', method: 'token' },
    ],
    entity: 'US_SSN',
    want: 'label',
  },
  {
    name: 'a role that is listed',
    redact: [{ entity: '*', method: 'token', roles: ['user', 'tool'] }],
    entity: 'US_SSN',
    role: 'tool',
    want: 'token',
  },
  {
    name: 'a role that is not listed falls to the next line',
    redact: [
      { entity: '*', method: 'drop', roles: ['system'] },
      { entity: '*', method: 'hash' },
    ],
    entity: 'US_SSN',
    want: 'hash',
  },
  {
    name: 'score reached',
    redact: [{ entity: '*', method: 'hash', minScore: 0.5 }],
    entity: 'A',
    score: 0.5,
    want: 'hash',
  },
  {
    name: 'score missed',
    redact: [{ entity: '*', method: 'hash', minScore: 0.5 }],
    entity: 'A',
    score: 0.49,
    want: null,
  },
];

describe('compilePlan', () => {
  test.each(cases)('$name', ({ redact, entity, score = 1, role = 'user', want }) => {
    const plan = compilePlan(redact);
    expect(plan.methodFor({ entity, score }, role)).toBe(want);
    expect(plan.methodFor({ entity, score }, role)).toBe(want);
  });

  test('knows whether it can mask and whether it writes keyed text', () => {
    const facts = (redact: readonly Redaction[]) => [compilePlan(redact).isEmpty, compilePlan(redact).isKeyed];
    expect(facts([])).toEqual([true, false]);
    expect(facts([{ entity: '*', method: 'label' }])).toEqual([false, false]);
    expect(facts([{ entity: '*', method: 'token' }])).toEqual([false, true]);
    expect(facts([{ entity: '*', method: 'hash' }])).toEqual([false, true]);
  });
});
