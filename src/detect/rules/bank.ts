import { digitRun } from '../anchors.ts';
import type { Rule } from '../rule.ts';
import { ibanLengths, isIbanAt } from '../validators/iban.ts';

const letter = '[A-Z0-9]';

/** Each country's numbers have one length, in one run or in groups of four: so there is one end to judge. */
const written = [...new Set(Object.values(ibanLengths))].map((length) => {
  const countries = Object.keys(ibanLengths).filter((country) => ibanLengths[country] === length);
  const [fours, rest] = [Math.floor((length - 4) / 4), length % 4];
  const groups = (separator: string): string =>
    `(?:${separator}${letter}{4}){${fours}}${rest > 0 ? `${separator}${letter}{${rest}}` : ''}`;
  return `(?:${countries.join('|')})\\d{2}(?:${letter}{${length - 4}}|${groups(' ')}|${groups('-')})`;
});

export const bankRules: readonly Rule[] = [
  {
    id: 'iban',
    verifies: 'modulo 97 and the length of the country',
    entity: 'IBAN_CODE',
    tier: 'core',
    anchors: [digitRun],
    reach: { chars: /[A-Za-z]/, max: 2 },
    pattern: new RegExp(written.join('|'), 'i'),
    maxLength: 42,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_@]/,
    checkPlace: ({ units, start, end }) => (isIbanAt(units, start, end) ? 'proven' : 'wrong'),
    score: 0.5,
    source: 'https://www.swift.com/standards/data-standards/iban-international-bank-account-number',
    examples: {
      positive: [
        'DE89370400440532013000',
        { text: 'to DE89 3704 0044 0532 0130 00 by Friday', value: 'DE89 3704 0044 0532 0130 00' },
        'gb29nwbk60161331926819',
        { text: 'IBAN:NL91ABNA0417164300.', value: 'NL91ABNA0417164300' },
      ],
      negative: [
        'DE89370400440532013001',
        'GB29 NWBK 6016 1331 9268 1',
        'AB12CDEFGHIJKLMNOPQR',
        'XDE89370400440532013000',
      ],
    },
  },
];
