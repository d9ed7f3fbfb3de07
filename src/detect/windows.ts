import { invariant } from '../lib/invariant.ts';
import type { AnchorEntry } from './anchors.ts';
import { type CompiledRule, headOf, kinds } from './compiled-rule.ts';
import { type Dfa, dead, statesOf } from './dfa.ts';

/**
 * Where an anchor of one character, or a number, may begin a match: such characters are everywhere, and four code units in a
 * row (the one before, the character, the two behind) rule out nearly all of them with one look-up.
 *
 * A window's key is `class << 12 | class << 8 | class << 4 | class`; class 0 is "no character": the text begins or ends.
 */
export interface Windows {
  /** Class of each code unit, 1 to 15: coarse, so that the table of windows stays in the cache. */
  readonly classOf: Uint8Array;
  /** By key: bits of the rules that the second unit may be such an anchor of; `numberBit` where it may begin a number. */
  readonly marks: Uint16Array;
  /** The rules with an anchor of one character, by its code unit. */
  readonly short: ReadonlyMap<number, readonly ShortAnchor[]>;
}

export interface ShortAnchor {
  readonly rule: CompiledRule;
  readonly bit: number;
}

export const numberBit = 1;

export const windowClassBits = 4;
const windowKeyMask = 0xffff;
const classes = 16;
const edge = 0;

/** Units of one class are told apart by no rule's neighbours worth the room: digits, hexadecimal letters, other letters, … */
const members: readonly RegExp[] = [
  /[0-9]/,
  /[a-fA-F]/,
  /[g-zG-Z]/,
  / /,
  /\s|\p{Cc}/u,
  /\./,
  /-/,
  /:/,
  /\//,
  /"/,
  /@/,
  /[+()]/,
  /_/,
  /./,
];
const wide = 15;

/** Class of each kind of unit (`kindOf`). */
const classOfKind: Uint8Array = Uint8Array.from({ length: kinds }, (_, kind) =>
  kind >= 0x80 ? wide : 1 + members.findIndex((member) => member.test(String.fromCharCode(kind))),
);

const kindsOfClass: readonly (readonly number[])[] = Array.from({ length: classes }, (_, id) =>
  [...classOfKind.keys()].filter((kind) => classOfKind[kind] === id),
);

export function buildWindows(
  rules: readonly CompiledRule[],
  anchors: readonly AnchorEntry[],
  atNumbers: readonly CompiledRule[],
): Windows {
  const classOf = new Uint8Array(0x10000).fill(wide);
  classOf.set(classOfKind.subarray(0, 0x80));
  const marks = new Uint16Array(windowKeyMask + 1);
  const short = new Map<number, ShortAnchor[]>();
  const bits = new Map<CompiledRule, number>();
  for (const { owner, anchor } of anchors) {
    const rule = rules[owner];
    if (!rule || anchor.length > 1) continue;
    for (const unit of new Set([anchor.toLowerCase().charCodeAt(0), anchor.toUpperCase().charCodeAt(0)])) {
      const bit = bits.get(rule) ?? numberBit << (bits.size + 1);
      bits.set(rule, bit);
      short.set(unit, [...(short.get(unit) ?? []), { rule, bit }]);
      markAround(marks, bit, rule, [unit], classOf[unit] ?? 0, () => true);
    }
  }
  invariant(bits.size < 16, 'at most 15 rules have an anchor of one character');
  for (const rule of atNumbers) {
    markAround(marks, numberBit, rule, kindsOfClass[digit] ?? [], digit, (before) => before !== digit);
  }
  return { classOf, marks, short };
}

const digit = 1;

