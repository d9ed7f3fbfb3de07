import type { AnchorEntry } from './anchors.ts';
import { classBits, classes, noUnit, type SieveClasses, unitsOf } from './sieve-classes.ts';
import { anchorBit, createSieveMachine, type SieveTables, shortBit } from './sieve-machine.ts';
import { unitsBefore, type Windows, windowUnits } from './windows.ts';

/**
 * What all text goes through first: three code units in a row say, with one look-up that waits for no other, whether a rule may begin
 * there; what stands around them says it better. It lets through some that begin nothing, and keeps back none that does.
 */
export interface Sieve {
  /**
   * Looks at the places from `from` (-1 is before the text) to `to`, `siftedMax` at most and one at least, and returns how many it left in
   * `places`. With `anchorBit` an anchor of two units and more may begin there; with `shortBit` the unit behind may be an anchor of one
   * unit, or begin a number. What stands behind the end of the units may be anything.
   */
  sift(units: Uint16Array, from: number, to: number): number;
  /** `place - from << flagBits | flags`, until `sift` is called again. */
  readonly places: Int32Array;
}

export function buildSieve(anchors: readonly AnchorEntry[], { classOf }: SieveClasses, windows: Windows): Sieve {
  const machine = createSieveMachine({ classBits, unitsBefore, windowUnits });
  fill(machine.tables, anchors, classOf, windows);
  return {
    places: machine.places,
    sift: (units, from, to) => {
      const begin = from + 1 - unitsBefore;
      const end = begin + (to - from) + windowUnits;
      const low = Math.max(0, begin);
      const high = Math.min(units.length, end);
      if (begin < low) machine.units.fill(noUnit, 0, low - begin);
      machine.units.set(units.subarray(low, high), low - begin);
      if (high < end) machine.units.fill(noUnit, high - begin, end - begin);
      return machine.run(to - from);
    },
  };
}

/** A key is `class << 10 | class << 5 | class` of three units; of anchors, a row has a bit for each class of the fourth. */
function fill(tables: SieveTables, anchors: readonly AnchorEntry[], classOf: Uint8Array, windows: Windows): void {
  const { anchorRows, flags } = tables;
  tables.classOf.set(classOf);
  tables.windows.set(windows);
  for (const { anchor } of anchors) {
    if (anchor.length === 1) continue;
    const [first = 0, second = 0, third, fourth] = unitsOf(anchor).map((unit) => classOf[unit] ?? 0);
    const pair = (first << (2 * classBits)) | (second << classBits);
    for (let last = third ?? 0; last <= (third ?? classes - 1); last++) {
      anchorRows[pair | last] = (anchorRows[pair | last] ?? 0) | (fourth === undefined ? -1 : (1 << fourth) | 1);
    }
    // Units that have not come yet are of class 0.
    anchorRows[pair] = -1;
    anchorRows[first << (2 * classBits)] = -1;
  }
  for (let key = 0; key < flags.length; key++) {
    const cases =
      (windows[((unitsBefore - 1) << classBits) | (key >> (2 * classBits))] ?? 0) &
      (windows[(unitsBefore << classBits) | ((key >> classBits) & (classes - 1))] ?? 0) &
      (windows[((unitsBefore + 1) << classBits) | (key & (classes - 1))] ?? 0);
    flags[key] = (anchorRows[key] === 0 ? 0 : anchorBit) | (cases === 0 ? 0 : shortBit);
  }
}
