import { exportJWK, generateKeyPair, importJWK, type JSONWebKeySet, type JWK, SignJWT } from 'jose';
import type { Clock } from '../../lib/clock.ts';
import type { JsonObject } from '../../lib/json.ts';

/** A signature key of an issuer: the private half never leaves this object unless asked for by `exportPrivate`. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly publicJwk: JWK;
  /** For keeping a demo's issuer over restarts, in a file that only its owner can read. */
  exportPrivate(): Promise<JWK>;
  sign(claims: JsonObject, header?: JsonObject): Promise<string>;
}

/** An issuer small enough for demos and tests: it has keys, publishes them and signs what it is told to. */
export interface DemoIssuer {
  readonly issuer: string;
  /** Keys that are published; the first signs. */
  jwks(): JSONWebKeySet;
  /**
   * A signed token with `iss`, `iat` and `exp` (ten minutes unless `lifetimeS` says otherwise) around the given claims;
   * a claim given by the caller wins.
   */
  mint(claims: JsonObject, lifetimeS?: number): Promise<string>;
}

export async function createSigningKey(kid: string, alg: string): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, {
    extractable: true,
  });
  return signingKey(kid, alg, await exportJWK(publicKey), await exportJWK(privateKey));
}

export function createDemoIssuer(
  deps: { readonly clock: Clock },
  options: {
    readonly issuer: string;
    readonly keys: readonly [SigningKey, ...SigningKey[]];
  },
): DemoIssuer {
  return {
    issuer: options.issuer,
    jwks: () => ({ keys: options.keys.map((key) => key.publicJwk) }),
    mint(claims, lifetimeS = 600) {
      const now = Math.floor(deps.clock.nowMs() / 1000);
      return options.keys[0].sign({
        iss: options.issuer,
        iat: now,
        exp: now + lifetimeS,
        ...claims,
      });
    },
  };
}

async function signingKey(kid: string, alg: string, publicJwk: JWK, privateJwk: JWK): Promise<SigningKey> {
  const key = await importJWK(privateJwk, alg);
  return {
    kid,
    alg,
    publicJwk: { ...publicJwk, kid, alg, use: 'sig' },
    exportPrivate: async () => ({ ...privateJwk, kid, alg }),
    sign: (claims, header = {}) => new SignJWT({ ...claims }).setProtectedHeader({ alg, kid, ...header }).sign(key),
  };
}
