/** The issuer of the demo, for tests: keys, published keys, minted tokens. */
export { createSigningKey, type SigningKey } from '../../src/main/demo/issuer.ts';
