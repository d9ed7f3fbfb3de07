import { charKindsOf, kindOfUnit } from './char-kinds.ts';

/**
 * What `charKindsOf` says of a value. Of values that overlap, one after the other, the next costs what it is more than the one before:
 * of the first one it is kept what each of its ends says, and of all since what came behind it.
 */
export function kindsOfValue(units: Uint16Array, start: number, end: number): number {
  if (end - start > keptMax) return charKindsOf(units, start, end);
  if (units !== kept.units || start < kept.start || start >= kept.end || end < kept.to) keep(units, start, end);
  for (; kept.to < end; kept.to++) kept.behind |= kindOfUnit[units[kept.to] ?? 0] ?? 0;
  return (endings[start - kept.start] ?? 0) | kept.behind;
}

const keptMax = 128;
/** A running text whose units change has an array of its own each time, so the same array holds the same units. */
const kept: { units: Uint16Array; start: number; end: number; to: number; behind: number } = {
  units: new Uint16Array(0),
  start: 0,
  end: 0,
  to: 0,
  behind: 0,
};
/** Of the units from each on, up to `kept.end`. */
const endings: Uint32Array = new Uint32Array(keptMax);

function keep(units: Uint16Array, start: number, end: number): void {
  let kinds = 0;
  for (let at = end - 1; at >= start; at--) {
    kinds |= kindOfUnit[units[at] ?? 0] ?? 0;
    endings[at - start] = kinds;
  }
  kept.units = units;
  kept.start = start;
  kept.end = end;
  kept.to = end;
  kept.behind = 0;
}
