import type { AnchorEntry } from './anchors.ts';
import { type CompiledRule, kinds } from './compiled-rule.ts';
import { dead, goesOn, step } from './dfa.ts';
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
  /** A bit a key. */
  readonly marked: Uint32Array;
}

export const windowSymbolBits = 6;
export const windowKeyMask: number = (1 << (3 * windowSymbolBits)) - 1;

export function buildWindows(
  rules: readonly CompiledRule[],
  anchors: readonly AnchorEntry[],
  numberGates: readonly NumberGate[],
): Windows {
  const symbol = symbols();
  const marked = new Uint32Array((windowKeyMask + 1) / 32);
  const ofKind = (kind: number): number => (kind === edge ? 0 : (symbol[unitOf(kind)] ?? 0));
  const mark = (a: number, b: number, c: number): void => {
    const key = (a << (2 * windowSymbolBits)) | (b << windowSymbolBits) | c;
    marked[key >>> 5] = (marked[key >>> 5] ?? 0) | (1 << (key & 31));
  };
  const kindsAndEdge = Array.from({ length: kinds + 1 }, (_, kind) => kind);

  for (const { owner, anchor } of anchors) {
    const [a = 0, b = 0, c] = Array.from({ length: anchor.length }, (_, i) => symbol[anchor.charCodeAt(i)] ?? 0);
    const rule = rules[owner];
    if (!rule) continue;
    if (c !== undefined) {
      mark(a, b, c);
      continue;
    }
    const before = kindsAndEdge.filter((kind) => mayPrecede(rule, kind));
    const behind = anchor.length === 2 ? null : kindsAndEdge.filter((kind) => mayFollow(rule, anchor, kind));
    for (const kind of before) {
      if (behind === null) mark(ofKind(kind), a, b);
      else for (const next of behind) mark(ofKind(kind), a, ofKind(next));
    }
  }
  const digit = symbol[0x30] ?? 0;
  for (const before of kindsAndEdge) {
    if (ofKind(before) === digit) continue;
    for (const behind of kindsAndEdge) {
      if (mayBeAtNumber(numberGates, before, behind)) mark(ofKind(before), digit, ofKind(behind));
    }
  }
  return { symbol, marked };
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

/** Whether a match of the rule may have this kind of character before its anchor. */
function mayPrecede({ reach, notBefore }: CompiledRule, kind: number): boolean {
  if (kind !== edge && reach?.chars[kind]) return true;
  return !reach?.isNeeded && (kind === edge || !notBefore?.[kind]);
}

/** Whether one may have this kind behind an anchor of a single character. */
function mayFollow({ reach, lead, value }: CompiledRule, anchor: string, kind: number): boolean {
  if (kind === edge) return true;
  if (reach) return reach.follow[kind] === 1;
  const dfa = lead ?? value;
  return [anchor, anchor.toUpperCase()].some((form) => {
    const state = step(dfa, dfa.start, form.charCodeAt(0));
    return state !== dead && (state >= dfa.accepting || goesOn(dfa, state, kind));
  });
}
