import { createHmac } from 'node:crypto';
import type { CryptoKey } from 'jose';
import { createLocalJWKSet } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ClaimRules } from '../../../src/identity/claims.ts';
import {
  createJwtAuthenticator,
  type JwtAuthenticatorOptions,
  type TrustedIssuer,
} from '../../../src/identity/jwt-authenticator.ts';
import type { IssuerKeys } from '../../../src/identity/keys.ts';
import { anonymous, type Credentials, type RejectedCredential, type Subject } from '../../../src/identity/subject.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { createSigningKey, type SigningKey } from '../../support/issuer.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const issuer = 'https://idp.example.com';
const other = 'https://other.example.com/realm';
const signal = new AbortController().signal;
const rules: ClaimRules = {
  subject: 'sub',
  groups: ['groups'],
  roles: ['roles'],
  tenant: { fixed: 'default' },
  displayName: ['name'],
  owners: null,
  actor: 'act',
  service: [],
  keep: [],
};

let keys: Record<'rsa' | 'pss' | 'ec' | 'ec384' | 'ed' | 'foreign' | 'others', SigningKey>;
beforeAll(async () => {
  const [rsa, pss, ec, ec384, ed, foreign, others] = await Promise.all([
    createSigningKey('rsa-1', 'RS256'),
    createSigningKey('pss-1', 'PS256'),
    createSigningKey('ec-1', 'ES256'),
    createSigningKey('ec-2', 'ES384'),
    createSigningKey('ed-1', 'EdDSA'),
    createSigningKey('ec-1', 'ES256'),
    createSigningKey('ec-1', 'ES256'),
  ]);
  keys = { rsa, pss, ec, ec384, ed, foreign, others };
});

/** Keys in memory, with a count of how often they were asked for. */
function keysOf(signing: readonly SigningKey[]): IssuerKeys & { readonly asked: () => number } {
  const set = createLocalJWKSet({ keys: signing.map((key) => key.publicJwk) });
  let asked = 0;
  return {
    asked: () => asked,
    async candidates({ alg, kid }) {
      asked += 1;
      try {
        return [await set(kid === undefined ? { alg } : { alg, kid })] satisfies CryptoKey[];
      } catch {
        return [];
      }
    },
  };
}

function setUp(changes: Partial<TrustedIssuer> = {}, options: Partial<JwtAuthenticatorOptions> = {}) {
  const clock = createManualClock();
  const own = keysOf([keys.rsa, keys.pss, keys.ec, keys.ec384, keys.ed]);
  const trusted: TrustedIssuer = {
    issuer,
    audiences: ['countersign', 'gateway'],
    algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
    tokenType: null,
    clockToleranceS: 30,
    claims: rules,
    keys: own,
    ...changes,
  };
  const authenticator = createJwtAuthenticator(
    { clock },
    {
      issuers: [trusted, { ...trusted, issuer: other, keys: keysOf([keys.others]) }],
      workload: { xfccTrusted: false },
      cache: { ttlMs: 60_000, entriesMax: 100 },
      ...options,
    },
  );
  const now = clock.nowMs() / 1000;
  return {
    clock,
    own,
    claims: { iss: issuer, aud: 'countersign', sub: 'alice', iat: now, exp: now + 300 },
    authenticate: (token: string | null, rest: Partial<Credentials> = {}) =>
      authenticator.authenticate({ token, principal: null, xfcc: null, ...rest }, signal),
  };
}

const alice: Subject = {
  ...anonymous,
  authenticated: true,
  kind: 'human',
  id: 'alice',
  issuer,
};

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

