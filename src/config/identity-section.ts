import { z } from 'zod';
import type { ServiceRule } from '../identity/claims.ts';
import { signatureAlgorithms } from '../identity/jwt-authenticator.ts';
import type { JwksSource } from '../identity/keys.ts';
import { limits } from '../lib/limits.ts';
import type { IdentityConfig, IssuerConfig } from './config.ts';
import { distinct, duration, headerName, isLoopback, path, text } from './values.ts';

/** The `identity` section. */
export function identitySection(base: string): z.ZodType<IdentityConfig> {
  return z
    .strictObject({
      token: z
        .strictObject({
          header: headerName.prefault('x-countersign-token').meta({
            description:
              "Header that carries the caller's identity token. `authorization` often carries the provider's key, hence a header of its own.",
          }),
          scheme: z
            .string()
            .regex(/^[A-Za-z][A-Za-z0-9-]{0,31}$/, 'must be a scheme such as Bearer')
            .nullable()
            .default(null)
            .meta({ description: 'Scheme before the token (`Bearer`); null: the header holds the bare token.' }),
          forward: z
            .boolean()
            .default(false)
            .meta({ description: 'Whether the token goes on to the model. It is removed by default.' }),
        })
        .prefault({})
        .meta({ description: 'Where callers put their identity token.' }),
      issuers: z.array(issuer(base)).max(32, 'must have at most 32 entries').default([]).meta({
        description: 'OpenID Connect issuers whose tokens are accepted. Without any, every caller is anonymous.',
      }),
      workload: z
        .strictObject({
          xfcc_trusted: z.boolean().default(false).meta({
            description:
              'Whether `x-forwarded-client-cert` names the calling workload. Only where Envoy sanitises or sets that header.',
          }),
        })
        .prefault({})
        .meta({ description: 'SPIFFE identity of the calling workload.' }),
      cache: z
        .strictObject({
          ttl: duration('0s', '10m').prefault('60s').meta({
            description:
              'How long a verified token is taken at its word, never beyond its `exp`. A withdrawn key keeps working this long.',
          }),
          entries: z
            .int()
            .min(0)
            .max(100_000)
            .default(limits.tokensCachedMax)
            .meta({ description: 'Verified tokens that are remembered.' }),
        })
        .prefault({})
        .meta({ description: 'Verified tokens are remembered by their digest.' }),
    })
    .transform(
      ({ token, issuers, workload, cache }): IdentityConfig => ({
        token: { header: token.header, scheme: token.scheme },
        forwardToken: token.forward,
        issuers,
        workload: { xfccTrusted: workload.xfcc_trusted },
        cache: { ttlMs: cache.ttl, entriesMax: cache.entries },
      }),
    );
}

const claim = text.meta({ description: 'A claim name, or names joined by dots (`realm_access.roles`).' });

function issuer(base: string) {
  return z
    .strictObject({
      issuer: z.url('must be a URL').meta({ description: "The token's `iss`, character for character." }),
      audiences: distinct(text, 32)
        .refine((list) => list.length > 0, 'must name at least one audience')
        .meta({ description: 'A token must be meant for one of these (`aud`).' }),
      algorithms: z
        .array(z.enum(signatureAlgorithms))
        .min(1, 'must name at least one algorithm')
        .default(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])
        .meta({ description: 'Signature algorithms that are accepted. Symmetric ones and `none` cannot be.' }),
      token_type: text.nullable().default(null).meta({
        description: "Required `typ` of the token's header, such as `at+jwt` (RFC 9068); null: not looked at.",
      }),
      clock_tolerance: duration('0s', '5m')
        .prefault('30s')
        .meta({ description: "By how much the issuer's clock may differ." }),
      jwks: jwks(base),
      claims: claims(),
    })
    .transform((given, context): IssuerConfig => {
      if (!given.jwks.allowHttp && !isSafe(given.jwks.source, given.issuer)) {
        const message = 'keys must come over https: or from this machine; allow_http lifts this';
        context.addIssue({ code: 'custom', path: ['jwks'], message });
      }
      const { source, freshMs, staleMs, coolDownMs, timeoutMs } = given.jwks;
      return {
        issuer: given.issuer,
        audiences: given.audiences,
        algorithms: given.algorithms,
        tokenType: given.token_type,
        clockToleranceS: given.clock_tolerance / 1000,
        claims: given.claims,
        jwks: { issuer: given.issuer, source, freshMs, staleMs, coolDownMs, timeoutMs },
      };
    });
}

/** Nobody on the way can put in keys of their own. */
function isSafe(source: JwksSource, issuer: string): boolean {
  if (source.kind === 'file') return true;
  const { protocol, hostname } = new URL(source.kind === 'url' ? source.url : issuer);
  return protocol === 'https:' || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}