/** Marks what may stand around a rule's anchor, which is one of the units. */
function markAround(
  marks: Uint16Array,
  bit: number,
  rule: CompiledRule,
  units: readonly number[],
  own: number,
  mayPrecede: (before: number) => boolean,
): void {
  const { reach, notBefore } = rule;
  const dfa = headOf(rule);
  /** States behind the anchor, by what stood before it: few different ones. */
  const behind = new Map<string, { readonly states: ReadonlySet<number>; readonly before: number[] }>();
  for (let before = 0; before < classes; before++) {
    if (!mayPrecede(before)) continue;
    const states = new Set<number>();
    const kindsBefore = kindsOfClass[before] ?? [];
    if (!reach?.min && (before === edge || kindsBefore.some((kind) => !notBefore?.[kind]))) states.add(dfa.start);
    const reached = kindsBefore.filter((kind) => reach?.chars[kind]);
    if (reached.length > 0) for (const state of stepAll(dfa, statesOf(dfa), reached)) states.add(state);
    const after = stepAll(dfa, states, units);
    const key = [...after].sort((a, b) => a - b).join();
    const known = behind.get(key);
    if (known) known.before.push(before);
    else behind.set(key, { states: after, before: [before] });
  }
  const pairs = pairsBehind(dfa);
  for (const { states, before } of behind.values()) {
    const following = pairs.from(states);
    for (const first of before) {
      for (let c = 1; c < classes; c++) {
        const key = (first << (3 * windowClassBits)) | (own << (2 * windowClassBits)) | (c << windowClassBits);
        for (let d = 1; d < classes; d++)
          if (((following[c] ?? 0) >> d) & 1) marks[key | d] = (marks[key | d] ?? 0) | bit;
      }
    }
  }
}

/** Which pairs of classes may follow while a match goes on from one of an automaton's states, or is over. */
interface PairsBehind {
  /** By the class that follows: a bit for each class that may follow that one. */
  from(states: Iterable<number>): Uint16Array;
}

const anyClass = 0xfffe;

function pairsBehind(dfa: Dfa): PairsBehind {
  const classesOf = new Uint16Array(dfa.width);
  for (let kind = 0; kind < kinds; kind++) {
    const bit = 1 << (classOfKind[kind] ?? 0);
    for (const symbol of kind < 0x80 ? [dfa.ascii[kind] ?? 0] : dfa.wideSymbol) {
      classesOf[symbol] = (classesOf[symbol] ?? 0) | bit;
    }
  }
  /** By state: bits of the classes that lead on from it. */
  const known = new Map<number, number>();

  function next(state: number): number {
    if (state >= dfa.accepting) return anyClass;
    let bits = known.get(state);
    if (bits !== undefined) return bits;
    bits = 0;
    for (let symbol = 0; symbol < dfa.width; symbol++) {
      if ((dfa.next[state + symbol] ?? dead) !== dead) bits |= classesOf[symbol] ?? 0;
    }
    known.set(state, bits);
    return bits;
  }

  return {
    from: (states) => {
      const pairs = new Uint16Array(classes);
      for (const state of states) {
        if (state >= dfa.accepting) return pairs.fill(anyClass, 1);
        for (let symbol = 0; symbol < dfa.width; symbol++) {
          const target = dfa.next[state + symbol] ?? dead;
          if (target === dead) continue;
          const behind = next(target);
          for (let bits = classesOf[symbol] ?? 0; bits !== 0; bits &= bits - 1) {
            const id = 31 - Math.clz32(bits & -bits);
            pairs[id] = (pairs[id] ?? 0) | behind;
          }
        }
      }
      return pairs;
    },
  };
}

/** Where units of the kinds lead from any of the states. */
function stepAll(dfa: Dfa, states: Iterable<number>, kindsMeant: readonly number[]): Set<number> {
  const symbols = new Set(kindsMeant.flatMap((kind) => (kind < 0x80 ? [dfa.ascii[kind] ?? 0] : [...dfa.wideSymbol])));
  const out = new Set<number>();
  for (const state of states) for (const symbol of symbols) out.add(dfa.next[state + symbol] ?? dead);
  out.delete(dead);
  return out;
}
