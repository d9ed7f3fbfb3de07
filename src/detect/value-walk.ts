import type { CompiledRule } from './compiled-rule.ts';
import { type Dfa, dead, wideSymbolOf } from './dfa.ts';

/** Reads one rule's values from place after place of a text. */
export interface ValueWalk {
  /** Where the longest value from `start` ends; `noValue`, or `valueOpen` when the text ends first and goes on. */
  end(units: Uint16Array, start: number, last: boolean): number;
  /** The text has moved: what is remembered of it is void. */
  forget(): void;
}

export const noValue = -1;
export const valueOpen = -2;

/** Most values end before; only what goes on is remembered. */
const plainUnits = 24;
/** Every 16 units of a value that may be long the state is remembered. Of shorter ones, it is at each. */
const longStrideBits = 4;
const shortMax = 512;

/**
 * A value without blanks such as `[^\s]+` runs on through the next name and its value, which is read from its own beginning in turn, to no
 * end. But soon it is in the very state that the one before was in at the same place, and then it comes to the same end: what was
 * read leaves states behind, and a value that meets one goes on where the one before ended.
 */
export function createValueWalk({ maxLength }: Pick<CompiledRule, 'maxLength'>, dfa: Dfa): ValueWalk {
  const { next, ascii, accepting } = dfa;
  const strideBits = maxLength > shortMax ? longStrideBits : 0;
  const stride = 1 << strideBits;
  const size = 2 ** Math.ceil(Math.log2(maxLength / stride + 2));
  let states: Uint32Array | null = null;
  /** States behind the units from `low` on are known up to `high`, where the reading stopped, and where the last match among them ended. */
  let low = 0;
  let high = 0;
  let highState = dead;
  let lastEnd = noValue;

  /** Reads on from `from`, and leaves its states behind. */
  function endLate(units: Uint16Array, start: number, from: number, fromState: number, fromEnd: number): number {
    const remembered = states ?? new Uint32Array(size);
    states = remembered;
    const to = Math.min(units.length, start + maxLength);
    const knownFrom = high <= to ? low : high + 1;
    const knownTo = high;
    const mask = stride - 1;
    let state = fromState;
    let matched = fromEnd;
    let at = from;
    while (at < to) {
      const unit = units[at] ?? 0;
      state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
      if (state === dead) break;
      at++;
      if (state >= accepting) matched = at;
      if ((at & mask) !== 0) continue;
      const place = (at >>> strideBits) & (size - 1);
      if (at > knownFrom && at <= knownTo && remembered[place] === state) {
        if (lastEnd > at) matched = lastEnd;
        at = knownTo;
        state = highState;
        if (state === dead) break;
      } else remembered[place] = state;
    }
    low = from;
    high = at;
    highState = state;
    lastEnd = matched;
    return matched;
  }

  return {
    end: (units, start, last) => {
      const to = Math.min(units.length, start + Math.min(plainUnits, maxLength));
      let state = dfa.start;
      let matched = state >= accepting ? start : noValue;
      let at = start;
      // It may meet the one before at once.
      const isWithin = start < high;
      while (at < to && !isWithin) {
        const unit = units[at] ?? 0;
        state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
        if (state === dead) return matched;
        at++;
        if (state >= accepting) matched = at;
      }
      if (isWithin || (at === plainUnits + start && at < units.length && maxLength > plainUnits)) {
        matched = endLate(units, start, at, state, matched);
        at = high;
        state = highState;
      }
      return state !== dead && at === units.length && !last ? valueOpen : matched;
    },
    forget: () => {
      low = 0;
      high = 0;
      highState = dead;
      lastEnd = noValue;
    },
  };
}
