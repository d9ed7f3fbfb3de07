import type { AnchorEntry } from './anchors.ts';
import { type CompiledRule, kinds } from './compiled-rule.ts';
import { type Dfa, dead, goesOn, statesOf, step } from './dfa.ts';
import { edge, mayBeAtNumber, type NumberGate } from './number-gate.ts';

/**
 * Which three code units in a row may hold the beginning of a match: nearly all text has none, and is passed over without a
 * step of the anchors' automaton. Three units begin every longer anchor; a shorter one, and a digit, stands in the middle
 * between two neighbours that its rules allow.
 *
 * A window's key is `symbol(a) << 12 | symbol(b) << 6 | symbol(c)`; symbol 0 is "no character": the text begins or ends.
 */
export interface Windows {
  /** Symbol of each code unit, 1 to 63. ASCII letters are the same in either case, and all digits are. */
  readonly symbol: Uint8Array;
  /** By key: `middle` and `literal`, or 0. */
  readonly marks: Uint8Array;
  /** The rules with an anchor of one character, by its code unit. */
  readonly short: ReadonlyMap<number, readonly CompiledRule[]>;
}

/** An anchor of one character, or a number, may stand in the middle. */
export const middle = 1;
/** An anchor of two characters and more may begin here. */
export const literal = 2;

export const windowSymbolBits = 6;
export const windowKeyMask: number = (1 << (3 * windowSymbolBits)) - 1;

export function buildWindows(
  rules: readonly CompiledRule[],
  anchors: readonly AnchorEntry[],
  numberGates: readonly NumberGate[],
): Windows {
  const symbol = symbols();
  const marks = new Uint8Array(windowKeyMask + 1);
  const short = new Map<number, CompiledRule[]>();
  for (const { owner, anchor } of anchors) {
    const rule = rules[owner];
    if (!rule) continue;
    const [a = 0, b = 0, c] = Array.from(anchor, (char) => symbol[char.charCodeAt(0)] ?? 0);
    if (c !== undefined) mark(marks, literal, a, b, c);
    else if (anchor.length === 2) for (const kind of kindsAndEdge) mark(marks, literal, symbolOf(symbol, kind), a, b);
    else {
      markNeighbours(marks, symbol, rule, anchor);
      for (const unit of new Set([anchor.toLowerCase().charCodeAt(0), anchor.toUpperCase().charCodeAt(0)])) {
        short.set(unit, [...(short.get(unit) ?? []), rule]);
      }
    }
  }
  const digit = symbol[0x30] ?? 0;
  for (const before of kindsAndEdge.filter((kind) => symbolOf(symbol, kind) !== digit)) {
    for (const behind of kindsAndEdge) {
      if (mayBeAtNumber(numberGates, before, behind)) {
        mark(marks, middle, symbolOf(symbol, before), digit, symbolOf(symbol, behind));
      }
    }
  }
  return { symbol, marks, short };
}

const kindsAndEdge: readonly number[] = [...Array.from({ length: kinds }, (_, kind) => kind), edge];

function mark(marks: Uint8Array, bit: number, a: number, b: number, c: number): void {
  const key = (a << (2 * windowSymbolBits)) | (b << windowSymbolBits) | c;
  marks[key] = (marks[key] ?? 0) | bit;
}

function symbolOf(symbol: Uint8Array, kind: number): number {
  return kind === edge ? 0 : (symbol[unitOf(kind)] ?? 0);
}

/** A unit of each kind. */
function unitOf(kind: number): number {
  return kind < 0x80 ? kind : kind === 0x80 ? 0xe9 : 0x4e00;
}

function symbols(): Uint8Array {
  const symbol = new Uint8Array(0x10000).fill(63);
  symbol.fill(62, 0x80, 0x590);
  symbol.fill(61, 0, 0x80);
  let next = 28;
  for (let unit = 0x20; unit < 0x7f; unit++) {
    const isLetter = /[A-Za-z]/.test(String.fromCharCode(unit));
    if (isLetter) symbol[unit] = (unit | 0x20) - 0x60;
    else symbol[unit] = unit >= 0x30 && unit <= 0x39 ? 27 : next++;
  }
  return symbol;
}

/** Marks what may stand on both sides of a rule's anchor of one character. */
function markNeighbours(marks: Uint8Array, symbol: Uint8Array, rule: CompiledRule, anchor: string): void {
  const { reach, notBefore, lead, value } = rule;
  const dfa = lead ?? value;
  const forms = new Set([anchor.toLowerCase().charCodeAt(0), anchor.toUpperCase().charCodeAt(0)]);
  const within = symbol[anchor.charCodeAt(0)] ?? 0;
  for (const before of kindsAndEdge) {
    const states = new Set<number>();
    if (!reach?.isNeeded && (before === edge || !notBefore?.[before])) states.add(dfa.start);
    if (before !== edge && reach?.chars[before])
      for (const state of stepAll(dfa, statesOf(dfa), before)) states.add(state);
    const after = new Set([...states].flatMap((state) => [...forms].map((unit) => step(dfa, state, unit))));
    after.delete(dead);
    for (const behind of kindsAndEdge) {
      const isAlive = [...after].some(
        (state) => state >= dfa.accepting || behind === edge || goesOn(dfa, state, behind),
      );
      if (isAlive) mark(marks, middle, symbolOf(symbol, before), within, symbolOf(symbol, behind));
    }
  }
}

/** Where the units of a kind lead from any of the states. */
function stepAll(dfa: Dfa, states: readonly number[], kind: number): Set<number> {
  const symbols = kind < 0x80 ? [dfa.ascii[kind] ?? 0] : dfa.wideSymbol;
  const out = new Set<number>();
  for (const state of states) for (const symbol of symbols) out.add(dfa.next[state + symbol] ?? dead);
  out.delete(dead);
  return out;
}