describe('a token that verifies', () => {
  test.each(['rsa', 'pss', 'ec', 'ec384', 'ed'] as const)('signed with %s', async (name) => {
    const { authenticate, claims } = setUp();
    expect(await authenticate(await keys[name].sign(claims))).toEqual({ ok: true, value: alice });
  });

  test('audience among several, issuer by its own keys', async () => {
    const { authenticate, claims } = setUp();
    const token = await keys.others.sign({ ...claims, iss: other, aud: ['elsewhere', 'gateway'] });
    expect(await authenticate(token)).toEqual({ ok: true, value: { ...alice, issuer: other } });
  });

  test('within the tolerance of the clock, on both sides', async () => {
    const { authenticate, claims } = setUp();
    expect(await authenticate(await keys.ec.sign({ ...claims, exp: claims.iat - 29 }))).toEqual({
      ok: true,
      value: alice,
    });
    expect(await authenticate(await keys.ec.sign({ ...claims, nbf: claims.iat + 30 }))).toEqual({
      ok: true,
      value: alice,
    });
  });

  test('of the required type', async () => {
    const { authenticate, claims } = setUp({ tokenType: 'at+jwt' });
    const typed = await keys.ec.sign(claims, { typ: 'application/at+jwt' });
    expect(await authenticate(typed)).toEqual({ ok: true, value: alice });
    expect(await authenticate(await keys.ec.sign(claims, { typ: 'JWT' }))).toEqual({
      ok: false,
      error: 'claims_invalid',
    });
  });
});

