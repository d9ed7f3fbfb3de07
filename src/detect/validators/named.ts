import { passesMod1110, passesVerhoeff } from './check-digits.ts';
import { entropy } from './entropy.ts';
import { isIban, mod97 } from './iban.ts';
import { passesLuhn } from './luhn.ts';
import { isPlaceholder } from './placeholder.ts';
import { looksRandom } from './secret-shape.ts';
import { wholeValue } from './value.ts';

/** Names of the checks that a pattern may ask for. */
export type ValidatorName =
  | 'luhn'
  | 'mod97'
  | 'iban'
  | 'verhoeff'
  | 'mod11_10'
  | 'mod11'
  | 'entropy'
  | 'random'
  | 'not_placeholder';

/** Checks that a pattern from configuration may ask for, by name. They see the match without spaces, hyphens, dots and slashes. */
const namedValidators: Readonly<Record<ValidatorName, (compact: string, value: string) => boolean>> = {
  /** Luhn's check digit over all digits (ISO/IEC 7812-1). */
  luhn: (compact) => /^\d{2,}$/.test(digits(compact)) && passesLuhn(digits(compact)),
  /** ISO 7064 modulo 97 over letters and digits, the check digits at the end: 1 is right. */
  mod97: (compact) => compact.length > 2 && mod97(compact) === 1,
  /** Modulo 97 with the check digits behind a country code, and the length of that country. */
  iban: (compact) => isIban(compact),
  /** Verhoeff's check digit over all digits. */
  verhoeff: (compact) => digits(compact).length > 1 && passesVerhoeff(digits(compact)),
  /** ISO 7064 modulo 11,10 over all digits. */
  mod11_10: (compact) => digits(compact).length > 1 && passesMod1110(digits(compact)),
  /** Weights 2, 3, 4 … from the right, sum divisible by 11; X is ten (ISBN-10 and many account numbers). */
  mod11: (compact) => compact.length > 1 && passesMod11(compact),
  /** Three bits of entropy a character at least. */
  entropy: (_, value) => entropy(wholeValue(value)) >= 3,
  /** Drawn at random rather than written by a person. */
  random: (_, value) => looksRandom(wholeValue(value)),
  /** No `xxxx`, `<token>`, `${VAR}`. */
  not_placeholder: (_, value) => !isPlaceholder(wholeValue(value)),
};

export const validatorNames: readonly ValidatorName[] = [
  'luhn',
  'mod97',
  'iban',
  'verhoeff',
  'mod11_10',
  'mod11',
  'entropy',
  'random',
  'not_placeholder',
];

/** Those whose success proves a value, as a checksum does. */
export const provingValidators: ReadonlySet<ValidatorName> = new Set([
  'luhn',
  'mod97',
  'iban',
  'verhoeff',
  'mod11_10',
  'mod11',
]);

export function passes(name: ValidatorName, value: string): boolean {
  return namedValidators[name](value.replace(/[\s./-]/g, '').toUpperCase(), value);
}

function digits(compact: string): string {
  return compact.replace(/\D/g, '');
}

function passesMod11(compact: string): boolean {
  const body = compact.replace(/[^0-9X]/g, '');
  const sum = [...body].reduceRight(
    (total, char, i) => total + (char === 'X' ? 10 : Number(char)) * (body.length - i),
    0,
  );
  return sum % 11 === 0;
}
