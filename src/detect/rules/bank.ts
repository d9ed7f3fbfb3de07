import { digitRun } from '../anchors.ts';
import type { Rule } from '../rule.ts';
import { ibanLengths, isIban } from '../validators/iban.ts';

const country = `(?:${Object.keys(ibanLengths).join('|')})`;
const letter = '[A-Z0-9]';
const groups = (separator: string): string => `(?:${separator}${letter}{4}){2,7}(?:${separator}${letter}{1,3})?`;

export const bankRules: readonly Rule[] = [
  {
    id: 'iban',
    verifies: 'modulo 97 and the length of the country',
    entity: 'IBAN_CODE',
    tier: 'core',
    anchors: [digitRun],
    reach: { chars: /[A-Za-z]/, max: 2 },
    pattern: new RegExp(`${country}\\d{2}(?:${letter}{11,30}|${groups(' ')}|${groups('-')})`, 'i'),
    maxLength: 42,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_@]/,
    retry: /[ -]/,
    check: ({ value }) => (isIban(value.replace(/[ -]/g, '')) ? 'proven' : 'wrong'),
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
