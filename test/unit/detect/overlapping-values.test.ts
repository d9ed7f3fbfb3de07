import fc from 'fast-check';
import { expect, test } from 'vitest';
import { charKindsOf } from '../../../src/detect/validators/char-kinds.ts';
import { entropy } from '../../../src/detect/validators/entropy.ts';
import { looksLikePassword, looksRandom } from '../../../src/detect/validators/secret-shape.ts';
import { type Value, wholeValue } from '../../../src/detect/validators/value.ts';
import { kindsOfValue } from '../../../src/detect/validators/value-kinds.ts';

/** What is said of a value of its own, in an array that nothing else was said of. */
const alone = (text: string, { start, end }: Value): Value => wholeValue(text.slice(start, end));

const words = fc.constantFrom(
  ...[
    'KEY=',
    'pw:',
    'aB3',
    'x9',
    'sha256',
    'oauth2',
    'base64x',
    '-',
    '_',
    '.',
    'Qrl23Db#@',
    'é',
    '密',
    'zz',
    '  ',
    'a1b2c3d4',
  ],
);
const text = fc.array(words, { minLength: 1, maxLength: 120 }).map((parts) => parts.join(''));
const places = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 140 })), { minLength: 1, maxLength: 40 });

test.each([
  { says: 'entropy', of: (value: Value) => entropy(value).toFixed(9) },
  { says: 'kinds', of: ({ units, start, end }: Value) => kindsOfValue(units, start, end) },
  { says: 'random', of: looksRandom },
  { says: 'password', of: (value: Value) => looksLikePassword(value, 'assigned') },
])('$says: of values that overlap the same is said as of each alone, in whatever order', ({ of }) => {
  fc.assert(
    fc.property(text, places, fc.boolean(), (whole, drawn, isSorted) => {
      const { units } = wholeValue(whole);
      const tried = drawn.map(([at, length]) => [at % whole.length, length] as const);
      if (isSorted) tried.sort(([a], [b]) => a - b);
      const values = tried.map(([start, length]): Value => {
        const end = Math.min(whole.length, start + length);
        return { value: whole.slice(start, end), units, start, end };
      });
      const said = values.map((value) => of(value));
      expect(said).toEqual(values.map((value) => of(alone(whole, value))));
    }),
    { numRuns: 400 },
  );
});

test('entropy of more units than are counted is that of the first of them', () => {
  const long = 'ab'.repeat(20_000);
  expect(entropy(wholeValue(long))).toBeCloseTo(1, 3);
  expect(entropy(wholeValue(''))).toBe(0);
});

test('kinds of a value that is too long to be kept', () => {
  const { units } = wholeValue(`${'a'.repeat(300)}9`);
  expect(kindsOfValue(units, 0, 301)).toBe(charKindsOf(units, 0, 301));
});
