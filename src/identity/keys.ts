import type { CryptoKey } from 'jose';

/** What a signed token says of its key. */
export interface KeyHint {
  readonly alg: string;
  readonly kid: string | undefined;
}

/**
 * The public keys of one issuer. Yields the keys that may have made a signature: one as a rule, several when the token
 * names none, none when the issuer has no such key. Never more than `limits.keyCandidatesMax`.
 * Throws Fault `identity_unavailable` when the keys cannot be had, or when it cannot be said whether a key exists.
 */
export interface IssuerKeys {
  candidates(hint: KeyHint, signal: AbortSignal): Promise<readonly CryptoKey[]>;
}

/** Where an issuer's public keys come from. */
export type JwksSource =
  /** A JSON Web Key Set behind an https (or, when allowed, http) address. */
  | { readonly kind: 'url'; readonly url: string }
  /** The `jwks_uri` of the issuer's own metadata, OpenID Connect Discovery 1.0 section 4. */
  | { readonly kind: 'discovery' }
  /** A file, for air-gapped places; rotate by replacing it. */
  | { readonly kind: 'file'; readonly path: string };

export interface JwksOptions {
  readonly issuer: string;
  readonly source: JwksSource;
  /** Milliseconds; see `KeyCacheOptions` in key-cache.ts. */
  readonly freshMs: number;
  readonly staleMs: number;
  readonly coolDownMs: number;
  /** One HTTP exchange may take this long, milliseconds. */
  readonly timeoutMs: number;
}
