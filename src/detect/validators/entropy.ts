import type { Span } from './value.ts';

/** Shannon entropy of a value, bits a UTF-16 unit. */
export function entropy({ units, start, end }: Span): number {
  return entropyOf(units, start, end);
}

/**
 * The same of a value that is not cut out of its text. Values that overlap, one after the other, cost what the next is more and less than
 * the one before: a text of nothing but names and equals signs has a value begin at each of them.
 */
export function entropyOf(units: Uint16Array, start: number, valueEnd: number): number {
  // Of a longer one, of its beginning.
  const end = Math.min(valueEnd, start + countMax);
  const length = end - start;
  if (length <= 0) return 0;
  if (units === counted.units && start >= counted.start && start < counted.end && end >= counted.end)
    slideTo(start, end);
  else beginAt(units, start, end);
  return Math.log2(length) - counted.sum / one / length;
}

/**
 * What the counts are of. A running text whose units change has an array of its own each time, so the same array holds the same units.
 * Kept from call to call, as are the counts: a table made for each call costs more than all that is done with it.
 */
const counted: { units: Uint16Array; start: number; end: number; sum: number; mark: number } = {
  units: new Uint16Array(0),
  start: 0,
  end: 0,
  sum: 0,
  mark: 0,
};
/** By unit: how often it came, beside the mark of the call that the count is of; what has another mark is none. */
const counts: Uint32Array = new Uint32Array(0x10000);
const countBits = 14;
const countMax = 2 ** countBits - 1;
const marksMax = 2 ** (32 - countBits) - 1;

function beginAt(units: Uint16Array, start: number, end: number): void {
  if (counted.mark === marksMax) {
    counts.fill(0);
    counted.mark = 0;
  }
  counted.mark++;
  counted.units = units;
  counted.sum = 0;
  counted.start = start;
  counted.end = start;
  slideTo(start, end);
}

function slideTo(start: number, end: number): void {
  const { units } = counted;
  const mark = counted.mark << countBits;
  let { sum } = counted;
  for (let at = counted.start; at < start; at++) {
    const left = ((counts[units[at] ?? 0] ?? 0) & countMax) - 1;
    counts[units[at] ?? 0] = mark | left;
    sum -= growthOf(left);
  }
  for (let at = counted.end; at < end; at++) {
    const known = counts[units[at] ?? 0] ?? 0;
    const count = (known ^ mark) >>> countBits === 0 ? known & countMax : 0;
    counts[units[at] ?? 0] = mark | (count + 1);
    sum += growthOf(count);
  }
  counted.sum = sum;
  counted.start = start;
  counted.end = end;
}

/** What `count * log2(count)` grows by when one more comes. Whole numbers, so that a sum does not depend on the way to it. */
function growthOf(count: number): number {
  return count < growth.length ? (growth[count] ?? 0) : scaled(count + 1) - scaled(count);
}

/** `one` times `count * log2(count)`: exact, up to the longest value. */
function scaled(count: number): number {
  return count === 0 ? 0 : Math.round(count * Math.log2(count) * one);
}

const one: number = 2 ** 34;
const growth: Float64Array = Float64Array.from({ length: 128 }, (_, count) => scaled(count + 1) - scaled(count));
