import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kindOf, kinds, type Reach } from '../../../src/detect/compiled-rule.ts';
import { createHoldBack } from '../../../src/detect/hold-back.ts';

const alphabet = [0x20, 0x2d, 0x30, 0x61, 0xe9, 0x4e00];

const reach = fc
  .record({ held: fc.subarray(alphabet), holdMax: fc.integer({ min: 1, max: 12 }) })
  .map(({ held, holdMax }): Reach => {
    const holdChars = new Uint8Array(kinds);
    for (const unit of held) holdChars[kindOf(unit)] = 1;
    return { chars: holdChars, first: holdChars, follow: holdChars, max: holdMax, min: 0, holdChars, holdMax };
  });

/** Rule by rule. */
function heldFrom(reaches: readonly Reach[], units: readonly number[]): number {
  const places = reaches.map(({ holdChars, holdMax }) => {
    let at = units.length;
    while (at > Math.max(0, units.length - holdMax) && holdChars[kindOf(units[at - 1] ?? 0)] === 1) at--;
    return at;
  });
  return Math.min(units.length, ...places);
}

test('going back once for all rules comes as far as going back for each', () => {
  fc.assert(
    fc.property(
      fc.array(reach, { maxLength: 70 }),
      fc.array(fc.constantFrom(...alphabet), { maxLength: 20 }),
      (reaches, units) => {
        expect(createHoldBack(reaches)(Uint16Array.from(units))).toBe(heldFrom(reaches, units));
      },
    ),
  );
});
