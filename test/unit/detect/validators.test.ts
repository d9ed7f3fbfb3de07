import { describe, expect, test } from 'vitest';
import { cardKind } from '../../../src/detect/validators/card-brand.ts';
import { endsInMod11, passesMod1110, passesVerhoeff } from '../../../src/detect/validators/check-digits.ts';
import { entropy } from '../../../src/detect/validators/entropy.ts';
import { isIban, mod97 } from '../../../src/detect/validators/iban.ts';
import { keccak256 } from '../../../src/detect/validators/keccak.ts';
import { endsInLuhn, luhnLengths, passesLuhn } from '../../../src/detect/validators/luhn.ts';
import {
  internationalEnds,
  internationalNumberKind,
  isAssignedNational,
} from '../../../src/detect/validators/phone.ts';
import { isPlaceholder } from '../../../src/detect/validators/placeholder.ts';
import { isNamedAboutSecret, isNamedJust, type NamedPlace } from '../../../src/detect/validators/secret-name.ts';
import { looksLikePassword, looksRandom, looksScrambled } from '../../../src/detect/validators/secret-shape.ts';
import { wholeValue } from '../../../src/detect/validators/value.ts';
import { ethereumAddressKind, isBase58Address, isSegwitAddress } from '../../../src/detect/validators/wallet.ts';

test('Luhn says the same of units as of texts, and of every beginning of them', () => {
  for (const text of ['4111 1111 1111 1111 12', '79927398713', '3782-822463-10005', '18', '4111111111111112']) {
    const { units, start, end } = wholeValue(text);
    const lengths = luhnLengths(units, start, end);
    for (let to = 1; to <= end; to++) {
      const part = text.slice(0, to);
      const count = part.replace(/\D/g, '').length;
      expect([part, endsInLuhn(units, start, to), (lengths >>> count) & 1]).toEqual([
        part,
        passesLuhn(part),
        Number(passesLuhn(part)),
      ]);
    }
  }
});

