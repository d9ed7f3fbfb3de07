import { digitRun } from '../anchors.ts';
import type { Match, Rule, Verdict } from '../rule.ts';
import { isInternationalNumber } from '../validators/phone.ts';

const source = 'https://www.itu.int/rec/T-REC-E.164';
const context = [
  ...[
    'phone',
    'phones',
    'telephone',
    'tel',
    'call',
    'mobile',
    'cell',
    'cellphone',
    'fax',
    'whatsapp',
    'sms',
    'text',
    'dial',
  ],
  ...['office', 'desk', 'hotline', 'contact', 'telefon', 'handy', 'mobil', 'telefone', 'telefono', 'portable', 'ring'],
];
const after = /[ \t]?[([-]?(?:office|fax|mobile|cell|phone|tel|home|work|desk|direct)/i;

function internationalCheck({ value }: Match): Verdict {
  const digits = value.replace(/(?:[xX#]|ext).*$/, '').replace(/\D/g, '');
  const number = value.startsWith('00') ? digits.slice(2) : digits;
  return isInternationalNumber(number) ? 'plausible' : 'wrong';
}

function northAmericanCheck({ text, start, value }: Match): Verdict {
  if (/[\d.][-. ]?$/.test(text.slice(Math.max(0, start - 2), start))) return 'wrong';
  const digits = value.replace(/(?:[xX#]|ext).*$/, '').replace(/\D/g, '');
  return isInternationalNumber(digits.length === 11 ? digits : `1${digits}`) ? 'plausible' : 'wrong';
}

function nationalCheck({ text, start, value }: Match): Verdict {
  const digits = value.replace(/(?:[xX#]|ext).*$/, '').replace(/\D/g, '');
  if (digits.length < 6 || digits.length > 15 || /^(\d)\1+$/.test(digits)) return 'wrong';
  if (/^\d{4}-\d{2}-\d{2}$|^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$/.test(value)) return 'wrong';
  return /[\d$€£#][-.,/:]?$/.test(text.slice(Math.max(0, start - 2), start)) ? 'wrong' : 'plausible';
}

export const phoneRules: readonly Rule[] = [
  {
    id: 'phone-international',
    entity: 'PHONE_NUMBER',
    tier: 'core',
    anchors: ['+', digitRun],
    pattern: /(?:\+|00)[1-9](?:[ \-./]{0,2}\(?\d\)?){6,16}(?: ?(?:x|#|ext\.?) ?\d{1,6})?/,
    maxLength: 48,
    notBefore: /[A-Za-z0-9_+]/,
    notAfter: /[A-Za-z0-9_]/,
    retry: true,
    check: internationalCheck,
    context,
    score: 0.7,
    source,
    examples: {
      positive: [
        '+49 30 123456',
        { text: 'Tel +93 70 123 4567 / fax on request', value: '+93 70 123 4567' },
        { text: 'call 0041 44 668 18 00 now', value: '0041 44 668 18 00' },
        '+1 (415) 555-2671',
        '+44 (0)20 7946 0958',
        '+33 1 23 45 67 89',
      ],
      negative: ['+1', 'a+123456789', '+999 123 456 789', '1+14155552671', '+0.123'],
    },
  },
  {
    id: 'phone-north-american',
    entity: 'PHONE_NUMBER',
    tier: 'core',
    anchors: [digitRun],
    reach: { chars: /\(/, max: 1 },
    pattern: /(?:1[-. ]|001[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?: ?(?:x|#|ext\.?) ?\d{1,6})?/,
    maxLength: 32,
    notBefore: /[A-Za-z0-9_+]/,
    notAfter: /[A-Za-z0-9_]/,
    retry: true,
    check: northAmericanCheck,
    context,
    score: 0.5,
    source: 'https://www.nanpa.com/numbering',
    examples: {
      positive: ['(415) 555-0132', '415-555-0132', { text: 'ask 415.555.0132x22 today', value: '415.555.0132x22' }],
      negative: ['115-555-0132', '2415-555-0132'],
    },
  },
  {
    id: 'phone-national',
    entity: 'PHONE_NUMBER',
    tier: 'core',
    anchors: [digitRun],
    reach: { chars: /\(/, max: 1 },
    pattern: /\(?\d{2,5}\)?(?:[ \-./]{0,2}\d{2,5}){1,4}(?: ?(?:x|#|ext\.?) ?\d{1,6})?/,
    maxLength: 40,
    notBefore: /[A-Za-z0-9_+]/,
    notAfter: /[A-Za-z0-9_]/,
    after,
    check: nationalCheck,
    context,
    score: 0.1,
    source,
    examples: {
      positive: [
        { text: 'call me at 0494 92 82 32 please', value: '0494 92 82 32' },
        { text: 'Mali\n089 72 63 41 office', value: '089 72 63 41' },
        { text: 'fax: (764)722-5949', value: '(764)722-5949' },
      ],
      negative: ['0494 92 82 32', 'call me 2024-10-12', 'office 12', 'call it 1111111'],
    },
  },
];
