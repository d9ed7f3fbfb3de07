import { type Dfa, dead, step } from './dfa.ts';
import { createPatternWalk } from './pattern-walk.ts';

/** The text that costs a pattern most of those tried, as a beginning of it, and how many steps it takes a unit. */
export interface PatternCost {
  readonly steps: number;
  readonly text: string;
}

/** Places from which a pattern is tried on such a text. */
const attackChars = 512;
const pathsMax = 8;

/**
 * Tries a pattern against texts that are made for it: ways through its automaton that go on for long and never match, over and
 * over. Counted in steps, so that the same pattern is always judged the same.
 */
export function costOf(dfa: Dfa, lengthMax: number): PatternCost {
  let worst: PatternCost = { steps: 0, text: '' };
  for (const path of longPaths(dfa, lengthMax)) {
    // What stands behind the last place tried is there to be read.
    const text = path.repeat(Math.ceil((attackChars + lengthMax) / path.length)).slice(0, attackChars + lengthMax);
    const units = Uint16Array.from(text, (char) => char.charCodeAt(0));
    const walk = createPatternWalk(dfa, lengthMax);
    for (let at = 0; at < attackChars; at++) walk.dies(units, at);
    const steps = walk.steps() / attackChars;
    if (steps > worst.steps) worst = { steps, text: text.slice(0, 24) };
  }
  return worst;
}

/** One unit of each symbol that leads anywhere from the start, over and over; and for each, the longest way found behind it. */
function longPaths(dfa: Dfa, lengthMax: number): readonly string[] {
  const units = unitsOf(dfa);
  const paths: string[] = [];
  for (const unit of units) {
    if (paths.length >= pathsMax) break;
    const state = step(dfa, dfa.start, unit);
    if (state === dead) continue;
    paths.push(String.fromCharCode(unit));
    const way = wayFrom(dfa, state, units, lengthMax);
    if (way !== '') paths.push(String.fromCharCode(unit) + way);
  }
  return paths;
}

/** A way that avoids matches while it can; each state is left by the symbol that was taken from it least. */
function wayFrom(dfa: Dfa, from: number, units: readonly number[], lengthMax: number): string {
  let state = from;
  let way = '';
  const taken = new Map<number, number>();
  while (way.length < lengthMax) {
    const count = taken.get(state) ?? 0;
    taken.set(state, count + 1);
    const ways = units.filter((unit) => {
      const next = step(dfa, state, unit);
      return next !== dead && next < dfa.accepting;
    });
    const unit = ways[count % Math.max(1, ways.length)];
    if (unit === undefined) break;
    way += String.fromCharCode(unit);
    state = step(dfa, state, unit);
  }
  return way;
}

/** A unit for each symbol. */
function unitsOf(dfa: Dfa): readonly number[] {
  const bySymbol = new Map<number, number>();
  // Letters and digits first: they make the message readable.
  for (const unit of [...'aA0z9- _@.'].map((char) => char.charCodeAt(0))) note(unit);
  for (let unit = 0; unit < 0x80; unit++) note(unit);
  function note(unit: number): void {
    const symbol = dfa.ascii[unit] ?? 0;
    if (!bySymbol.has(symbol)) bySymbol.set(symbol, unit);
  }
  dfa.wideFrom.forEach((unit, i) => {
    const symbol = dfa.wideSymbol[i] ?? 0;
    if (!bySymbol.has(symbol)) bySymbol.set(symbol, unit);
  });
  return [...bySymbol.values()];
}