describe('check digits', () => {
  test.each([
    { name: 'Luhn', right: passesLuhn('4111-1111 1111 1111'), wrong: passesLuhn('4111111111111112') },
    { name: 'Verhoeff', right: passesVerhoeff('2363'), wrong: passesVerhoeff('2364') },
    { name: 'MOD 11,10', right: passesMod1110('86095742719'), wrong: passesMod1110('86095742718') },
    {
      name: 'modulo 11',
      right: endsInMod11('9434765919', [10, 9, 8, 7, 6, 5, 4, 3, 2], ''),
      wrong: endsInMod11('9434765918', [10, 9, 8, 7, 6, 5, 4, 3, 2], ''),
    },
    {
      name: 'MOD 97-10',
      right: mod97('3214282912345698765432161182') === 1,
      wrong: mod97('3214282912345698765432161183') === 1,
    },
    { name: 'IBAN', right: isIban('GB82WEST12345698765432'), wrong: isIban('GB82WEST1234569876543') },
    {
      name: 'Base58Check',
      right: isBase58Address('1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2'),
      wrong: isBase58Address('1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN1'),
    },
    {
      name: 'Bech32',
      right: isSegwitAddress('bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq'),
      wrong: isSegwitAddress('bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mda'),
    },
  ])('$name', ({ right, wrong }) => {
    expect({ right, wrong }).toEqual({ right: true, wrong: false });
  });

  test('Keccak-256 of the empty text', () => {
    const digest = new Int32Array(8);
    keccak256('', digest);
    expect(Buffer.from(digest.buffer).toString('hex')).toBe(
      'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    );
  });

  test.each([
    { address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', want: 'proven' },
    { address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD', want: 'wrong' },
    { address: '0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed', want: 'plausible' },
  ])('EIP-55: $address is $want', ({ address, want }) => {
    expect(ethereumAddressKind(address)).toBe(want);
  });
});

test.each([
  { digits: '4111111111111111', want: 'usual' },
  { digits: '4222222222222', want: 'unusual' },
  { digits: '371449635398431', want: 'usual' },
  { digits: '2223003122003222', want: 'usual' },
  { digits: '2721000000000004', want: null },
  { digits: '36050234196908', want: 'usual' },
  { digits: '6763946698051847', want: 'usual' },
  { digits: '503802053770', want: 'unusual' },
  { digits: '8171999900000000021', want: 'usual' },
  { digits: '1234567890123452', want: null },
])('card $digits is $want', ({ digits, want }) => {
  expect(cardKind(Number(digits.slice(0, 6)), digits.length)).toBe(want);
});

test.each([
  { digits: '14155552671', want: 'assigned' },
  { digits: '442079460958', want: 'assigned' },
  { digits: '4402079460958', want: 'assigned' },
  { digits: '421123456789', want: 'possible' },
  { digits: '+44 (0)20 7946 0958', want: 'assigned' },
  { digits: '0041 44 668 18 00', want: 'assigned' },
  { digits: '000 41 44 668 18 00', want: null },
  { digits: '999123456789', want: null },
  { digits: '1', want: null },
])('$digits is $want', ({ digits, want }) => {
  const { units, start, end } = wholeValue(digits);
  const count = digits.replace(/\D/g, '').length;
  expect(internationalNumberKind(units, start, end, count)).toBe(want);
  const has = (lengths: number): number => (lengths >>> count) & 1;
  expect(has(internationalEnds(units, start, end, false))).toBe(Number(want !== null));
  expect(has(internationalEnds(units, start, end, true))).toBe(Number(want === 'assigned'));
});

test('a national number is assigned by the plan of its calling code', () => {
  const numbers = ['4155552671', '1155552671', '415555267'].map(wholeValue);
  expect(numbers.map(({ units, start, end }) => isAssignedNational(1, units, start, end))).toEqual([
    true,
    false,
    false,
  ]);
});

test.each([
  { value: 'xxxxxxxxxxxxxxxx', want: true },
  { value: '<your-token>', want: true },
  { value: '$' + '{TOKEN}', want: true },
  { value: '{{ token }}', want: true },
  { value: 'PUT_YOUR_KEY_IN_HERE', want: true },
  { value: '{{h}o)p$e]nob(ody[finds>-_$#thisone}}', want: false },
  { value: 'q9XxWv81LmNo', want: false },
])('$value stands for a secret: $want', ({ value, want }) => {
  expect(isPlaceholder(wholeValue(value))).toBe(want);
});

test('entropy', () => {
  expect(['aaaa', 'abcd', 'aabb', ''].map((text) => entropy(wholeValue(text)))).toEqual([0, 2, 1, 0]);
});

/** The place behind a text, where a value would begin. */
function endOf(text: string): NamedPlace {
  return { text, units: wholeValue(text).units, start: text.length };
}

describe('names', () => {
  test.each([
    { text: 'KEY=', word: 'key', want: true },
    { text: '"password1": "', word: 'password', want: true },
    { text: 'var token string = "', word: 'token', want: true },
    { text: 'the password is ', word: 'password', want: true },
    { text: 'PW는', word: 'pw', want: true },
    { text: 'DB_PASSWORD = "', word: 'password', want: false },
    { text: 'dbPassword: "', word: 'db', want: false },
    { text: '<client-secret>\n   ', word: 'secret', want: false },
    { text: 'keys: ', word: 'key', want: false },
    { text: '', word: 'key', want: false },
  ])('$text is named just $word: $want', ({ text, word, want }) => {
    expect(isNamedJust(word, endOf(text))).toBe(want);
  });

  test.each([
    { text: 'token_type: ', want: true },
    { text: 'const publicKey = "', want: true },
    { text: 'api_key=', want: false },
    { text: 'TOKEN_TYPE는 ', want: true },
    { text: 'keyIdValue = ', want: false },
    { text: 'public.' + 'some.long.words.stand.between.here.and.the.token=', want: true },
    { text: 'a.b.c.sub.type=', want: true },
    { text: 'w는r.w는id=', want: true },
  ])('$text is about a secret: $want', ({ text, want }) => {
    expect(isNamedAboutSecret(endOf(text))).toBe(want);
  });
});

describe('shapes', () => {
  test.each([
    { value: 'fp5zla8ti05t13ab', want: true },
    { value: '27b0a201-cd6a-4302-8862-40db2bfc6b0b', want: true },
    { value: 'wJ4lrXUtnF3MI/K7MD9NG/bPxRf1CYzzK2Y', want: true },
    { value: 'claude-3-opus-20240229', want: false },
    { value: 'user.profile.settings.v2', want: false },
    { value: 'process.env.SECRET_TOKEN_2024x9y8', want: false },
    { value: 'decryptKeyManagementCallback', want: false },
    { value: 'base64url-encoded', want: false },
    { value: 'aaaaaaaaaaaa1111', want: false },
  ])('$value looks random: $want', ({ value, want }) => {
    expect(looksRandom(wholeValue(value))).toBe(want);
  });

  test.each([
    { value: 'hunter22x', assigned: true, quoted: true, said: true },
    { value: 'Qrl23Db#@', assigned: true, quoted: true, said: true },
    { value: 'incorrect', assigned: false, quoted: false, said: false },
    { value: 'rootpasswd', assigned: false, quoted: true, said: false },
    { value: 'version2', assigned: true, quoted: true, said: false },
    { value: 'https://x.example/1', assigned: false, quoted: false, said: false },
    { value: 'getPassword(1)', assigned: false, quoted: false, said: false },
    { value: '2024-10-12', assigned: false, quoted: false, said: false },
    { value: '123456', assigned: true, quoted: true, said: false },
  ])('$value as a password', ({ value, assigned, quoted, said }) => {
    expect({
      assigned: looksLikePassword(wholeValue(value), 'assigned'),
      quoted: looksLikePassword(wholeValue(value), 'quoted'),
      said: looksLikePassword(wholeValue(value), 'said'),
    }).toEqual({ assigned, quoted, said });
  });

  test('scrambled', () => {
    expect(['q#P7r5&@*xC$utE', '../a/b/c.json', 'hello'].map((text) => looksScrambled(wholeValue(text)))).toEqual([
      true,
      false,
      false,
    ]);
  });
});
