import { type Dfa, dead, wideSymbolOf } from './dfa.ts';
import { contextCharsMax } from './rule.ts';

/** Reads one automaton of a lead from place after place of a text. */
export interface LeadWalk {
  /** Where the longest lead from `start` ends; `noLead`, or `leadOpen` when the text ends first. */
  end(units: Uint16Array, start: number): number;
  /** The text has moved: what is remembered of it is void. */
  forget(): void;
}

export const noLead = -1;
export const leadOpen = -2;
/** Most leads end within as many units: only what goes on is remembered. */
const plainUnits = 8;
/** At least as many as a lead may have. */
const remembered = 128;

/**
 * A lead such as `\w[\w .-]*=` reads a long word again from each of its anchors, to no end. But soon it is in the very state that it
 * was in before at the same place, and then it comes to the same end: what was read leaves its states behind, and a lead that
 * meets them goes on where they ended.
 */
export function createLeadWalk(dfa: Dfa): LeadWalk {
  const { next, ascii, accepting } = dfa;
  let states: Uint32Array | null = null;
  /** States after the units from `low` on are known up to `high`, and where the last match among them ended. */
  let low = 0;
  let high = 0;
  let lastEnd = noLead;

  function endLate(units: Uint16Array, start: number, from: number, fromState: number, fromEnd: number): number {
    states ??= new Uint32Array(remembered);
    const bound = start + contextCharsMax;
    const to = Math.min(units.length, bound);
    const [knownFrom, knownTo, knownEnd] = [low, high, lastEnd];
    let state = fromState;
    let matched = fromEnd;
    let at = from;
    let mayMeet = knownTo <= to;
    low = from;
    while (at < to) {
      const unit = units[at] ?? 0;
      state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
      if (state === dead) break;
      at++;
      if (state >= accepting) matched = at;
      if (mayMeet && at > knownFrom && at <= knownTo && states[(at - 1) % remembered] === state) {
        mayMeet = false;
        if (knownEnd > at) matched = knownEnd;
        at = knownTo;
        state = states[(at - 1) % remembered] ?? dead;
      } else states[(at - 1) % remembered] = state;
    }
    high = at;
    lastEnd = matched;
    return state !== dead && to === units.length ? leadOpen : matched;
  }

  return {
    end: (units, start) => {
      const to = Math.min(units.length, start + plainUnits);
      let state = dfa.start;
      let matched = state >= accepting ? start : noLead;
      let at = start;
      while (at < to) {
        const unit = units[at] ?? 0;
        state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
        if (state === dead) return matched;
        at++;
        if (state >= accepting) matched = at;
      }
      return at === units.length ? leadOpen : endLate(units, start, at, state, matched);
    },
    forget: () => {
      low = 0;
      high = 0;
      lastEnd = noLead;
    },
  };
}
