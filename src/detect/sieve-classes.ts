import type { AnchorEntry } from './anchors.ts';

/**
 * Classes of code units for the sieve: coarse, so that what is looked up with a class for each of three units stays in the processor's
 * cache, and fine where anchors differ from ordinary text.
 */
export interface SieveClasses {
  /** Class of each code unit, 1 to 31; class 0 is that of `noUnit`. */
  readonly classOf: Uint8Array;
  /** Units of each class, ASCII ones and those beyond that stand for all others of their kind (`kindOf`). */
  readonly members: readonly (readonly number[])[];
}

export const classBits = 5;
/** How many classes there are. */
export const classes: number = 1 << classBits;
/** Class of "no unit": the text begins, or has not come further yet. */
export const edge = 0;
/** Stands for "no unit": a noncharacter, which normalised text does not hold. */
export const noUnit = 0xffff;

/** Letters in either case. Those that anchors seldom hold share a class, as do signs that no anchor begins with. */
const groups: readonly string[] = [
  ...'abcdefghiklmnoprstuy',
  'jqvwxz',
  ' \t\n\v\f\r',
  '0123456789',
  '.',
  '-',
  '_',
  ':',
  '@/',
  '"\'`',
  `!#$%&()*+,;<=>?[\\]^{|}~${String.fromCharCode(...Array(9).keys(), ...Array.from({ length: 18 }, (_, i) => 14 + i), 0x7f)}`,
];
const beyond = groups.length + 1;
/** Classes that units beyond ASCII share when an anchor holds them: text in other scripts would stop at every word if it had one of its own. */
const shared: readonly number[] = [..."z'{"].map((char) => 1 + groups.findIndex((group) => group.includes(char)));

export function sieveClasses(anchors: readonly AnchorEntry[]): SieveClasses {
  const classOf = new Uint8Array(0x10000).fill(beyond);
  groups.forEach((group, index) => {
    for (const char of group) {
      classOf[char.charCodeAt(0)] = index + 1;
      classOf[char.toUpperCase().charCodeAt(0)] = index + 1;
    }
  });
  const wide = anchors.flatMap(({ anchor }) => unitsOf(anchor)).filter((unit) => unit >= 0x80);
  for (const unit of wide) classOf[unit] = shared[unit % shared.length] ?? beyond;
  classOf[noUnit] = edge;
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (let unit = 0; unit < 0x80; unit++) members[classOf[unit] ?? 0]?.push(unit);
  for (const id of new Set([beyond, ...wide.map((unit) => classOf[unit] ?? 0)])) members[id]?.push(...othersOfKind);
  return { classOf, members };
}

/** One unit of each kind beyond ASCII. */
const othersOfKind: readonly number[] = [0xe9, 0x4e00];

export function unitsOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
}
