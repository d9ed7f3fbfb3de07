import { type CompiledRule, headOf, kindOf, kinds } from './compiled-rule.ts';
import { type Dfa, dead, goesOn, step } from './dfa.ts';
import { classOfKind, pairsBehind, windowClassBits } from './windows.ts';

/**
 * Ordinary text is full of numbers, and a dozen rules begin at one. The length of the run of digits and the characters on
 * both sides rule out nearly all of them at once, with a few look-ups in tables made from the rules' own automata.
 */
export interface NumberGate {
  /** At most 31: a bit each. */
  readonly rules: readonly CompiledRule[];
  /** Rules that may match a run with this kind of character before it. */
  readonly before: Uint32Array;
  /** Rules that may match a run of this length (row) with this kind of character behind it (column). */
  readonly behind: Uint32Array;
  /** Rules that may match a run of this length (row) with these classes of the two characters behind it (column). */
  readonly further: Uint32Array;
}

/** Longer runs are judged by their first digits alone. */
const runMax = 24;
/** Kind of "no character": the text begins or ends. */
const edge: number = kinds;
const columns = kinds + 1;
const rulesMax = 31;

export function buildNumberGates(rules: readonly CompiledRule[]): readonly NumberGate[] {
  const gates: NumberGate[] = [];
  for (let from = 0; from < rules.length; from += rulesMax) gates.push(buildGate(rules.slice(from, from + rulesMax)));
  return gates;
}

/** Bits of the rules of a gate that may match at a run of digits beginning at `at`. With `last`, the text ends here. */
export function rulesAtNumber(gate: NumberGate, units: Uint16Array, at: number, last: boolean): number {
  const before = gate.before[at === 0 ? edge : kindOf(units[at - 1] ?? 0)] ?? 0;
  if (before === 0) return 0;
  let end = at + 1;
  const limit = Math.min(units.length, at + runMax);
  while (end < limit && isDigit(units[end] ?? 0)) end++;
  if (end === at + runMax) return before;
  if (end === units.length) return last ? before & (gate.behind[(end - at) * columns + edge] ?? 0) : before;
  const kind = kindOf(units[end] ?? 0);
  const bits = before & (gate.behind[(end - at) * columns + kind] ?? 0);
  if (bits === 0 || end + 1 >= units.length) return bits;
  const pair = ((classOfKind[kind] ?? 0) << windowClassBits) | (classOfKind[kindOf(units[end + 1] ?? 0)] ?? 0);
  return bits & (gate.further[((end - at) << (2 * windowClassBits)) | pair] ?? 0);
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function buildGate(rules: readonly CompiledRule[]): NumberGate {
  const before = new Uint32Array(columns);
  const behind = new Uint32Array((runMax + 1) * columns);
  const further = new Uint32Array((runMax + 1) << (2 * windowClassBits));
  rules.forEach((rule, index) => {
    const bit = 1 << index;
    for (let kind = 0; kind < columns; kind++) if (mayStandBefore(rule, kind)) before[kind] = (before[kind] ?? 0) | bit;
    markBehind(rule, bit, behind, further);
  });
  return { rules, before, behind, further };
}

function mayStandBefore(rule: CompiledRule, kind: number): boolean {
  const { reach, notBefore } = rule;
  if (kind !== edge && reach?.chars[kind]) return true;
  const dfa = headOf(rule);
  if (digitsFrom(dfa, new Set([dfa.start])).size === 0) return false;
  return kind === edge || !notBefore?.[kind];
}

function markBehind(rule: CompiledRule, bit: number, behind: Uint32Array, further: Uint32Array): void {
  const { reach } = rule;
  const dfa = headOf(rule);
  let states: ReadonlySet<number> = new Set([dfa.start]);
  for (let i = 0; reach && i < reach.max; i++) states = new Set([...states, ...reached(dfa, states, reach.chars)]);
  const pairs = pairsBehind(dfa);
  let hasMatched = false;
  for (let length = 1; length <= runMax; length++) {
    states = digitsFrom(dfa, states);
    hasMatched ||= [...states].some((state) => state >= dfa.accepting);
    for (let kind = 0; kind < columns; kind++) {
      const isAlive = hasMatched || (kind !== edge && [...states].some((state) => goesOn(dfa, state, kind)));
      if (!isAlive) continue;
      const cell = length * columns + kind;
      behind[cell] = (behind[cell] ?? 0) | bit;
    }
    const following = hasMatched ? null : pairs.from(states);
    for (let pair = 0; pair < 1 << (2 * windowClassBits); pair++) {
      const mayFollow = following ? ((following[pair >> windowClassBits] ?? 0) >> (pair & 15)) & 1 : 1;
      const cell = (length << (2 * windowClassBits)) | pair;
      if (mayFollow) further[cell] = (further[cell] ?? 0) | bit;
    }
  }
}

function digitsFrom(dfa: Dfa, states: ReadonlySet<number>): Set<number> {
  return stepAll(dfa, states, isDigit);
}

function reached(dfa: Dfa, states: ReadonlySet<number>, chars: Uint8Array): Set<number> {
  return stepAll(dfa, states, (unit) => chars[unit] === 1);
}

/** Where the ASCII units of a kind lead from any of the states. */
function stepAll(dfa: Dfa, states: ReadonlySet<number>, isMeant: (unit: number) => boolean): Set<number> {
  const out = new Set<number>();
  for (let unit = 0; unit < 0x80; unit++) {
    if (isMeant(unit)) for (const state of states) out.add(step(dfa, state, unit));
  }
  out.delete(dead);
  return out;
}
