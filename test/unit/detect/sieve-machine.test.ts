import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anchorBit, createSieveMachine, flagBits, shortBit, siftedMax } from '../../../src/detect/sieve-machine.ts';

const [classBits, unitsBefore, windowUnits] = [2, 3, 6];
const machine = createSieveMachine({ classBits, unitsBefore, windowUnits });
const { tables } = machine;

/** What the machine is to find at one place, whose window begins there. */
function flagsAt(units: readonly number[], place: number): number {
  const classAt = (index: number): number => tables.classOf[units[place + index] ?? 0] ?? 0;
  const [first, second, third, fourth] = [2, 3, 4, 5].map(classAt) as [number, number, number, number];
  const key = (first << (2 * classBits)) | (second << classBits) | third;
  const mayAnchor = (((tables.anchorRows[key] ?? 0) >>> fourth) & 1) === 1;
  let cases = -1;
  for (let i = 0; i < windowUnits; i++) cases &= tables.windows[(i << classBits) | classAt(i)] ?? 0;
  return (tables.flags[key] ?? 0) & ((mayAnchor ? anchorBit : 0) | (cases === 0 ? 0 : shortBit));
}

function check(units: readonly number[]): void {
  machine.units.fill(0);
  machine.units.set(units);
  const count = units.length - windowUnits;
  const found = machine.run(count);
  const want = Array.from({ length: count }, (_, place) => (place << flagBits) | flagsAt(units, place));
  expect([...machine.places.subarray(0, found)]).toEqual(
    want.filter((place) => (place & (anchorBit | shortBit)) !== 0),
  );
}

const table = (length: number, max: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: max < 0 ? -0x80000000 : 0, max: max < 0 ? 0x7fffffff : max }), {
    minLength: length,
    maxLength: length,
  });
const units = fc.array(fc.constantFrom(0, 1, 2, 3, 0x41, 0xfffe, 0xffff), {
  minLength: windowUnits + 1,
  maxLength: 200,
});

test('the machine finds what its tables say, place by place', () => {
  fc.assert(
    fc.property(
      fc.record({
        classes: table(7, 3),
        flags: table(64, 3),
        anchorRows: table(64, -1),
        windows: table(windowUnits << classBits, -1),
        units,
      }),
      (given) => {
        [0, 1, 2, 3, 0x41, 0xfffe, 0xffff].forEach((unit, i) => {
          tables.classOf[unit] = given.classes[i] ?? 0;
        });
        tables.flags.set(given.flags);
        tables.anchorRows.set(given.anchorRows);
        tables.windows.set(given.windows);
        check(given.units);
      },
    ),
    { numRuns: 300 },
  );
});

test('as many places as there may be at once, all of them found', () => {
  tables.flags.fill(anchorBit | shortBit);
  tables.anchorRows.fill(-1);
  tables.windows.fill(-1);
  check(Array.from({ length: siftedMax + windowUnits }, (_, i) => i % 4));
});
