import { digitRun } from '../anchors.ts';
import type { Match, Rule, Verdict } from '../rule.ts';
import { internationalNumberKind, isAssignedSomewhere } from '../validators/phone.ts';

const context = [
  ...[
    'phone',
    'phones',
    'telephone',
    'tel',
    'call me',
    'call us',
    'call him',
    'call her',
    'call them',
    'mobile',
    'cell',
    'cellphone',
    'fax',
    'whatsapp',
    'sms',
    'dial',
  ],
  ...['office', 'desk', 'hotline', 'contact', 'telefon', 'handy', 'mobil', 'telefone', 'telefono', 'portable', 'mob'],
  // In the languages of Europe, with and without their accents.
  ...['rufnummer', 'telefonnummer', 'natel', 'téléphone', 'tél', 'teléfono', 'móvil', 'movil', 'celular', 'cel'],
  ...['telefoon', 'mobiel', 'gsm', 'telemóvel', 'telemovel', 'cellulare', 'tlf', 'puhelin', 'puh', 'komórka', 'cep'],
  ...['телефон', 'Телефон', 'тел', 'Тел', 'моб', 'Моб', 'τηλέφωνο', 'Τηλέφωνο', 'τηλ', 'Τηλ', 'κινητό', 'Κινητό'],
  ...['טלפון', 'נייד', 'هاتف', 'جوال'],
  // In those of Asia.
  ...[
    'telepon',
    'điện thoại',
    'Điện thoại',
    'फ़ोन',
    'मोबाइल',
    '電話',
    '携帯',
    '전화',
    '휴대폰',
    '핸드폰',
    '电话',
    '手机',
  ],
];
/** What numbers are called that are none of a telephone: between such a word and a bare number stands nothing but signs. */
const otherNumber =
  /(?:order|invoice|receipt|parcel|shipment|tracking|serial|article|item|part|model|batch|lot|case|ticket|member|customer|policy|ref|reference|isbn|issn|ean|upc|gtin|sku|abn|acn|tfn|po|size|id|bestellung|bestellnr|bestellnummer|rechnung|auftrag|kundennummer|commande|facture|pedido|factura|ordine|fattura)(?:[ _-]?(?:no|nr|num|number|id))?[.#:=]?[ \t"']*$/i;

/** Words that label the number before them, as in address books: `089 72 63 41 office`. */
const after = /[ \t]?[([-]?(?:office|fax|mobile|cell|phone|tel|home|work|desk|direct)/i;

const northAmerican = /^(?:(?:\+|00)?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}$/;

function phoneCheck({ text, start, value }: Match): Verdict {
  if (dateOrAddress.test(value) || isPartOfNumber(text, start)) return 'wrong';
  const number = /[xX#eE]/.test(value) ? value.replace(/ ?[xX#eE].*$/, '') : value;
  const count = digitCount(number);
  if (count < 6) return 'wrong';
  const isInternational = /^\(?(?:\+|00)/.test(number);
  if (count > 20 && !isInternational) return /\d{15}/.test(number) || isOneDigit(number) ? 'wrong' : 'doubtful';
  const digits = number.replace(/\D+/g, '');
  if (isInternational) {
    const kind = internationalNumberKind(digits.replace(/^00/, ''));
    if (kind === 'assigned' || (kind === 'possible' && number.includes('+'))) return 'plausible';
  } else if (digits.length === 10 || digits.length === 11) {
    if (
      northAmerican.test(number) &&
      internationalNumberKind(digits.length === 10 ? `1${digits}` : digits) === 'assigned'
    ) {
      return 'plausible';
    }
    if (/^0[1-9]\d{8,9}$/.test(number) && isLikelyTrunkNumber(digits) && !isOtherNumber(text, start))
      return 'plausible';
  }
  // Too common a word to be context at a distance.
  if (/(?:^|\W)(?:call|dial|ring|text):? ?$/i.test(text.slice(Math.max(0, start - 7), start)) && digits.length <= 15)
    return 'plausible';
  // Two numbers in one run are longer than E.164 allows; fifteen digits and more in one group are no number at all.
  return /\d{15}/.test(number) || /^(\d)\1+$/.test(digits) || isCount(digits) ? 'wrong' : 'doubtful';
}

function isOtherNumber(text: string, start: number): boolean {
  return otherNumber.test(text.slice(Math.max(0, start - 32), start));
}

function digitCount(number: string): number {
  let count = 0;
  for (let at = 0; at < number.length; at++) if (isDigit(number.charCodeAt(at))) count++;
  return count;
}

/** The same digit over and over, whatever stands between. */
function isOneDigit(number: string): boolean {
  let first = 0;
  for (let at = 0; at < number.length; at++) {
    const unit = number.charCodeAt(at);
    if (!isDigit(unit)) continue;
    if (first !== 0 && unit !== first) return false;
    first = unit;
  }
  return true;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function isLikelyTrunkNumber(digits: string): boolean {
  return !isCount(digits) && !isIsbn10(digits) && isAssignedSomewhere(digits.slice(1));
}

/** `0123456789` and other parts of the row of digits. */
function isCount(digits: string): boolean {
  return digits.length >= 8 && '01234567890123456789'.includes(digits);
}

/** Ten digits with the book's check digit. */
function isIsbn10(digits: string): boolean {
  return digits.length === 10 && [...digits].reduce((sum, digit, i) => sum + (10 - i) * Number(digit), 0) % 11 === 0;
}

const dateOrAddress =
  /^\d{1,3}(?:\.\d{1,3}){3}$|^\d{4}([-./])\d{1,2}\1\d{1,2}(?: \d{2})?$|^\d{1,2}([-./])\d{1,2}\2\d{2,4}(?: \d{2})?$/;

/** A currency or number sign, or the digits of a longer number, right before. */
function isPartOfNumber(text: string, start: number): boolean {
  return /[$€£#][-.,/:]?$|\d[-.,/:]$/.test(text.slice(Math.max(0, start - 2), start));
}

const separator = '[ \\-./]{1,2}';

/** With a calling code digits may stand alone: +33 1 23 45 67 89, +49 (0)20 … */
const international = '\\(?(?:\\+|00)[1-9](?:[ \\-./]{0,2}\\(?\\d\\)?){5,16}';

/** Six digits at least: in one group, in two, or in more of two digits and more each. */
const national = [
  '\\d{7,17}',
  '\\(\\d{1,5}\\)\\d{5,8}',
  `\\(?\\d{1,5}\\)?${separator}\\(?\\d{5,8}\\)?`,
  `\\(?\\d{2,5}\\)?${separator}\\(?\\d{4,8}\\)?`,
  `\\(?\\d{3,5}\\)?${separator}\\(?\\d{3,8}\\)?`,
  // India writes ten digits in two halves, with the trunk zero before them.
  `\\d{6}${separator}\\d{5}`,
  `\\(?\\d{1,5}\\)?(?:(?:${separator}|\\))\\(?\\d{2,8}\\)?){2,6}`,
];

export const phoneRules: readonly Rule[] = [
  {
    id: 'phone',
    verifies: 'numbering plan of the country, no date, no part of a longer number',
    entity: 'PHONE_NUMBER',
    tier: 'core',
    anchors: [digitRun],
    reach: { chars: /[+(]/, max: 2 },
    pattern: new RegExp(`(?:${[international, ...national].join('|')})(?: ?(?:x|#|ext\\.?) ?\\d{1,6})?`),
    maxLength: 48,
    notBefore: /[A-Za-z0-9_+]/,
    notAfter: /[A-Za-z0-9_]/,
    isApart: true,
    after,
    // Only of what is a number by itself: a shorter doubtful one would be a piece of something else.
    retry: /^\(?(?:\+|00|0[1-9]\d{8}|(?:1[-. ])?\(?\d{3}\)?[-. ]?\d{3}[-. ]\d{4})/,
    check: phoneCheck,
    context,
    score: 0.5,
    source: 'https://www.itu.int/rec/T-REC-E.164',
    examples: {
      positive: [
        '+49 30 123456',
        { text: 'Tel +93 70 123 4567 / fax on request', value: '+93 70 123 4567' },
        { text: 'call 0041 44 668 18 00 now', value: '0041 44 668 18 00' },
        '+1 (415) 555-2671',
        '+44 (0)20 7946 0958',
        '+33 1 23 45 67 89',
        '(415) 555-0132',
        '415-555-0132',
        { text: 'ask 415.555.0132x22 today', value: '415.555.0132x22' },
        { text: 'call me at 0494 92 82 32 please', value: '0494 92 82 32' },
        { text: 'Mali\n089 72 63 41 office', value: '089 72 63 41' },
        { text: 'fax: (764)722-5949', value: '(764)722-5949' },
        { text: 'mobile 081234 04376', value: '081234 04376' },
        { text: 'Tél. : 06 12 34 32 40', value: '06 12 34 32 40' },
        { text: 'móvil 612 33 54 18', value: '612 33 54 18' },
        { text: 'Телефон 8 (912) 348-77-76', value: '8 (912) 348-77-76' },
        { text: '電話 090-1232-0325', value: '090-1232-0325' },
        { text: '手机 131 2341 5360', value: '131 2341 5360' },
      ],
      negative: [
        ...['+1', 'a+123456789', '+999 123 456 789', '1+14155552671', '+0.123', '115-555-0132', '2415-555-0132'],
        ...['order no. 0403886829', 'ABN 01982180815', 'PO: 0792893767'],
        ...['0494 92 82 32', 'call me 2024/10/12', 'office 12', 'call it 1111111'],
      ],
    },
  },
];
