import type { JsonObject } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';

/** Who is asking, as verified. Groups and roles are sorted and free of duplicates. */
export interface Subject {
  readonly authenticated: boolean;
  readonly kind: 'human' | 'service' | 'anonymous';
  /** Unique within the issuer (`sub`, or the configured claim). Empty when anonymous. */
  readonly id: string;
  readonly issuer: string;
  readonly tenant: string;
  /** A name to show to a reviewer; never used to decide. */
  readonly displayName: string | null;
  readonly groups: readonly string[];
  readonly roles: readonly string[];
  /** The configured allow-list of claims, nothing more. */
  readonly claims: JsonObject;
  /** SPIFFE id of the calling workload, verified by the mesh (ext_authz `source.principal`, or XFCC when trusted). */
  readonly workload: string | null;
  /** Subject id that a service acts for (RFC 8693 `act`), or null. */
  readonly onBehalfOf: string | null;
  /** Subject ids of the people who own a service account: they may not approve its requests. */
  readonly owners: readonly string[];
  /**
   * Where to write to the person of the token (with `act`: the one acted for). Read only where configuration has somebody to
   * write to, never used to decide, and kept with an approval alone: see `withoutEmail`.
   */
  readonly email?: string;
}

/** Where to write to the person who asks, or is asked for; null: that is no person, or its token names no address. */
export function addressOf({ kind, onBehalfOf, email }: Subject): string | null {
  return kind === 'human' || onBehalfOf !== null ? (email ?? null) : null;
}

/** The subject as it is kept longer than an approval, or shown: without the address. */
export function withoutEmail({ email: _email, ...subject }: Subject): Subject {
  return subject;
}

export const anonymous: Subject = {
  authenticated: false,
  kind: 'anonymous',
  id: '',
  issuer: '',
  tenant: 'default',
  displayName: null,
  groups: [],
  roles: [],
  claims: {},
  workload: null,
  onBehalfOf: null,
  owners: [],
};

export interface Credentials {
  /** The identity token as it stood in the configured header, without its scheme; null when there was none. */
  readonly token: string | null;
  /** mTLS principal that Envoy verified (ext_authz `source.principal`), or null. */
  readonly principal: string | null;
  /** x-forwarded-client-cert as received, or null. Trusted only when configuration says that Envoy sanitises it. */
  readonly xfcc: string | null;
}

export type RejectedCredential =
  | 'malformed'
  | 'unsigned'
  | 'algorithm_not_allowed'
  | 'unknown_issuer'
  | 'unknown_key'
  | 'bad_signature'
  | 'wrong_audience'
  | 'expired'
  | 'not_yet_valid'
  | 'claims_invalid';

/**
 * Turns credentials into a Subject. No token is not an error: it yields `anonymous` (with the workload, if any), and
 * policy decides. A token that does not verify is an error, whatever policy says. Throws Fault `identity_unavailable`
 * when keys cannot be had.
 */
export interface Authenticator {
  authenticate(credentials: Credentials, signal: AbortSignal): Promise<Result<Subject, RejectedCredential>>;
}
