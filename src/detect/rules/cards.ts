import { digitRun } from '../anchors.ts';
import type { Match, Rule, Verdict } from '../rule.ts';
import { cardKind } from '../validators/card-brand.ts';
import { passesLuhn } from '../validators/luhn.ts';

/** Digits in one run or in the schemes' own groups, with one kind of separator. */
const grouped =
  /\d{12,19}|\d{4} \d{4} \d{4}(?: \d{1,4}){0,2}|\d{4} \d{6} \d{4,5}|\d{6} \d{13}|\d{4}-\d{4}-\d{4}(?:-\d{1,4}){0,2}|\d{4}-\d{6}-\d{4,5}|\d{6}-\d{13}/;

function cardCheck({ text, start, value }: Match): Verdict {
  if (!passesLuhn(value) || isInsideLongerNumber(text, start)) return 'wrong';
  const kind = cardKind(value.replace(/\D/g, ''));
  return kind === 'usual' ? 'proven' : kind === 'unusual' ? 'doubtful' : 'wrong';
}

/** A decimal fraction, a further group of the same number, the tail of a UUID. A number and a comma before it make a list. */
function isInsideLongerNumber(text: string, start: number): boolean {
  const before = text.slice(Math.max(0, start - 5), start);
  return /\d[.-]$|(?:^|[^\d,])0,$|[0-9a-fA-F]{4}-$/.test(before);
}

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
    retry: /[ -]/,
    check: cardCheck,
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
