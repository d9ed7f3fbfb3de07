import { digitRun } from '../anchors.ts';
import type { Rule } from '../rule.ts';
import { checkPhone, phoneDigitsAlone, phoneLabels, phoneMax, shorterPhoneDigits } from '../validators/phone-form.ts';

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
/** A date alone, or with its time: `checkPhone` knows them, and there are many in logs and in JSON. */
const isoDate = /[12]\d{3}(?:-\d\d-|\/\d\d\/|\.\d\d\.)\d\d(?:[T"',;:|\]}\n\r\t]| \d\d:)/;

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
    maxLength: phoneMax,
    notBefore: /[A-Za-z0-9_+]/,
    notAfter: /[A-Za-z0-9_]/,
    isApart: true,
    never: isoDate,
    after: phoneLabels,
    retryDigits: shorterPhoneDigits,
    checkPlace: checkPhone,
    digitsAlone: phoneDigitsAlone,
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
