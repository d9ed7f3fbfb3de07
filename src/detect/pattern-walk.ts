import { type Dfa, dead, wideSymbolOf } from './dfa.ts';

/** Tries one pattern from place after place of a text. */
export interface PatternWalk {
  /** Whether an attempt from `start` ends without a match, within what is there of the text. */
  dies(units: Uint16Array, start: number): boolean;
  /** The text has moved: what is remembered of it is void. */
  forget(): void;
  /** Units read so far: what the pattern has cost. */
  steps(): number;
}

/** Most attempts end before; only what goes on is remembered. */
const plainSteps = 12;

/**
 * A pattern such as `\w+@x` reads a long word again from each of its letters, to no end. But from the second letter on it is
 * in the very state that it was in before at the same place, so it comes to the same end: attempts that failed leave their
 * states behind, and one that meets them goes on where they ended. A repetition without a count costs what it should.
 */
export function createPatternWalk(dfa: Dfa, lengthMax: number): PatternWalk {
  const { next, ascii, accepting } = dfa;
  const size = 2 ** Math.ceil(Math.log2(lengthMax + 1));
  let states: Uint32Array | null = null;
  /** States after the units from `low` on are known up to `high`. */
  let low = 0;
  let high = 0;
  let steps = 0;

  function after(state: number, unit: number): number {
    return next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
  }

  function diesLate(units: Uint16Array, start: number): boolean {
    states ??= new Uint32Array(size);
    const end = Math.min(units.length, start + lengthMax);
    const [from, to] = [low, high];
    let state = dfa.start;
    let at = start;
    let isKnown = false;
    low = high = start;
    while (at < end) {
      steps++;
      state = after(state, units[at] ?? 0);
      if (state === dead) break;
      if (state >= accepting) {
        low = high = 0;
        return false;
      }
      if (!isKnown && at >= from && at < to && states[at & (size - 1)] === state) {
        isKnown = true;
        at = to;
        state = states[(to - 1) & (size - 1)] ?? dead;
        high = to;
        continue;
      }
      states[at & (size - 1)] = state;
      at++;
      high = at;
    }
    // Nothing is known of an attempt that only the end of the text ended.
    if (state !== dead && at < start + lengthMax) {
      low = high = 0;
      return false;
    }
    return true;
  }

  return {
    dies: (units, start) => {
      const end = Math.min(units.length, start + Math.min(plainSteps, lengthMax));
      let state = dfa.start;
      for (let at = start; at < end; at++) {
        steps++;
        state = after(state, units[at] ?? 0);
        if (state === dead) return true;
        if (state >= accepting) return false;
      }
      if (end === units.length) return false;
      return diesLate(units, start);
    },
    forget: () => {
      low = high = 0;
    },
    steps: () => steps,
  };
}
