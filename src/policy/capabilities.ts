import type { JsonObject } from '../lib/json.ts';

/**
 * Built-ins whose result is not a function of their arguments. A decision that depends on one could not be replayed from its
 * record. The engine's list holds only `rand.intn` today; the others are named so that none comes in with a newer list.
 */
const nondeterministic: ReadonlySet<string> = new Set([
  'http.send',
  'io.jwt.decode_verify',
  'net.lookup_ip_addr',
  'opa.runtime',
  'rand.intn',
  'time.now_ns',
  'trace',
  'uuid.rfc4122',
]);

/** The part of a capabilities file that matters here (`opa capabilities`). */
export interface Capabilities {
  readonly builtins: readonly JsonObject[];
  readonly features?: readonly string[];
  readonly future_keywords?: readonly string[];
  readonly wasm_abi_versions?: readonly JsonObject[];
}

/**
 * What a policy may use, so that one which the engine cannot run, or whose decision could not be replayed, fails at build time
 * and not on a request: the built-ins of the WebAssembly engine's package that the compiler knows as well, less what is
 * not deterministic; the language features of the compiler; no host to fetch anything from.
 */
export function policyCapabilities(engine: Capabilities, compiler: Capabilities): JsonObject {
  const known = new Map(compiler.builtins.map((builtin) => [builtin['name'], builtin]));
  const builtins = engine.builtins.flatMap(({ name }) => {
    const builtin = known.get(name);
    if (!builtin || builtin['nondeterministic'] === true || nondeterministic.has(String(name))) return [];
    const { description: _description, categories: _categories, ...declaration } = builtin;
    return [declaration];
  });
  return {
    builtins,
    features: [...(compiler.features ?? [])],
    future_keywords: [...(compiler.future_keywords ?? [])],
    wasm_abi_versions: [...(engine.wasm_abi_versions ?? [])],
    allow_net: [],
  };
}
