import * as vendor from '@open-policy-agent/opa-wasm';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { type Bundle, entrypoints } from './bundle.ts';
import type { Decision, Phase, PinnedPolicy, PolicyInput } from './decision.ts';
import { createPolicyThread, type FromThread, type ThreadBounds } from './policy-host.ts';
import { piecesOf, type Question, questionOf, sizeOf, written } from './question.ts';
import { parseDecision } from './result.ts';

/**
 * Compiles a bundle into a policy that can be asked. Throws Fault `policy_failed` when it does not load or lacks an entry point.
 *
 * `evaluate` is synchronous. Its memory is bounded (`limits.policyMemoryBytesMax`), its time is not: Rego always ends, but a
 * rule that is slow on a large input is slow here. `decide` has large questions answered by a thread, whose time is bounded too. After a
 * trap the instance is thrown away and the next call gets a new one.
 */
export async function loadPolicy(bundle: Bundle, bounds: PolicyBounds = limits): Promise<PinnedPolicy> {
  const module = await compiled(bundle.wasm);
  let engine: Engine | null = firstEngine(module, bundle.data, bounds);
  const thread = createPolicyThread({ wasm: bundle.wasm, data: bundle.data, bounds: engineBounds(bounds) }, bounds);
  const known = new Map<string, Decision>();
  const answered = new Map<string, Decision>();

  function evaluate(input: PolicyInput, asked: Question): Decision {
    const question = written(asked);
    const before = answered.get(question);
    if (before) return before;
    let result: string;
    try {
      engine ??= createEngine(module, bundle.data, bounds);
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
  }

  return {
    revision: bundle.revision,
    evaluate: (input) => evaluate(input, questionOf(input, bundle)),
    decide: (input) => {
      const question = questionOf(input, bundle);
      if (sizeOf(question) <= bounds.policyTurnChars) return evaluate(input, question);
      return thread
        .ask(input.phase, piecesOf(question, bounds.policyTurnChars))
        .then((result) => decisionOf(result, known));
    },
  };
}

/** What answers questions in a thread of its own. */
export interface Questioner {
  ask(phase: Phase, question: string): Promise<FromThread>;
}

export function createQuestioner(wasm: Uint8Array, data: JsonObject, bounds: EngineBounds): Questioner {
  const module = compiled(wasm);
  let engine: Engine | null = null;
  return {
    ask: async (phase, question) => {
      try {
        engine ??= createEngine(await module, data, bounds);
        const result = engine.evaluate(phase, question);
        if (engine.memoryBytes() > bounds.policyMemoryKeptBytesMax) engine = null;
        return { result };
      } catch (thrown) {
        engine = null;
        return { trap: trapped(thrown).message };
      }
    },
  };
}

/** See `limits`. */
export interface EngineBounds {
  readonly policyMemoryBytesMax: number;
  readonly policyMemoryKeptBytesMax: number;
}

/** See `limits`. */
export interface PolicyBounds extends ThreadBounds {
  readonly policyTurnChars: number;
}

/** A thread is given no more than it can be given: numbers. */
function engineBounds({ policyMemoryBytesMax, policyMemoryKeptBytesMax }: EngineBounds): EngineBounds {
  return { policyMemoryBytesMax, policyMemoryKeptBytesMax };
}

function compiled(wasm: Uint8Array): Promise<WasmModule> {
  return WebAssembly.compile(wasm).catch((cause: unknown) => {
    throw new Fault('policy_failed', 'the bundle holds no valid WebAssembly', cause);
  });
}

const rememberedCharsMax = 4096;
const rememberedMax = 256;

function remember(memory: Map<string, Decision>, key: string, decision: Decision): void {
  if (memory.size >= rememberedMax) memory.clear();
  memory.set(key, decision);
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
function createEngine(module: WasmModule, data: JsonObject, bounds: EngineBounds): Engine {
  const loaded = sdk().loadPolicySync(module, { initial: 8, maximum: bounds.policyMemoryBytesMax / pageBytes });
  loaded.setData(data);
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

function firstEngine(module: WasmModule, data: JsonObject, bounds: EngineBounds): Engine {
  try {
    return createEngine(module, data, bounds);
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
