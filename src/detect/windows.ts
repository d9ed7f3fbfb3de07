import { type CompiledRule, headOf, kindOf } from './compiled-rule.ts';
import { type Dfa, dead, symbolsOf } from './dfa.ts';
import { type ShortAnchor, statesBefore } from './gate.ts';
import { classBits, classes, edge, type SieveClasses } from './sieve-classes.ts';

/**
 * Where an anchor of one character, or a number, may begin a match: such characters are everywhere, and what stands around them rules out
 * nearly all. By place in the window and class (`place << classBits | class`), a bit for each case that has such a unit in that place;
 * the window passes when all of its units share a bit.
 */
export type Windows = Int32Array;

/** Units of a window: some before the anchor, the anchor, some behind. */
export const unitsBefore = 3;
const unitsBehind = 7;
export const windowUnits: number = unitsBefore + 1 + unitsBehind;
const casesMax = 32;

/** For each place of a window, bits of the classes that may stand there. */
type Case = Int32Array;

export function buildWindows(anchors: readonly ShortAnchor[], sieveClasses: SieveClasses): Windows {
  const windows: Windows = new Int32Array(windowUnits << classBits);
  const cases = anchors.flatMap((anchor) => casesOf(anchor, sieveClasses));
  merge(cases).forEach((each, bit) => {
    each.forEach((held, place) => {
      for (let id = 0; id < classes; id++) {
        const at = (place << classBits) | id;
        if ((held >>> id) & 1) windows[at] = (windows[at] ?? 0) | (1 << bit);
      }
    });
  });
  // What has not come yet may be anything.
  for (let place = unitsBefore + 1; place < windowUnits; place++) windows[(place << classBits) | edge] = -1;
  return windows;
}

/** Where the pattern of a rule may be, and what may stand before. */
interface Beginning {
  readonly states: readonly number[];
  /** From the unit right before the anchor to the left: bits of classes. */
  readonly before: readonly number[];
}

function casesOf({ rule, units, isRun }: ShortAnchor, { classOf, members }: SieveClasses): Case[] {
  const dfa = headOf(rule);
  const own = bitsOf(units.map((unit) => classOf[unit] ?? 0));
  const classesOf = symbolClasses(dfa, members);
  return beginnings(rule, isRun ? own : 0, members).flatMap(({ states, before }) => {
    const behind = stepAll(dfa, states, units);
    return splits(dfa, behind, classesOf).map(({ first, states: next }) => {
      const places: Case = new Int32Array(windowUnits).fill(-1);
      before.forEach((held, i) => {
        places[unitsBefore - 1 - i] = held;
      });
      places[unitsBefore] = own;
      places[unitsBefore + 1] = first;
      let at = next;
      for (let place = unitsBefore + 2; place < windowUnits && !at.some((state) => state >= dfa.accepting); place++) {
        let held = 0;
        const reached = new Set<number>();
        for (const state of at) {
          for (let symbol = 0; symbol < dfa.width; symbol++) {
            const target = dfa.next[state + symbol] ?? dead;
            if (target === dead) continue;
            held |= classesOf[symbol] ?? 0;
            reached.add(target);
          }
        }
        places[place] = held;
        at = [...reached];
      }
      return places;
    });
  });
}

/** At the anchor itself, or behind what may stand before it. */
function beginnings(rule: CompiledRule, isNone: number, members: SieveClasses['members']): Beginning[] {
  const { reach, notBefore } = rule;
  const free = bitsWhere(members, (unit) => notBefore?.[kindOf(unit)] !== 1) | (1 << edge);
  const found: Beginning[] = [];
  if (!reach?.min) found.push({ states: [headOf(rule).start], before: [free & ~isNone] });
  if (reach) {
    const chars = bitsWhere(members, (unit) => reach.chars[kindOf(unit)] === 1) & ~isNone;
    const least = Math.max(1, Math.min(reach.min, unitsBefore));
    const before = Array.from({ length: least }, () => chars);
    if (reach.min === reach.max && least < unitsBefore) before.push(free);
    found.push({ states: statesBefore(rule), before });
  }
  return found;
}

/** Where one unit leads from the states, by what it leads to: cases that are told apart by their first unit. */
function splits(
  dfa: Dfa,
  states: readonly number[],
  classesOf: Int32Array,
): readonly { readonly first: number; readonly states: readonly number[] }[] {
  if (states.some((state) => state >= dfa.accepting)) return [{ first: -1, states }];
  const byTargets = new Map<string, { first: number; readonly states: readonly number[] }>();
  for (let symbol = 0; symbol < dfa.width; symbol++) {
    const targets = new Set(states.map((state) => dfa.next[state + symbol] ?? dead));
    targets.delete(dead);
    if (targets.size === 0) continue;
    const sorted = [...targets].sort((a, b) => a - b);
    const held = byTargets.get(sorted.join()) ?? { first: 0, states: sorted };
    held.first |= classesOf[symbol] ?? 0;
    byTargets.set(sorted.join(), held);
  }
  return [...byTargets.values()];
}

/** Few enough cases: those become one that together allow the fewest windows more. */
function merge(cases: readonly Case[]): readonly Case[] {
  const left = [...cases];
  while (left.length > casesMax) {
    let [best, first, second] = [Number.POSITIVE_INFINITY, 0, 1];
    for (let i = 0; i < left.length; i++) {
      for (let k = i + 1; k < left.length; k++) {
        const cost = mergedSize(left[i], left[k]);
        if (cost < best) [best, first, second] = [cost, i, k];
      }
    }
    const [absorbed] = left.splice(second, 1);
    left[first] = (left[first] ?? new Int32Array(windowUnits)).map((held, place) => held | (absorbed?.[place] ?? 0));
  }
  return left;
}

/** How much larger, on a scale of logarithms, two cases are as one. */
function mergedSize(a: Case | undefined, b: Case | undefined): number {
  if (!a || !b) return 0;
  const size = (each: Iterable<number>): number => [...each].reduce((sum, held) => sum + Math.log2(countOf(held)), 0);
  return size(a.map((held, place) => held | (b[place] ?? 0))) - Math.max(size(a), size(b));
}

function countOf(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}

function bitsOf(ids: readonly number[]): number {
  return ids.reduce((bits, id) => bits | (1 << id), 0);
}

/** Bits of the classes with some unit of which it holds. */
function bitsWhere(members: SieveClasses['members'], holds: (unit: number) => boolean): number {
  return members.reduce((bits, units, id) => (units.some(holds) ? bits | (1 << id) : bits), 0);
}

/** By symbol of an automaton: bits of the classes of its units. */
function symbolClasses(dfa: Dfa, members: SieveClasses['members']): Int32Array {
  const classesOf = new Int32Array(dfa.width);
  members.forEach((units, id) => {
    for (const symbol of units.flatMap((unit) => symbolsOf(dfa, unit))) {
      classesOf[symbol] = (classesOf[symbol] ?? 0) | (1 << id);
    }
  });
  return classesOf;
}

/** Where the units lead from any of the states. */
function stepAll(dfa: Dfa, states: readonly number[], units: readonly number[]): number[] {
  const symbols = new Set(units.flatMap((unit) => symbolsOf(dfa, unit)));
  const out = new Set<number>();
  for (const state of states) for (const symbol of symbols) out.add(dfa.next[state + symbol] ?? dead);
  out.delete(dead);
  return [...out];
}
