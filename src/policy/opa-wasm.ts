import * as vendor from '@open-policy-agent/opa-wasm';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { type Bundle, entrypoints } from './bundle.ts';
import type { Decision, Phase, PinnedPolicy, PolicyInput } from './decision.ts';
import { parseDecision } from './result.ts';

/**
 * Compiles a bundle into a policy that can be asked. Throws Fault `policy_failed` when it does not load or lacks an entry point.
 *
 * `evaluate` is synchronous. Its memory is bounded (`limits.policyMemoryBytesMax`), its time is not: Rego always ends, but a
 * rule that is slow on a large input is slow here. After a trap the instance is thrown away and the next call gets a new one.
 */
export async function loadPolicy(bundle: Bundle, bounds: EngineBounds = limits): Promise<PinnedPolicy> {
  const module = await WebAssembly.compile(bundle.wasm).catch((cause: unknown) => {
    throw new Fault('policy_failed', 'the bundle holds no valid WebAssembly', cause);
  });
  let engine: Engine | null = firstEngine(module, bundle, bounds);
  const known = new Map<string, Decision>();
  const answered = new Map<string, Decision>();

  return {
    revision: bundle.revision,
    evaluate: (input) => {
      const question = jsonFor(onlyRead(input, bundle));
      const before = answered.get(question);
      if (before) return before;
      let result: string;
      try {
        engine ??= createEngine(module, bundle, bounds);
        result = engine.evaluate(input.phase, question);
      } catch (thrown) {
        engine = null;
        throw trapped(thrown);
      }
      if (engine.memoryBytes() > bounds.policyMemoryKeptBytesMax) engine = null;
      const decision = decisionOf(result, known);
      // Rego is a function of its input. Questions with texts are not kept: they hardly recur, and would keep prompts in memory.
      if (input.conversation.segments.length === 0 && question.length <= rememberedCharsMax)
        remember(answered, question, decision);
      return decision;
    },
  };
}

/** See `limits`. */
export interface EngineBounds {
  readonly policyMemoryBytesMax: number;
  readonly policyMemoryKeptBytesMax: number;
}

/**
 * JSON.stringify writes a lone surrogate as an escape (`\\ud800`), on which the engine's parser traps. A caller can send one
 * in any string of its body; it becomes U+FFFD, as it does in every other UTF-8 reader.
 */
function jsonFor(input: Partial<PolicyInput>): string {
  const json = JSON.stringify(input);
  return json.includes('\\ud') ? JSON.stringify(wellFormed(JSON.parse(json))) : json;
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toWellFormed(), wellFormed(member)]));
}

const rememberedCharsMax = 4096;
const rememberedMax = 256;

function remember(memory: Map<string, Decision>, key: string, decision: Decision): void {
  if (memory.size >= rememberedMax) memory.clear();
  memory.set(key, decision);
}

/** The input less what no rule reads: fewer bytes for the engine to parse, and questions that differ in nothing else are one. */
function onlyRead(input: PolicyInput, { readsText, reads }: Bundle): Partial<PolicyInput> {
  const conversation = readsText ? input.conversation : withoutTexts(input.conversation);
  if (reads === null) return { ...input, conversation };
  const { version, phase } = input;
  const isRead = (name: keyof PolicyInput): boolean => reads.includes(name);
  return {
    version,
    phase,
    ...(isRead('exchange') ? { exchange: input.exchange } : {}),
    ...(isRead('subject') ? { subject: input.subject } : {}),
    ...(isRead('resource') ? { resource: input.resource } : {}),
    ...(isRead('conversation') ? { conversation } : {}),
    ...(isRead('findings') ? { findings: input.findings } : {}),
    ...(isRead('approval') ? { approval: input.approval } : {}),
    ...(isRead('http') ? { http: input.http } : {}),
    ...(isRead('envoy') ? { envoy: input.envoy } : {}),
  };
}

function withoutTexts(conversation: PolicyInput['conversation']): PolicyInput['conversation'] {
  return { ...conversation, segments: conversation.segments.map((segment) => ({ ...segment, text: '' })) };
}

/**
 * Few different results come out of a policy, and a Decision is immutable: the same text is parsed and validated once.
 * Whatever throws is not remembered.
 */
function decisionOf(result: string, known: Map<string, Decision>): Decision {
  const before = known.get(result);
  if (before) return before;
  const decision = parseDecision(onlyResult(result));
  if (result.length <= rememberedCharsMax) remember(known, result, decision);
  return decision;
}