function jwks(base: string) {
  return z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/, error: 'must be an https URL' })
        .refine((url) => !/^[^/]*\/\/[^/]*@/.test(url), 'must not hold credentials: key sets are public')
        .optional()
        .meta({ description: 'Address of the key set.' }),
      file: path(base)
        .optional()
        .meta({ description: 'File that holds the key set, for air-gapped places. Replace it to rotate keys.' }),
      allow_http: z.boolean().default(false).meta({
        description: 'Accepts `http:` from another machine. Whoever can alter that traffic can name any key.',
      }),
      fresh: duration('1s', '1d')
        .prefault('10m')
        .meta({ description: 'Older keys are renewed in the background while they serve.' }),
      stale: duration('1s', '7d')
        .prefault('1h')
        .meta({ description: 'Keys older than this are not used: from here on an unreachable issuer is an outage.' }),
      cool_down: duration('1s', '1h').prefault('30s').meta({
        description:
          'A token with an unknown key asks for the key set again, but not sooner than this after the last answer.',
      }),
      timeout: duration('100ms', '1m').prefault('5s').meta({ description: 'Longest wait for one answer.' }),
    })
    .refine((given) => given.url === undefined || given.file === undefined, {
      path: ['file'],
      error: 'must not stand beside url: keys come from one place',
    })
    .transform((given) => {
      const source: JwksSource =
        given.file !== undefined
          ? { kind: 'file', path: given.file }
          : given.url !== undefined
            ? { kind: 'url', url: given.url }
            : { kind: 'discovery' };
      return {
        source,
        allowHttp: given.allow_http,
        freshMs: given.fresh,
        staleMs: given.stale,
        coolDownMs: given.cool_down,
        timeoutMs: given.timeout,
      };
    })
    .prefault({})
    .meta({
      description:
        "The issuer's public keys: `url`, `file`, or neither for `jwks_uri` of the issuer's own metadata (OpenID Connect Discovery).",
    });
}

function claims() {
  return z
    .strictObject({
      subject: claim.default('sub').meta({ description: 'Claim that names the caller, unique within the issuer.' }),
      groups: distinct(claim, 16)
        .prefault(['groups'])
        .meta({ description: 'Claims that hold group names; all are joined. An array, or one text with spaces.' }),
      roles: distinct(claim, 16)
        .prefault(['roles'])
        .meta({ description: 'Claims that hold role names; all are joined.' }),
      tenant: text
        .optional()
        .meta({ description: 'The tenant of all callers of this issuer; `default` when nothing is said.' }),
      tenant_claim: claim
        .optional()
        .meta({ description: "Claim that names the caller's tenant; a token without it is refused." }),
      display_name: distinct(claim, 8)
        .prefault(['name', 'preferred_username', 'email'])
        .meta({ description: 'Claims to show to reviewers; the first that is there. Never used to decide.' }),
      owners: claim.nullable().default(null).meta({
        description: 'Claim that names the people who own a service account: they may not approve its requests.',
      }),
      email: claim.nullable().default('email').meta({
        description:
          "Claim that holds the address of the token's person, for notices to requesters; not taken unless `email_verified` is true or missing. Read only where a route has `to_requester`. Null: never.",
      }),
      actor: claim.nullable().default('act').meta({
        description:
          'Claim that says who acts for the subject (RFC 8693). The caller is then the actor, a service. Null: not looked at.',
      }),
      keep: distinct(text, 64)
        .prefault([])
        .meta({ description: 'Top-level claims that policy and the record may see. All others are forgotten.' }),
      service: z
        .array(serviceRule)
        .max(32)
        .prefault([
          { claim: 'gty', equals: 'client-credentials' },
          { claim: 'idtyp', equals: 'app' },
          { claim: 'sub', equals_claim: 'client_id' },
          { claim: 'sub', equals_claim: 'azp' },
          { claim: 'sub', starts_with: 'system:serviceaccount:' },
        ])
        .meta({ description: 'Tokens that no person stands behind: any one rule is enough.' }),
    })
    .refine((given) => given.tenant === undefined || given.tenant_claim === undefined, {
      path: ['tenant_claim'],
      error: 'must not stand beside tenant: a tenant is fixed or claimed',
    })
    .transform(({ tenant, tenant_claim, display_name, ...rest }) => ({
      ...rest,
      tenant: tenant_claim === undefined ? { fixed: tenant ?? 'default' } : { claim: tenant_claim },
      displayName: display_name,
    }))
    .prefault({})
    .meta({ description: 'How claims become a subject.' });
}

const serviceRule = z
  .strictObject({
    claim,
    equals: text.optional().meta({ description: 'The claim is this text.' }),
    equals_claim: claim.optional().meta({ description: 'The claim is the same as this other one.' }),
    starts_with: text.optional().meta({ description: 'The claim begins with this text.' }),
  })
  .transform((given, context): ServiceRule => {
    const rules: ServiceRule[] = [];
    if (given.equals !== undefined) rules.push({ claim: given.claim, equals: given.equals });
    if (given.equals_claim !== undefined) rules.push({ claim: given.claim, equalsClaim: given.equals_claim });
    if (given.starts_with !== undefined) rules.push({ claim: given.claim, startsWith: given.starts_with });
    const [rule] = rules;
    if (rule !== undefined && rules.length === 1) return rule;
    context.addIssue('must have exactly one of equals, equals_claim and starts_with');
    return z.NEVER;
  });
