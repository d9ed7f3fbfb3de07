import type { AnchorEntry } from './anchors.ts';
import { type Windows, windowClassBits } from './windows.ts';

/**
 * What all text goes through first: three code units in a row say, with one look-up that waits for no other, whether a rule may
 * begin there. It lets through some that begin nothing, and keeps back none that does.
 *
 * A key is `class << 12 | class << 6 | class`; class 0 is "no character": the text begins.
 */
export interface Sieve {
  /** Class of each code unit, 1 to 63. */
  readonly classOf: Uint8Array;
  /** By key: `anchorBit` and `shortBit`, of what may begin. */
  readonly flags: Uint8Array;
  /** Where `sift` leaves what it found, until it is called again: `sievedMax` places and one. */
  readonly places: Int32Array;
}

/** An anchor of two units and more may begin with the first of the three. */
export const anchorBit = 1;
/** The second may be an anchor of one unit, or begin a number. */
export const shortBit = 2;

/** Bits that a found place is shifted left by, to make room for its flags. */
export const flagBits = 2;
/** Units that may be sifted at once. */
export const sievedMax = 2_048;

/**
 * Looks at the units from `from` to `to`, each as the last of its three, and returns how many places it left in `places`:
 * `index << flagBits | flags`. The loop calls nothing and jumps nowhere, so that nothing in it must be looked up or guessed twice.
 */
export function sift({ classOf, flags, places }: Sieve, units: Uint16Array, from: number, to: number): number {
  let key = from < 2 ? 0 : (classOf[units[from - 2] ?? 0] ?? 0);
  key = (key << classBits) | (from < 1 ? 0 : (classOf[units[from - 1] ?? 0] ?? 0));
  let found = 0;
  for (let at = from; at < to; at++) {
    key = ((key << classBits) | (classOf[units[at] ?? 0] ?? 0)) & keyMask;
    const flag = flags[key] ?? 0;
    places[found] = (at << flagBits) | flag;
    // One more where there is a flag: the next place is written over this one otherwise.
    found += (0 - flag) >>> 31;
  }
  return found;
}

const classBits = 6;
const classes = 1 << classBits;
const keyMask = (1 << (3 * classBits)) - 1;

/** Of ASCII units: letters of either case, all digits, all signs by themselves, what shows nothing. */
function asciiClass(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return unit - 0x60;
  if (unit >= 0x41 && unit <= 0x5a) return unit - 0x40;
  if (unit >= 0x30 && unit <= 0x39) return 27;
  if (unit < 0x20 || unit === 0x7f) return 28;
  if (unit < 0x30) return 29 + unit - 0x20;
  if (unit < 0x41) return 45 + unit - 0x3a;
  return unit < 0x61 ? 52 + unit - 0x5b : 58 + unit - 0x7b;
}

const otherClass = 62;
/** Units beyond ASCII that an anchor holds share the classes of signs that seldom stand side by side. */
const sharedClasses: readonly number[] = [...'!#%&*;<>?@\\^`{|}~'].map((sign) => asciiClass(sign.charCodeAt(0)));

export function buildSieve(
  anchors: readonly AnchorEntry[],
  windows: Pick<Windows, 'classOf' | 'marks' | 'short'>,
): Sieve {
  const longer = anchors.flatMap(({ anchor }) => (anchor.length > 1 ? [unitsOf(anchor)] : []));
  const wide = longer.flat().filter((unit) => unit >= 0x80);
  const classOf = new Uint8Array(0x10000).fill(otherClass);
  for (let unit = 0; unit < 0x80; unit++) classOf[unit] = asciiClass(unit);
  for (const unit of wide) classOf[unit] = sharedClasses[unit % sharedClasses.length] ?? otherClass;
  const flags = new Uint8Array(keyMask + 1);
  for (const anchor of longer) {
    const [first = 0, second = 0, third] = anchor.map((unit) => classOf[unit] ?? 0);
    for (let last = third ?? 0; last <= (third ?? classes - 1); last++) flags[keyOf(first, second, last)] = anchorBit;
  }
  flagShort(flags, classOf, windows, [...wide, 0xffff]);
  return { classOf, flags, places: new Int32Array(sievedMax + 1) };
}

/** Flags what the first three units of a window let begin, whatever the fourth is. */
function flagShort(
  flags: Uint8Array,
  classOf: Uint8Array,
  windows: Pick<Windows, 'classOf' | 'marks' | 'short'>,
  wide: readonly number[],
): void {
  /** Classes of the units that are of one class in windows. */
  const within = Array.from({ length: 1 << windowClassBits }, () => new Set<number>());
  within[0]?.add(0);
  const own = Array.from({ length: 1 << windowClassBits }, () => new Set<number>());
  for (const unit of [...Array(0x80).keys(), ...wide]) {
    const id = windows.classOf[unit] ?? 0;
    within[id]?.add(classOf[unit] ?? 0);
    if (isDigit(unit) || windows.short.has(unit)) own[id]?.add(classOf[unit] ?? 0);
  }
  for (let triple = 0; triple < 1 << (3 * windowClassBits); triple++) {
    const from = triple << windowClassBits;
    if (!windows.marks.subarray(from, from + (1 << windowClassBits)).some((mark) => mark !== 0)) continue;
    for (const first of within[triple >> (2 * windowClassBits)] ?? []) {
      for (const second of own[(triple >> windowClassBits) & 15] ?? []) {
        for (const third of within[triple & 15] ?? []) {
          const key = keyOf(first, second, third);
          flags[key] = (flags[key] ?? 0) | shortBit;
        }
      }
    }
  }
}

function keyOf(first: number, second: number, third: number): number {
  return (first << (2 * classBits)) | (second << classBits) | third;
}

function unitsOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