describe('a token that does not', () => {
  type Context = ReturnType<typeof setUp>;
  const cases: readonly {
    readonly name: string;
    readonly token: (context: Context) => string | Promise<string>;
    readonly want: RejectedCredential;
  }[] = [
    { name: 'empty', token: () => '', want: 'malformed' },
    { name: 'no JWT', token: () => 'not-a-token', want: 'malformed' },
    { name: 'two parts', token: ({ claims }) => `${part({ alg: 'ES256' })}.${part(claims)}`, want: 'malformed' },
    { name: 'header no JSON', token: ({ claims }) => `bm9wZQ.${part(claims)}.c2ln`, want: 'malformed' },
    { name: 'payload no object', token: () => `${part({ alg: 'ES256' })}.${part([1])}.c2ln`, want: 'malformed' },
    { name: 'alg missing', token: ({ claims }) => `${part({})}.${part(claims)}.c2ln`, want: 'malformed' },
    { name: 'alg no text', token: ({ claims }) => `${part({ alg: 1 })}.${part(claims)}.c2ln`, want: 'malformed' },
    { name: 'kid no text', token: ({ claims }) => keys.ec.sign(claims, { kid: 7 }), want: 'malformed' },
    { name: 'encrypted (five parts)', token: () => `${part({ alg: 'dir' })}.a.b.c.d`, want: 'malformed' },
    {
      name: 'two tokens joined by a comma',
      token: async ({ claims }) => {
        const token = await keys.ec.sign(claims);
        return `${token}, ${token}`;
      },
      want: 'malformed',
    },
    {
      name: 'huge',
      token: async ({ claims }) => keys.ec.sign({ ...claims, pad: 'x'.repeat(16_384) }),
      want: 'malformed',
    },
    {
      name: 'a crit header nobody understands',
      token: async ({ claims }) => {
        const [, payload, signature] = (await keys.ec.sign(claims)).split('.');
        return `${part({ alg: 'ES256', kid: 'ec-1', crit: ['exp'], exp: 1 })}.${payload}.${signature}`;
      },
      want: 'malformed',
    },
    { name: 'alg none', token: ({ claims }) => `${part({ alg: 'none' })}.${part(claims)}.`, want: 'unsigned' },
    { name: 'alg NONE', token: ({ claims }) => `${part({ alg: 'NONE' })}.${part(claims)}.c2ln`, want: 'unsigned' },
    {
      name: 'signature cut off',
      token: async ({ claims }) => (await keys.ec.sign(claims)).replace(/[^.]+$/, ''),
      want: 'unsigned',
    },
    {
      name: 'HS256 with the public key as secret',
      token: ({ claims }) => {
        const input = `${part({ alg: 'HS256', kid: 'rsa-1' })}.${part(claims)}`;
        const secret = JSON.stringify(keys.rsa.publicJwk);
        return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
      },
      want: 'algorithm_not_allowed',
    },
    {
      name: 'an algorithm that is not on the list',
      token: ({ claims }) => `${part({ alg: 'RS512', kid: 'rsa-1' })}.${part(claims)}.c2ln`,
      want: 'algorithm_not_allowed',
    },
    {
      name: 'issuer nobody trusts',
      token: ({ claims }) => keys.ec.sign({ ...claims, iss: 'https://evil.example' }),
      want: 'unknown_issuer',
    },
    {
      name: 'issuer with a slash more',
      token: ({ claims }) => keys.ec.sign({ ...claims, iss: `${issuer}/` }),
      want: 'unknown_issuer',
    },
    { name: 'no issuer', token: ({ claims: { iss: _, ...rest } }) => keys.ec.sign(rest), want: 'unknown_issuer' },
    {
      name: 'kid that the issuer has not',
      token: ({ claims }) => keys.ec.sign(claims, { kid: 'ec-9' }),
      want: 'unknown_key',
    },
    {
      name: 'kid of a key of another kind',
      token: ({ claims }) => keys.ec.sign(claims, { kid: 'rsa-1' }),
      want: 'unknown_key',
    },
    {
      name: 'its own key in the header',
      token: ({ claims }) => keys.foreign.sign(claims, { jwk: keys.foreign.publicJwk }),
      want: 'bad_signature',
    },
    { name: 'key of another issuer', token: ({ claims }) => keys.others.sign(claims), want: 'bad_signature' },
    {
      name: 'payload changed',
      token: async ({ claims }) => {
        const [header, , signature] = (await keys.ec.sign(claims)).split('.');
        return `${header}.${part({ ...claims, sub: 'mallory' })}.${signature}`;
      },
      want: 'bad_signature',
    },
    {
      name: 'other audience',
      token: ({ claims }) => keys.ec.sign({ ...claims, aud: 'elsewhere' }),
      want: 'wrong_audience',
    },
    { name: 'no audience', token: ({ claims: { aud: _, ...rest } }) => keys.ec.sign(rest), want: 'wrong_audience' },
    { name: 'audience no text', token: ({ claims }) => keys.ec.sign({ ...claims, aud: 1 }), want: 'wrong_audience' },
    { name: 'expired', token: ({ claims }) => keys.ec.sign({ ...claims, exp: claims.iat - 30 }), want: 'expired' },
    {
      name: 'not valid yet',
      token: ({ claims }) => keys.ec.sign({ ...claims, nbf: claims.iat + 31 }),
      want: 'not_yet_valid',
    },
    { name: 'no exp', token: ({ claims: { exp: _, ...rest } }) => keys.ec.sign(rest), want: 'claims_invalid' },
    { name: 'nbf no number', token: ({ claims }) => keys.ec.sign({ ...claims, nbf: 'now' }), want: 'claims_invalid' },
    { name: 'no subject', token: ({ claims: { sub: _, ...rest } }) => keys.ec.sign(rest), want: 'claims_invalid' },
    {
      name: 'groups no list',
      token: ({ claims }) => keys.ec.sign({ ...claims, groups: { a: 1 } }),
      want: 'claims_invalid',
    },
  ];

  test.each(cases)('$name: $want', async ({ token, want }) => {
    const context = setUp();
    expect(await context.authenticate(await token(context))).toEqual({ ok: false, error: want });
  });

  test('every rejection there is stands in the table', () => {
    expect(new Set(cases.map(({ want }) => want))).toEqual(
      new Set([
        'malformed',
        'unsigned',
        'algorithm_not_allowed',
        'unknown_issuer',
        'unknown_key',
        'bad_signature',
        'wrong_audience',
        'expired',
        'not_yet_valid',
        'claims_invalid',
      ]),
    );
  });

  test('a flipped bit anywhere in the signed parts', async () => {
    const { authenticate, claims } = setUp();
    const token = await keys.ed.sign(claims);
    const end = token.lastIndexOf('.');
    for (let at = 0; at < end; at += 7) {
      if (token[at] === '.') continue;
      const flipped = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
      if (flipped !== token) expect(await authenticate(flipped)).toMatchObject({ ok: false });
    }
  });
});

test('without a key in the token, the key that fits is found among several', async () => {
  const second = await createSigningKey('ec-b', 'ES256');
  const publicKeys = await Promise.all(
    [keys.ec, second].map((key) => createLocalJWKSet({ keys: [key.publicJwk] })({ alg: 'ES256' })),
  );
  const { authenticate, claims } = setUp({ keys: { candidates: async () => publicKeys } });
  expect(await authenticate(await second.sign(claims))).toEqual({ ok: true, value: alice });
  expect(await authenticate(await keys.foreign.sign(claims))).toEqual({ ok: false, error: 'bad_signature' });
  const late = await second.sign({ ...claims, exp: claims.iat - 100 });
  expect(await authenticate(late)).toEqual({ ok: false, error: 'expired' });
});

