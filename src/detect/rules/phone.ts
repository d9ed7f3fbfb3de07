import { digitRun } from '../anchors.ts';
import type { Match, Rule, Verdict } from '../rule.ts';
import { signTable } from '../validators/char-kinds.ts';
import { internationalLengths, internationalNumberKind, isAssignedNational } from '../validators/phone.ts';

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
    'my number',
    'his number',
    'her number',
    'text me',
    'reach me',
    'ring me',
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

function phoneCheck({ text, units, start, end, value }: Match): Verdict {
  if (isPartOfNumber(units, start)) return 'wrong';
  const { numberEnd, count, run, isOneDigit, isCount } = readNumber(units, start, end);
  if (count < 6 || (count < 13 && mayBeDateOrAddress(value.length - count, run) && dateOrAddress.test(value))) {
    return 'wrong';
  }
  const isInternational = opensInternational(units, start);
  if (count > 20 && !isInternational) return run >= 15 || isOneDigit ? 'wrong' : 'doubtful';
  if (isInternational) {
    const kind = internationalNumberKind(units, start, numberEnd);
    if (kind === 'assigned' || (kind === 'possible' && value.includes('+'))) return 'plausible';
  } else if (isNationalLength(count)) {
    const number = value.slice(0, numberEnd - start);
    // Of eleven digits the first is the calling code.
    const from = count === 11 ? start + 1 : start;
    if (northAmerican.test(number) && isAssignedNational(1, units, from, numberEnd)) return 'plausible';
    // Some country has assigned it, whatever the digits: so say the number plans of those where a zero is dialled first.
    if (trunkNumber.test(number) && !isCount && !isIsbn10(number) && !isOtherNumber(text, start)) return 'plausible';
  }
  // Too common a word to be context at a distance.
  if (count <= 15 && isToldToCall(text, units, start)) return 'plausible';
  // Two numbers in one run are longer than E.164 allows; fifteen digits and more in one group are no number at all.
  return run >= 15 || isOneDigit || isCount ? 'wrong' : 'doubtful';
}

const trunkNumber = /^0[1-9]\d{8,9}$/;

/** How many digits a shorter match must have to be a number by itself. */
function retryDigits(units: Uint16Array, start: number, end: number): number {
  if (mayBeToldToCall(units, start)) return -1;
  return opensInternational(units, start) ? internationalLengths(units, start, end) : (1 << 10) | (1 << 11);
}

function isNationalLength(count: number): boolean {
  return count === 10 || count === 11;
}

function isOtherNumber(text: string, start: number): boolean {
  return otherNumber.test(text.slice(Math.max(0, start - 32), start));
}

const space = 0x20;
const hash = 0x23;
const plus = 0x2b;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const bracket = 0x28;
const letterE = 0x65;
const letterG = 0x67;
const letterL = 0x6c;
const letterT = 0x74;
const letterX = 0x78;

interface NumberRead {
  /** Where an extension begins, or the value ends: ` x22`, `#22`, ` ext. 22` are no part of the number. */
  readonly numberEnd: number;
  /** How many digits it has, and how many stand together at most. */
  readonly count: number;
  readonly run: number;
  /** The same digit over and over, whatever stands between. */
  readonly isOneDigit: boolean;
  /** `0123456789` and other parts of the row of digits. */
  readonly isCount: boolean;
}

function readNumber(units: Uint16Array, start: number, end: number): NumberRead {
  let numberEnd = end;
  let count = 0;
  let run = 0;
  let current = 0;
  let first = 0;
  let before = 0;
  let differences = 0;
  let isRow = true;
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    if (isDigit(unit)) {
      if (count === 0) first = unit;
      else if (unit !== (before === nine ? zero : before + 1)) isRow = false;
      differences |= unit ^ first;
      before = unit;
      count++;
      if (++current > run) run = current;
      continue;
    }
    current = 0;
    if (unit === hash || (unit | 0x20) === letterX || (unit | 0x20) === letterE) {
      numberEnd = at > start && units[at - 1] === space ? at - 1 : at;
      break;
    }
  }
  const isCount = isRow && count >= 8 && count <= 20 - (first - zero);
  return { numberEnd, count, run, isOneDigit: differences === 0, isCount };
}

/** Whether a verb that goes with numbers stands right before. */
function isToldToCall(text: string, units: Uint16Array, start: number): boolean {
  if (!mayBeToldToCall(units, start)) return false;
  return /(?:^|\W)(?:call|dial|ring|text):? ?$/i.test(text.slice(Math.max(0, start - 7), start));
}

/** Whether a word ends there with the last letter of one of those verbs. */
function mayBeToldToCall(units: Uint16Array, start: number): boolean {
  let at = start - 1;
  if (units[at] === space) at--;
  if (units[at] === colon) at--;
  const letter = (units[at] ?? 0) | 0x20;
  return letter === letterL || letter === letterG || letter === letterT;
}

/** `+`, or `00`, perhaps in a bracket. */
function opensInternational(units: Uint16Array, start: number): boolean {
  const at = units[start] === bracket ? start + 1 : start;
  return units[at] === plus || (units[at] === zero && units[at + 1] === zero);
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/** Ten digits with the book's check digit. */
function isIsbn10(digits: string): boolean {
  return digits.length === 10 && [...digits].reduce((sum, digit, i) => sum + (10 - i) * Number(digit), 0) % 11 === 0;
}

/** Two or three signs, and no more than a year's digits together. */
function mayBeDateOrAddress(signs: number, run: number): boolean {
  return (signs === 2 || signs === 3) && run <= 4;
}

const dateOrAddress =
  /^\d{1,3}(?:\.\d{1,3}){3}$|^\d{4}([-./])\d{1,2}\1\d{1,2}(?: \d{2})?$|^\d{1,2}([-./])\d{1,2}\2\d{2,4}(?: \d{2})?$/;

/** A date alone, or with its time: `dateOrAddress` knows them, and there are many in logs and in JSON. */
const isoDate = /[12]\d{3}(?:-\d\d-|\/\d\d\/|\.\d\d\.)\d\d(?:[T"',;:|\]}\n\r\t]| \d\d:)/;

/** A currency or number sign, or the digits of a longer number, right before. */
function isPartOfNumber(units: Uint16Array, start: number): boolean {
  if (start === 0) return false;
  const before = units[start - 1] ?? 0;
  if (isNumberSign(before)) return true;
  if (start === 1 || numberJoints[before] !== 1) return false;
  const further = units[start - 2] ?? 0;
  return isNumberSign(further) || isDigit(further);
}

function isNumberSign(unit: number): boolean {
  return unit === dollar || unit === hash || unit === pound || unit === euro;
}

const dollar = 0x24;
const pound = 0xa3;
const euro = 0x20ac;
const numberJoints: Uint8Array = signTable('-.,/:');

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
    never: isoDate,
    after,
    // Only of what is a number by itself: a shorter doubtful one would be a piece of something else.
    retry: /^\(?(?:\+|00|0[1-9]\d{8}|(?:1[-. ])?\(?\d{3}\)?[-. ]?\d{3}[-. ]\d{4})/,
    retryDigits,
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
        { text: 'my number is 07700 900123', value: '07700 900123' },
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
