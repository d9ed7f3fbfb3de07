import type { CompiledRule } from './compiled-rule.ts';
import { dead, step } from './dfa.ts';
import { jointClasses } from './joint-classes.ts';

/**
 * Rules without anchors, as one automaton that reads each unit of a text once and knows which of them may end there. It is built
 * as texts need it; what is built serves all texts.
 */
export interface RoamingRules {
  readonly rules: readonly CompiledRule[];
  /** The state before any text, and where no match that began goes on. States are offsets of rows in `table()`. */
  readonly start: number;
  /** Class of each unit: its column in a row. */
  readonly classOf: Uint16Array;
  /** `table()[state + classOf[unit]]` is the state behind a unit, or -1: not built yet. Another one after `build`. */
  table(): Int32Array;
  /** The state behind a unit of the class; to be called where the table does not know it. */
  build(state: number, symbol: number): number;
  /** Rules of which a match may end in a state; `none` where there is none. */
  ends(state: number): readonly number[];
}

export const none: readonly number[] = [];

/** States kept; beyond, they are forgotten and built anew. */
const statesMax = 4_096;
const unknown = -1;

/** A place in one rule's automaton. */
interface Thread {
  readonly index: number;
  readonly state: number;
}

export function compileRoaming(rules: readonly CompiledRule[]): RoamingRules {
  const { classOf, units } = jointClasses(rules.map(({ value }) => value()));
  const width = units.length;
  /** What begins with a unit of each class. */
  const begun = units.map((unit) => advanceAll(rules, allStarts(rules), unit));
  let table = new Int32Array(64 * width).fill(unknown);
  let states = 0;
  let threads: (readonly Thread[])[] = [];
  let ends: (readonly number[])[] = [];
  let known = new Map<string, number>();

  function stateOf(members: readonly Thread[]): number {
    const key = members.map(({ index, state }) => `${index}:${state}`).join();
    const found = known.get(key);
    if (found !== undefined) return found;
    const ended = members.filter(({ index, state }) => state >= (rules[index]?.value().accepting ?? 0));
    if ((states + 1) * width > table.length) {
      const grown = new Int32Array(2 * table.length).fill(unknown);
      grown.set(table);
      table = grown;
    }
    const state = states++ * width;
    threads.push(members);
    ends.push(ended.length === 0 ? none : [...new Set(ended.map(({ index }) => index))]);
    known.set(key, state);
    return state;
  }

  function reset(): void {
    [states, threads, ends, known] = [0, [], [], new Map()];
    table.fill(unknown);
    stateOf([]);
  }

  function build(state: number, symbol: number): number {
    const unit = units[symbol] ?? 0;
    const members = new Map<string, Thread>();
    for (const thread of [...advanceAll(rules, threads[state / width] ?? [], unit), ...(begun[symbol] ?? [])]) {
      members.set(`${thread.index}:${thread.state}`, thread);
    }
    const sorted = [...members.values()].sort((a, b) => a.index - b.index || a.state - b.state);
    // What is forgotten includes the state that we come from: nothing is noted of the step then.
    if (states >= statesMax) {
      reset();
      return stateOf(sorted);
    }
    const target = stateOf(sorted);
    table[state + symbol] = target;
    return target;
  }

  reset();
  return {
    rules,
    start: 0,
    classOf,
    table: () => table,
    build,
    ends: (state) => ends[state / width] ?? none,
  };
}

function allStarts(rules: readonly CompiledRule[]): readonly Thread[] {
  return rules.map(({ value }, index) => ({ index, state: value().start }));
}

function advanceAll(rules: readonly CompiledRule[], threads: readonly Thread[], unit: number): Thread[] {
  const advanced: Thread[] = [];
  for (const { index, state } of threads) {
    const rule = rules[index];
    const target = rule ? step(rule.value(), state, unit) : dead;
    if (target !== dead) advanced.push({ index, state: target });
  }
  return advanced;
}
