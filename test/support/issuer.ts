/** The issuer of the demo, for tests: keys, published keys, minted tokens. */
export {
  createDemoIssuer,
  createSigningKey,
  type DemoIssuer,
  type SigningKey,
  signingKeyFromJwk,
} from '../../src/main/demo/issuer.ts';
