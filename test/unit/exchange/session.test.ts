import { describe, expect, test } from 'vitest';
import { createPseudonyms, placeholderScope, sessionOf } from '../../../src/exchange/session.ts';
import { anonymous, type Subject } from '../../../src/identity/subject.ts';
import { limits } from '../../../src/lib/limits.ts';
import { emptyConversation } from '../../../src/llm/conversation.ts';

const alice: Subject = {
  ...anonymous,
  authenticated: true,
  kind: 'human',
  id: 'alice',
  issuer: 'https://a',
  tenant: 't',
};
const other = (change: Partial<Subject>): Subject => ({ ...alice, ...change });
const head = (headers: Record<string, string>) => ({
  method: 'POST',
  path: '/',
  host: 'h',
  headers: new Map(Object.entries(headers)),
  source: { address: '', principal: null },
  destination: '',
  contextExtensions: {},
  metadata: {},
});

test.each([
  { name: 'the header', headers: { 'x-session-id': 's1' }, hint: 's2', want: 's1' },
  { name: 'the hint of the body', headers: {}, hint: 's2', want: 's2' },
  { name: 'the exchange itself', headers: {}, hint: null, want: 'e' },
  { name: 'not a header of any length', headers: { 'x-session-id': 'x'.repeat(257) }, hint: null, want: 'e' },
])('a session is named by $name', ({ headers, hint, want }) => {
  expect(sessionOf(head(headers), 'x-session-id', { ...emptyConversation, sessionHint: hint }, 'e')).toBe(want);
});

describe('a scope is shared by nobody else', () => {
  test.each([
    { name: 'another session', a: ['session', alice, 's1'], b: ['session', alice, 's2'] },
    { name: 'another person', a: ['session', alice, 's1'], b: ['session', other({ id: 'bob' }), 's1'] },
    { name: 'another issuer', a: ['session', alice, 's1'], b: ['session', other({ issuer: 'https://b' }), 's1'] },
    { name: 'another tenant', a: ['tenant', alice, 's1'], b: ['tenant', other({ tenant: 'u' }), 's1'] },
    {
      name: 'a name that runs into the next',
      a: ['session', other({ id: 'ab' }), 'c'],
      b: ['session', other({ id: 'a' }), 'bc'],
    },
  ] as const)('$name', ({ a, b }) => {
    expect(placeholderScope(a[0], a[1], a[2], 'e')).not.toBe(placeholderScope(b[0], b[1], b[2], 'e'));
  });

  test('within a tenant it is the same, where that is asked for', () => {
    expect(placeholderScope('tenant', alice, 's1', 'e1')).toBe(
      placeholderScope('tenant', other({ id: 'bob' }), 's2', 'e2'),
    );
  });
});

test('a pseudonym is stable, keyed, one of each caller, and does not tell the name', () => {
  const [one, two] = [createPseudonyms(Buffer.alloc(32, 1)), createPseudonyms(Buffer.alloc(32, 2))];
  expect(one(alice)).toBe(one({ ...alice }));
  expect(one(alice)).toBe(createPseudonyms(Buffer.alloc(32, 1))(alice));
  expect(one(alice)).not.toBe(two(alice));
  const others = [{ id: 'bob' }, { tenant: 'other' }, { issuer: 'https://other.example' }].map((change) =>
    one(other(change)),
  );
  expect(new Set([one(alice), ...others]).size).toBe(4);
  expect(one(alice)).not.toContain('alice');
  expect(one(anonymous)).toBe('anonymous');
});

test('pseudonyms stay the same when more callers came than are kept', () => {
  const pseudonyms = createPseudonyms(Buffer.alloc(32, 1));
  const before = pseudonyms(alice);
  for (let n = 0; n <= limits.pseudonymsMax; n++) pseudonyms(other({ id: `caller ${n}` }));
  expect(pseudonyms(alice)).toBe(before);
});
