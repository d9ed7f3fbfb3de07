import type { Value } from './value.ts';

/** Shannon entropy of a value, bits a UTF-16 unit. */
export function entropy({ units, start, end }: Value): number {
  const length = end - start;
  let sum = 0;
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    const count = counts[unit] ?? 0;
    counts[unit] = count + 1;
    sum += count < growth.length ? (growth[count] ?? 0) : growthAt(count);
  }
  for (let at = start; at < end; at++) counts[units[at] ?? 0] = 0;
  return length === 0 ? 0 : Math.log2(length) - sum / length;
}

/** How often each unit came; all zero between two calls. A table made for each call costs more than all that is done with it. */
const counts: Uint32Array = new Uint32Array(0x10000);

/** What `count * log2(count)` grows by from each count to the next. */
const growth: Float64Array = Float64Array.from({ length: 128 }, (_, count) => growthAt(count));

function growthAt(count: number): number {
  return (count + 1) * Math.log2(count + 1) - (count === 0 ? 0 : count * Math.log2(count));
}
