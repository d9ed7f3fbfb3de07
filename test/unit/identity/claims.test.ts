import { describe, expect, test } from 'vitest';
import { type ClaimRules, subjectFromClaims } from '../../../src/identity/claims.ts';
import { anonymous, type Subject } from '../../../src/identity/subject.ts';
import { canonicalJson, type JsonObject } from '../../../src/lib/json.ts';

const rules: ClaimRules = {
  subject: 'sub',
  groups: ['groups'],
  roles: ['roles', 'realm_access.roles'],
  tenant: { fixed: 'default' },
  displayName: ['name', 'preferred_username'],
  owners: 'owners',
  actor: 'act',
  service: [
    { claim: 'gty', equals: 'client-credentials' },
    { claim: 'sub', equalsClaim: 'azp' },
    { claim: 'sub', startsWith: 'system:serviceaccount:' },
  ],
  keep: ['department', 'ctx'],
};
const base: JsonObject = { iss: 'https://idp.example.com', sub: 'alice' };
const alice: Subject = {
  ...anonymous,
  authenticated: true,
  kind: 'human',
  id: 'alice',
  issuer: 'https://idp.example.com',
};

describe('claims become a subject', () => {
  const cases: readonly {
    readonly name: string;
    readonly claims: JsonObject;
    readonly rules?: Partial<ClaimRules>;
    readonly want: Partial<Subject> | 'claims_invalid';
  }[] = [
    { name: 'the least there can be', claims: {}, want: {} },
    { name: 'groups sorted, each once', claims: { groups: ['b', 'a', 'b'] }, want: { groups: ['a', 'b'] } },
    { name: 'groups in one text', claims: { groups: 'ops  eng' }, want: { groups: ['eng', 'ops'] } },
    {
      name: 'roles from two places',
      claims: { roles: ['x'], realm_access: { roles: ['w', 'x'] } },
      want: { roles: ['w', 'x'] },
    },
    {
      name: 'a claim named like a URL',
      claims: { 'https://example.com/groups': ['a'] },
      rules: { groups: ['https://example.com/groups'] },
      want: { groups: ['a'] },
    },
    { name: 'null is absent', claims: { groups: null }, want: { groups: [] } },
    { name: 'groups a number', claims: { groups: 7 }, want: 'claims_invalid' },
    { name: 'groups with a number in it', claims: { groups: ['a', 7] }, want: 'claims_invalid' },
    { name: 'groups with an empty name', claims: { groups: [''] }, want: 'claims_invalid' },
    { name: 'a group name that is no text', claims: { groups: ['a\ud800'] }, want: 'claims_invalid' },
    {
      name: 'groups kept elsewhere (too many for the token)',
      claims: { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } },
      want: 'claims_invalid',
    },
    { name: 'other claims kept elsewhere', claims: { _claim_names: { address: 'src1' } }, want: {} },
    {
      name: 'names of the prototype are no claims',
      claims: {},
      rules: { groups: ['constructor', 'a.toString'] },
      want: {},
    },
    { name: 'subject empty', claims: { sub: '' }, want: 'claims_invalid' },
    { name: 'subject no text', claims: { sub: 7 }, want: 'claims_invalid' },
    { name: 'another subject claim', claims: { oid: 'o-1' }, rules: { subject: 'oid' }, want: { id: 'o-1' } },
    { name: 'issuer no text', claims: { iss: 7 }, want: 'claims_invalid' },
    { name: 'tenant by claim', claims: { tid: 't-1' }, rules: { tenant: { claim: 'tid' } }, want: { tenant: 't-1' } },
    { name: 'tenant claim missing', claims: {}, rules: { tenant: { claim: 'tid' } }, want: 'claims_invalid' },
    {
      name: 'the second name when there is no first',
      claims: { preferred_username: 'al' },
      want: { displayName: 'al' },
    },
    {
      name: 'a name that plays with the terminal',
      claims: { name: '\u001b[31mroot\u202e\r\n' },
      want: { displayName: '[31mroot' },
    },
    { name: 'a long name', claims: { name: '😀'.repeat(300) }, want: { displayName: '😀'.repeat(200) } },
    { name: 'owners', claims: { owners: ['bob', 'ann'] }, want: { owners: ['ann', 'bob'] } },
    { name: 'owners no list', claims: { owners: true }, want: 'claims_invalid' },
    { name: 'service by grant type', claims: { gty: 'client-credentials' }, want: { kind: 'service' } },
    { name: 'service by equal claims', claims: { azp: 'alice' }, want: { kind: 'service' } },
    { name: 'no service: claims differ', claims: { azp: 'web' }, want: { kind: 'human' } },
    {
      name: 'service by prefix',
      claims: { sub: 'system:serviceaccount:llm:agent' },
      want: { kind: 'service', id: 'system:serviceaccount:llm:agent' },
    },
    {
      name: 'an agent acts for a person: the agent calls, with the rights of the token',
      claims: { groups: ['eng'], act: { sub: 'agent-7', act: { sub: 'earlier' } } },
      want: { kind: 'service', id: 'agent-7', onBehalfOf: 'alice', groups: ['eng'] },
    },
    {
      name: 'an actor by client id',
      claims: { act: { client_id: 'c-1' } },
      want: { kind: 'service', id: 'c-1', onBehalfOf: 'alice' },
    },
    { name: 'an actor without a name', claims: { act: {} }, want: 'claims_invalid' },
    { name: 'an actor that is no object', claims: { act: 'agent' }, want: 'claims_invalid' },
    { name: 'no address where nobody asked for it', claims: { email: 'al@example.com' }, want: {} },
    ...[
      { name: 'an address', claims: { email: 'al@example.com' }, email: 'al@example.com' },
      { name: 'verified', claims: { email: 'a+b@example.com', email_verified: true }, email: 'a+b@example.com' },
      { name: 'verified, in a text', claims: { email: 'al@x.example', email_verified: 'true' }, email: 'al@x.example' },
      { name: 'not verified', claims: { email: 'al@example.com', email_verified: false } },
      { name: 'not verified, in a text', claims: { email: 'al@example.com', email_verified: 'false' } },
      { name: 'who knows', claims: { email: 'al@example.com', email_verified: 1 } },
      { name: 'two addresses', claims: { email: 'al@example.com,eve@example.com' } },
      { name: 'an address with a header', claims: { email: 'al@example.com\r\nBcc: eve@example.com' } },
      { name: 'a name beside it', claims: { email: 'Al <al@example.com>' } },
      { name: 'no host', claims: { email: 'al@' } },
      { name: 'too long', claims: { email: `al@${'x'.repeat(252)}` } },
      { name: 'a list', claims: { email: ['al@example.com'] } },
      { name: 'another claim', claims: { mail: 'al@example.com' }, at: 'mail', email: 'al@example.com' },
    ].map(({ name, claims, email, at = 'email' }) => ({
      name: `address: ${name}`,
      claims,
      rules: { email: at },
      want: email === undefined ? {} : { email },
    })),
    {
      name: 'address: that of the person whom an agent acts for',
      claims: { email: 'al@example.com', act: { sub: 'agent-7' } },
      rules: { email: 'email' },
      want: { kind: 'service', id: 'agent-7', onBehalfOf: 'alice', email: 'al@example.com' },
    },
    { name: 'delegation not looked at', claims: { act: { sub: 'agent' } }, rules: { actor: null }, want: {} },
    {
      name: 'claims on the list, and no other',
      claims: { department: 'R&D', ctx: { a: [1, true, null] }, email: 'a@example.com' },
      want: { claims: { department: 'R&D', ctx: { a: [1, true, null] } } },
    },
    { name: 'a kept claim that is no text', claims: { department: '\udfff' }, want: 'claims_invalid' },
    { name: 'a kept claim with a name that is none', claims: { ctx: { '\ud800': 1 } }, want: 'claims_invalid' },
    {
      name: 'a kept claim too deep',
      claims: { ctx: JSON.parse('['.repeat(18) + ']'.repeat(18)) },
      want: 'claims_invalid',
    },
  ];

  test.each(cases)('$name', ({ claims, rules: changed, want }) => {
    const result = subjectFromClaims({ ...base, ...claims }, { ...rules, ...changed });
    if (want === 'claims_invalid') {
      expect(result).toEqual({ ok: false, error: want });
      return;
    }
    expect(result).toEqual({ ok: true, value: { ...alice, ...want } });
    // Whatever is let in can stand in the record.
    if (result.ok) expect(() => canonicalJson({ ...result.value })).not.toThrow();
  });
});