describe('without a token', () => {
  const id = 'spiffe://mesh.example/ns/llm/sa/agent';

  test.each([
    { name: 'nobody', given: {}, trusted: false, want: anonymous },
    { name: 'a workload by principal', given: { principal: id }, trusted: false, want: { ...anonymous, workload: id } },
    {
      name: 'a principal that is no SPIFFE id',
      given: { principal: 'client.example.com' },
      trusted: false,
      want: anonymous,
    },
    { name: 'XFCC that is not trusted', given: { xfcc: `URI=${id}` }, trusted: false, want: anonymous },
    { name: 'XFCC that is', given: { xfcc: `URI=${id}` }, trusted: true, want: { ...anonymous, workload: id } },
    {
      name: 'trusted XFCC before the principal',
      given: { xfcc: `URI=${id}`, principal: 'spiffe://mesh.example/gateway' },
      trusted: true,
      want: { ...anonymous, workload: id },
    },
    {
      name: 'trusted XFCC that says nothing: not the principal in its place',
      given: { xfcc: 'Hash=ab', principal: 'spiffe://mesh.example/gateway' },
      trusted: true,
      want: anonymous,
    },
  ])('$name', async ({ given, trusted, want }) => {
    const { authenticate } = setUp({}, { workload: { xfccTrusted: trusted } });
    expect(await authenticate(null, given)).toEqual({ ok: true, value: want });
  });

  test('a person behind a workload is both', async () => {
    const { authenticate, claims } = setUp();
    const token = await keys.ec.sign(claims);
    const first = await authenticate(token, { principal: id });
    expect(first).toEqual({ ok: true, value: { ...alice, workload: id } });
    // Remembered is who the token stands for, not where it came from.
    expect(await authenticate(token)).toEqual({ ok: true, value: alice });
  });
});

describe('a verified token is remembered', () => {
  test('so that the next request does not ask for keys, for as long as the ttl', async () => {
    const { authenticate, claims, own, clock } = setUp();
    const token = await keys.ec.sign(claims);
    await authenticate(token);
    clock.advance(59_999);
    await authenticate(token);
    expect(own.asked()).toBe(1);
    clock.advance(1);
    await authenticate(token);
    expect(own.asked()).toBe(2);
  });

  test.each([
    { name: 'time passes', move: (context: ReturnType<typeof setUp>) => context.clock.advance(10_000) },
    { name: 'the wall clock is set forward', move: (context: ReturnType<typeof setUp>) => context.clock.step(10_000) },
  ])('never beyond its exp: $name', async ({ move }) => {
    const context = setUp({ clockToleranceS: 0 });
    const token = await keys.ec.sign({ ...context.claims, exp: context.claims.iat + 10 });
    expect(await context.authenticate(token)).toEqual({ ok: true, value: alice });
    move(context);
    expect(await context.authenticate(token)).toEqual({ ok: false, error: 'expired' });
  });

  test('not before its nbf, when the wall clock is set back', async () => {
    const context = setUp({ clockToleranceS: 0 });
    const token = await keys.ec.sign({ ...context.claims, nbf: context.claims.iat });
    expect(await context.authenticate(token)).toEqual({ ok: true, value: alice });
    context.clock.step(-1_000);
    expect(await context.authenticate(token)).toEqual({ ok: false, error: 'not_yet_valid' });
  });

  test('a rejection is not', async () => {
    const { authenticate, claims, own } = setUp();
    const token = await keys.foreign.sign(claims);
    await authenticate(token);
    await authenticate(token);
    expect(own.asked()).toBe(2);
  });
});

test('keys that cannot be had are a fault, and no fault tells of the token', async () => {
  const down: IssuerKeys = {
    candidates: () => Promise.reject(new Fault('identity_unavailable', `no keys of issuer ${issuer}`)),
  };
  const { authenticate, claims } = setUp({ keys: down });
  const token = await keys.ec.sign(claims);
  const fault = await authenticate(token).catch((thrown: unknown) => thrown);
  expect(fault).toBeInstanceOf(Fault);
  expect(Fault.from(fault).code).toBe('identity_unavailable');
  for (const piece of token.split('.')) expect(String(fault)).not.toContain(piece);
});
