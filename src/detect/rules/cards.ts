import { digitRun } from '../anchors.ts';
import type { Place, Rule, Verdict } from '../rule.ts';
import { cardKind } from '../validators/card-brand.ts';
import { endsInLuhn, luhnLengths } from '../validators/luhn.ts';

/** Digits in one run or in the schemes' own groups, with one kind of separator. */
const grouped =
  /\d{12,19}|\d{4} \d{4} \d{4}(?: \d{1,4}){0,2}|\d{4} \d{6} \d{4,5}|\d{6} \d{13}|\d{4}-\d{4}-\d{4}(?:-\d{1,4}){0,2}|\d{4}-\d{6}-\d{4,5}|\d{6}-\d{13}/;

function cardCheck({ units, start, end }: Place): Verdict {
  if (!endsInLuhn(units, start, end)) return 'wrong';
  const { count, firstSix, isOneDigit } = readCard(units, start, end);
  const kind = cardKind(firstSix, count);
  if (kind === null || isOneDigit || isInsideLongerNumber(units, start)) return 'wrong';
  return kind === 'usual' ? 'proven' : 'doubtful';
}

interface CardRead {
  readonly count: number;
  readonly firstSix: number;
  readonly isOneDigit: boolean;
}

function readCard(units: Uint16Array, start: number, end: number): CardRead {
  const first = units[start] ?? 0;
  let count = 0;
  let firstSix = 0;
  let differences = 0;
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    if (!isDigit(unit)) continue;
    if (count < 6) firstSix = 10 * firstSix + unit - zero;
    differences |= unit ^ first;
    count++;
  }
  return { count, firstSix, isOneDigit: differences === 0 };
}

/** A number in groups may have another one behind it: one whose last digit is right ends before. */
function shorterCardDigits(units: Uint16Array, start: number, end: number): number {
  for (let at = start; at < end; at++) if (!isDigit(units[at] ?? 0)) return luhnLengths(units, start, end);
  return 0;
}

/** A decimal fraction, a further group of the same number, the tail of a UUID. A number and a comma before it make a list. */
function isInsideLongerNumber(units: Uint16Array, start: number): boolean {
  const before = units[start - 1] ?? 0;
  const further = units[start - 2] ?? 0;
  if ((before === dot || before === hyphen) && isDigit(further)) return true;
  if (before === comma && further === zero) return start === 2 || !isDigitOrComma(units[start - 3] ?? 0);
  return before === hyphen && [2, 3, 4, 5].every((back) => isHexDigit(units[start - back] ?? 0));
}

function isDigit(unit: number): boolean {
  return unit >= zero && unit <= 0x39;
}

function isDigitOrComma(unit: number): boolean {
  return isDigit(unit) || unit === comma;
}

function isHexDigit(unit: number): boolean {
  const lower = unit | 0x20;
  return isDigit(unit) || (lower >= 0x61 && lower <= 0x66);
}

const comma = 0x2c;
const hyphen = 0x2d;
const dot = 0x2e;
const zero = 0x30;

export const cardRules: readonly Rule[] = [
  {
    id: 'credit-card',
    verifies: 'Luhn, length and prefix of the brand, not inside a longer number',
    entity: 'CREDIT_CARD',
    tier: 'core',
    anchors: [digitRun],
    pattern: grouped,
    maxLength: 24,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_]/,
    retryDigits: shorterCardDigits,
    checkPlace: cardCheck,
    context: [
      ...[
        'card',
        'cards',
        'cc',
        'visa',
        'mastercard',
        'maestro',
        'amex',
        'diners',
        'discover',
        'jcb',
        'unionpay',
        'credit',
      ],
      ...['debit', 'pan', 'cvv', 'cvc', 'karte', 'kreditkarte', 'carte', 'tarjeta', 'carta', 'kaart', 'kort', 'cartao'],
    ],
    score: 0.5,
    source: 'https://www.iso.org/standard/70484.html',
    examples: {
      positive: [
        '4111111111111111',
        { text: 'card 4111 1111 1111 1111 exp 12/27', value: '4111 1111 1111 1111' },
        { text: 'pay with 4111 1111 1111 1111 12/27', value: '4111 1111 1111 1111' },
        '5555-5555-5555-4444',
        '2223003122003222',
        '378282246310005',
        '3782 822463 10005',
        '30569309025904',
        '3530111333300000',
        '6011111111111117',
        '6200000000000005',
        { text: 'my card 4222222222222 expires soon', value: '4222222222222' },
        { text: 'cc 503802053770 on file', value: '503802053770' },
        { text: 'cc 5038 0205 3770 on file', value: '5038 0205 3770' },
        { text: '17,5500005555555559', value: '5500005555555559' },
      ],
      negative: [
        '4111111111111112',
        'order 1234567890123456',
        '0000000000000000',
        'price 3.4111111111111111',
        'ratio 0,4111111111111111',
        'id a4111111111111111',
        '4111 1111-1111 1111',
        '123e4567-e89b-12d3-a456-4111111111111111',
        '4222222222222',
        'ISBN 9780306406157',
        'card 4222222222223',
      ],
    },
  },
];
