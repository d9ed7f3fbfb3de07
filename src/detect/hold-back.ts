import { kindOf, kinds, type Reach } from './compiled-rule.ts';

/** Where the text must be held back from, because what stands there may yet be found to stand before an anchor; its end if nothing may. */
export type HoldBack = (units: Uint16Array) => number;

/** Goes back once for 32 rules: a bit each, for as long as the rule allows every character and as many. */
export function createHoldBack(reaches: readonly Reach[]): HoldBack {
  const groups: Group[] = [];
  for (let from = 0; from < reaches.length; from += rulesMax)
    groups.push(groupOf(reaches.slice(from, from + rulesMax)));
  return (units) => groups.reduce((place, group) => Math.min(place, heldFrom(group, units)), units.length);
}

const rulesMax = 32;

interface Group {
  /** By kind of unit: the rules that allow it. */
  readonly allowing: Int32Array;
  /** By number of units: the rules that allow as many. Ends with 0. */
  readonly reaching: Int32Array;
}

function groupOf(reaches: readonly Reach[]): Group {
  const furthest = Math.max(...reaches.map(({ holdMax }) => holdMax));
  const bitsWhere = (holds: (reach: Reach) => boolean): number =>
    reaches.reduce((bits, reach, i) => (holds(reach) ? bits | (1 << i) : bits), 0);
  return {
    allowing: Int32Array.from({ length: kinds }, (_, kind) => bitsWhere(({ holdChars }) => holdChars[kind] === 1)),
    reaching: Int32Array.from({ length: furthest + 2 }, (_, count) => bitsWhere(({ holdMax }) => count <= holdMax)),
  };
}

function heldFrom({ allowing, reaching }: Group, units: Uint16Array): number {
  let place = units.length;
  for (let left = -1; place > 0; place--) {
    left &= (allowing[kindOf(units[place - 1] ?? 0)] ?? 0) & (reaching[units.length - place + 1] ?? 0);
    if (left === 0) break;
  }
  return place;
}
