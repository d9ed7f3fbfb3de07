import fc from 'fast-check';

/** Values that the detector finds, made at run time so that no scanner takes them for live ones. */
const segment = (text: string): string => Buffer.from(text).toString('base64url');
const filler = (length: number): string =>
  'q7Rt2Lw9Zk4Xv8Np3Mj6Hb1Yc5Df0Gs'.repeat(Math.ceil(length / 31)).slice(0, length);
const pemLine = filler(64);

export const sensitiveValues: readonly string[] = [
  ['4111', '1111', '1111', '1111'].join(''),
  ['5500', '0055', '5555', '5559'].join(' '),
  ['3782', '822463', '10005'].join('-'),
  ['536', '90', '4399'].join('-'),
  ['jane.doe', 'example.com'].join('@'),
  ['GB82', 'WEST', '1234', '5698', '7654', '32'].join(' '),
  ['+1', '415', '555', '2671'].join(' '),
  ['ghp', filler(36)].join('_'),
  ['AKIA', 'IOSFODNN7EXAMPLE'].join(''),
  [segment('{"alg":"HS256","typ":"JWT"}'), segment(`{"sub":"1234567890","name":"Jane"}`), filler(43)].join('.'),
  [segment('{"alg":"RS256","typ":"JWT"}'), segment(JSON.stringify({ sub: filler(400) })), filler(342)].join('.'),
  ['-----BEGIN', 'PRIVATE KEY-----\n'].join(' ') +
    `${pemLine}\n`.repeat(9) +
    ['-----END', 'PRIVATE KEY-----'].join(' '),
];

const words: readonly string[] = [
  'The answer is',
  'international',
  'card',
  'my SSN:',
  'password is',
  'call',
  '42',
  '12-34',
  'v1.2.3',
  '@property',
  'eyJ',
  'sk-learn',
  'caf\u00e9',
  '\ud83d\ude00',
  '\u0661\u0662\u0663',
  '"quoted"',
  'back\\slash',
  '{"a":1}',
  'https://example.org/path?x=1',
  'CREDIT_CARD_REDACTED',
];

/** Prose with and without values in it, glued with and without space. */
export const sensitiveTexts: fc.Arbitrary<string> = fc
  .array(
    fc.tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(...words) },
        { weight: 2, arbitrary: fc.constantFrom(...sensitiveValues) },
        { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }) },
      ),
      fc.constantFrom(' ', ' ', ' ', '\n', ', ', '. ', ''),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.map(([word, glue]) => word + glue).join(''));

/** The sequence cut at places that the seeds choose, each piece at least one unit long. */
export function cut<T extends { readonly length: number; slice(from: number, to: number): T }>(
  whole: T,
  sizes: readonly number[],
): T[] {
  const pieces: T[] = [];
  let at = 0;
  for (let i = 0; at < whole.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    pieces.push(whole.slice(at, at + size));
    at += size;
  }
  return pieces;
}

/** Sizes of pieces: mostly small, as models send them, sometimes larger than everything. */
export const pieceSizes: fc.Arbitrary<number[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) },
    { weight: 1, arbitrary: fc.integer({ min: 10, max: 400 }) },
  ),
  { minLength: 1, maxLength: 12 },
);
