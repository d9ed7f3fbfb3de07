import { kindOf } from './compiled-rule.ts';

/** Knows how far characters of one kind go on in a text. */
export interface RunWalk {
  /** Whether all units from `from` to `to`, both included, have come and are of the kind. */
  covers(units: Uint16Array, from: number, to: number): boolean;
  /** The text has moved: what is remembered of it is void. */
  forget(): void;
}

/**
 * A token of so many letters and digits, and no more, is none inside a longer run of them; a text that is one run of its beginnings asks for
 * the end of that run from each of them. What was looked at for one is not looked at again for the next.
 */
export function createRunWalk(kind: Uint8Array): RunWalk {
  /** Units from `low` on are of the kind, up to `high`. */
  let low = 0;
  let high = 0;
  return {
    covers: (units, from, to) => {
      if (from < low || from > high) {
        low = from;
        high = from;
      }
      const end = Math.min(units.length, to + 1);
      while (high < end && kind[kindOf(units[high] ?? 0)] === 1) high++;
      return high > to;
    },
    forget: () => {
      low = 0;
      high = 0;
    },
  };
}
