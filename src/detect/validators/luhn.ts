import { wholeValue } from './value.ts';

/** The check digit of ISO/IEC 7812-1 annex B. Separators in `text` are skipped. */
export function passesLuhn(text: string): boolean {
  return endsInLuhn(wholeValue(text).units, 0, text.length);
}

/** The same of the digits among some units. */
export function endsInLuhn(units: Uint16Array, start: number, end: number): boolean {
  let sum = 0;
  let isDoubled = false;
  for (let at = end - 1; at >= start; at--) {
    const digit = (units[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) continue;
    sum += isDoubled ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit;
    isDoubled = !isDoubled;
  }
  return sum % 10 === 0;
}

/**
 * With how many of the digits among some units, from the first on, the last of them is right, a bit each. Separators are skipped; of the
 * digits behind the thirty-first nothing is said.
 */
export function luhnLengths(units: Uint16Array, start: number, end: number): number {
  let lengths = 0;
  let count = 0;
  /** Every second digit is doubled, counted from the last: of one sum those in even places, of the other the rest. */
  let evenDoubled = 0;
  let oddDoubled = 0;
  for (let at = start; at < end && count < 31; at++) {
    const digit = (units[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) continue;
    const doubled = digit > 4 ? 2 * digit - 9 : 2 * digit;
    const isEven = (count & 1) === 0;
    evenDoubled += isEven ? doubled : digit;
    oddDoubled += isEven ? digit : doubled;
    count++;
    if ((isEven ? oddDoubled : evenDoubled) % 10 === 0) lengths |= 1 << count;
  }
  return lengths;
}
