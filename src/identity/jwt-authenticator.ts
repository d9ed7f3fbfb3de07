import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../lib/clock.ts';
import type { JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type ClaimRules, subjectFromClaims } from './claims.ts';
import type { IssuerKeys } from './keys.ts';
import { isSpiffeId } from './spiffe.ts';
import { type Authenticator, anonymous, type Credentials, type RejectedCredential, type Subject } from './subject.ts';
import { createTokenCache } from './token-cache.ts';
import { workloadFromXfcc } from './xfcc.ts';

/** Signature algorithms that can be allowed: asymmetric ones only, so that a public key can never serve as a secret. */
export const signatureAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export type SignatureAlgorithm = (typeof signatureAlgorithms)[number];

/** One issuer whose tokens are accepted. */
export interface TrustedIssuer {
  /** Equal to the token's `iss`, character for character. */
  readonly issuer: string;
  /** A token must be meant for one of these. Never empty. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly SignatureAlgorithm[];
  /** Required `typ` of the token's header, such as `at+jwt` (RFC 9068); null: not looked at. */
  readonly tokenType: string | null;
  /** Seconds by which the issuer's clock may differ from ours. */
  readonly clockToleranceS: number;
  readonly claims: ClaimRules;
  readonly keys: IssuerKeys;
}

export interface JwtAuthenticatorOptions {
  readonly issuers: readonly TrustedIssuer[];
  readonly workload: {
    /** True only where Envoy sanitises or sets `x-forwarded-client-cert`: a client could write it otherwise. */
    readonly xfccTrusted: boolean;
  };
  readonly cache: {
    /** How long a verified token is taken at its word, milliseconds; also how long a withdrawn key keeps working. */
    readonly ttlMs: number;
    readonly entriesMax: number;
  };
}

/**
 * Verifies bearer tokens as JWTs (RFC 7519, hardened by RFC 8725): the issuer is chosen by `iss`, the algorithm by that
 * issuer's allow-list, the key by that issuer's key set and nothing in the token. `exp` is required. Rejections are not
 * cached. No message or rejection holds a part of the token.
 */
export function createJwtAuthenticator(
  deps: { readonly clock: Clock },
  options: JwtAuthenticatorOptions,
): Authenticator {
  const issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, issuer]));
  const cache = createTokenCache(deps, options.cache);

  const verify = async (token: string, signal: AbortSignal): Promise<Result<Subject, RejectedCredential>> => {
    if (token.length > limits.tokenBytesMax) return err('malformed');
    const known = cache.get(token);
    if (known !== null) return ok(known);
    const claimed = peek(token);
    if (typeof claimed === 'string') return err(claimed);
    const issuer = issuers.get(claimed.issuer);
    if (issuer === undefined) return err('unknown_issuer');
    if (!issuer.algorithms.some((allowed) => allowed === claimed.alg)) return err('algorithm_not_allowed');
    const payload = await verifySignature(token, claimed, issuer, deps.clock, signal);
    if (!payload.ok) return payload;
    const { exp, nbf } = payload.value;
    if (exp === undefined) return err('claims_invalid');
    const subject = subjectFromClaims(asJson(payload.value), issuer.claims);
    if (!subject.ok) return subject;
    const notBeforeMs = nbf === undefined ? Number.NEGATIVE_INFINITY : (nbf - issuer.clockToleranceS) * 1000;
    cache.put(token, subject.value, { notBeforeMs, expiresMs: exp * 1000 });
    return subject;
  };

  return {
    async authenticate(credentials, signal) {
      const workload = workloadOf(credentials, options.workload.xfccTrusted);
      if (credentials.token === null) return ok(workload === null ? anonymous : { ...anonymous, workload });
      const subject = await verify(credentials.token, signal);
      return !subject.ok || workload === null ? subject : ok({ ...subject.value, workload });
    },
  };
}

/** XFCC first where it is trusted: ext_authz and ext_proc see the same header, but only ext_authz is told a principal. */
function workloadOf({ principal, xfcc }: Credentials, xfccTrusted: boolean): string | null {
  if (xfccTrusted && xfcc !== null) return workloadFromXfcc(xfcc);
  return principal !== null && isSpiffeId(principal) ? principal : null;
}

interface Claimed {
  readonly issuer: string;
  readonly alg: string;
  readonly kid: string | undefined;
}

/** What an unverified token says of itself: enough to choose what to verify it against, and for nothing else. */
function peek(token: string): Claimed | RejectedCredential {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return 'malformed';
    if (alg.toLowerCase() === 'none') return 'unsigned';
    const { iss } = decodeJwt(token);
    if (token.endsWith('.')) return 'unsigned';
    return typeof iss === 'string' ? { issuer: iss, alg, kid } : 'unknown_issuer';
  } catch {
    return 'malformed';
  }
}

async function verifySignature(
  token: string,
  claimed: Claimed,
  issuer: TrustedIssuer,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result<JWTPayload, RejectedCredential>> {
  const keys = await issuer.keys.candidates({ alg: claimed.alg, kid: claimed.kid }, signal);
  let rejection: RejectedCredential = 'unknown_key';
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.issuer,
        audience: [...issuer.audiences],
        clockTolerance: issuer.clockToleranceS,
        currentDate: new Date(clock.nowMs()),
        requiredClaims: ['exp'],
        ...(issuer.tokenType === null ? {} : { typ: issuer.tokenType }),
      });
      return ok(payload);
    } catch (error) {
      rejection = rejectionOf(error);
      if (rejection !== 'bad_signature') break;
    }
  }
  return err(rejection);
}

/** jose's errors are the expected outcomes of verifying; anything else it throws is a bug and stays thrown. */
function rejectionOf(error: unknown): RejectedCredential {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'bad_signature';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm_not_allowed';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') return 'wrong_audience';
    if (error.claim === 'iss') return 'unknown_issuer';
    return error.claim === 'nbf' && error.reason === 'check_failed' ? 'not_yet_valid' : 'claims_invalid';
  }
  // Includes a `crit` header: RFC 7515 section 4.1.11 forbids to accept what one does not understand.
  if (error instanceof errors.JOSEError) return 'malformed';
  throw error;
}

/** Claims come from JSON.parse, so they are JSON by construction. */
function asJson(payload: JWTPayload): JsonObject {
  return payload as JsonObject;
}
