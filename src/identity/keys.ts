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