/** A result set of an entry point: `[{"result": …}]`, or `[]` when it is undefined. */
function onlyResult(text: string): unknown {
  const set: unknown = JSON.parse(text);
  if (!Array.isArray(set)) throw new Fault('policy_failed', 'the policy engine returned no result set');
  if (set.length === 0) throw new Fault('policy_failed', "the policy's result is undefined");
  return set[0]?.result;
}

interface Engine {
  /** Evaluates a JSON text, returns the result set as JSON text. Throws whatever the engine throws. */
  evaluate(phase: Phase, input: string): string;
  memoryBytes(): number;
}

/**
 * One instance of the module. It drives the exports itself, because the package's own `evaluate` encodes and decodes through
 * fresh arrays and looks for the end of the result byte by byte. The calls are those of its `evaluate` (ABI 1.2,
 * `opa_eval`): the input stands at the heap pointer and the heap right behind it, so nothing outlives a call.
 */
function createEngine(module: WasmModule, bundle: Bundle, bounds: EngineBounds): Engine {
  const loaded = sdk().loadPolicySync(module, { initial: 8, maximum: bounds.policyMemoryBytesMax / pageBytes });
  loaded.setData(bundle.data);
  const { mem: memory, dataAddr, dataHeapPtr: inputAddr } = loaded;
  const ids = { request: entrypointId(loaded, 'request'), response: entrypointId(loaded, 'response') };
  const { opa_eval: evaluate } = loaded.wasmInstance.exports;
  let view = Buffer.from(memory.buffer);

  return {
    evaluate: (phase, input) => {
      // A UTF-16 unit takes at most three bytes of UTF-8: only a text that may not fit has to be measured.
      if (inputAddr + input.length * 3 > view.length) {
        const missing = inputAddr + Buffer.byteLength(input) - view.length;
        if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
        view = Buffer.from(memory.buffer);
      }
      const inputBytes = view.write(input, inputAddr, 'utf8');
      const resultAddr = evaluate(0, ids[phase], dataAddr, inputAddr, inputBytes, inputAddr + inputBytes, 0);
      if (view.buffer !== memory.buffer) view = Buffer.from(memory.buffer);
      return view.toString('utf8', resultAddr, view.indexOf(0, resultAddr));
    },
    memoryBytes: () => view.length,
  };
}

function firstEngine(module: WasmModule, bundle: Bundle, bounds: EngineBounds): Engine {
  try {
    return createEngine(module, bundle, bounds);
  } catch (thrown) {
    throw trapped(thrown);
  }
}

function entrypointId(loaded: LoadedPolicy, phase: Phase): number {
  const id = loaded.entrypoints[entrypoints[phase]];
  if (id === undefined) throw new Fault('policy_failed', `the bundle has no entry point ${entrypoints[phase]}`);
  return id;
}

/**
 * The engine throws strings (an abort whose text the compiler wrote), WebAssembly errors, and errors of host functions.
 * Only the first two are safe to tell: a host function may quote its argument, and that may be a prompt.
 */
function trapped(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown;
  if (typeof thrown === 'string') return new Fault('policy_failed', `the policy trapped: ${thrown}`);
  if (thrown instanceof WebAssembly.RuntimeError)
    return new Fault('policy_failed', `the policy trapped: ${thrown.message}`);
  if (thrown instanceof RangeError) return new Fault('policy_failed', 'the policy needs more memory than it may have');
  return new Fault('policy_failed', 'a built-in function of the policy failed');
}

/** WebAssembly memory comes in pages of 64 KiB (core specification, section 4.2.8). */
const pageBytes = 65_536;

// The package's types leave out `loadPolicySync`, and TypeScript knows WebAssembly only together with the browser's DOM.

type WasmModule = object;

declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>;
  readonly RuntimeError: abstract new () => Error;
};

interface LoadedPolicy {
  readonly mem: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly dataAddr: number;
  readonly dataHeapPtr: number;
  readonly entrypoints: Readonly<Record<string, number>>;
  readonly wasmInstance: { readonly exports: { readonly opa_eval: (...args: readonly number[]) => number } };
  setData(data: JsonObject): void;
}

interface Sdk {
  loadPolicySync(module: WasmModule, memory: { initial: number; maximum: number }): LoadedPolicy;
}

function sdk(): Sdk {
  const found: unknown = Reflect.get(vendor, 'default');
  if (!isSdk(found))
    throw new Fault('policy_failed', 'this version of @open-policy-agent/opa-wasm has no loadPolicySync');
  return found;
}

function isSdk(value: unknown): value is Sdk {
  return typeof value === 'object' && value !== null && 'loadPolicySync' in value;
}
