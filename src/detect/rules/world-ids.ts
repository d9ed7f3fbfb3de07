import type { Rule } from '../rule.ts';
import { endsInMod11, isDay, isUniform, passesMod1110, weightedSum } from '../validators/check-digits.ts';
import { mod97 } from '../validators/iban.ts';
import { passesLuhn } from '../validators/luhn.ts';
import { nationalId } from './national-id-rule.ts';

/** Sum of the weighted digits modulo `modulus`, as the last digit; ten becomes zero. */
function endsInModulus(digits: string, weights: readonly number[], modulus: number): boolean {
  return (weightedSum(digits, weights) % modulus) % 10 === Number(digits.at(-1));
}

function isAustrian(digits: string): boolean {
  const sum = weightedSum(digits, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11;
  return sum === Number(digits[3]) && digits[0] !== '0';
}

/** GTIN's scheme: weights three and one from the right. */
function passesGtin(digits: string): boolean {
  const sum = [...digits].reduceRight(
    (total, digit, i) => total + Number(digit) * ((digits.length - 1 - i) % 2 ? 3 : 1),
    0,
  );
  return sum % 10 === 0;
}

/** Two rounds of weights modulo eleven, as the Baltic states share them. */
function isBaltic(digits: string): boolean {
  let check = weightedSum(digits, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
  if (check === 10) check = weightedSum(digits, [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
  return (check === 10 ? 0 : check) === Number(digits[10]) && isDay(digits.slice(5, 7), digits.slice(3, 5));
}

function isCzech(digits: string): boolean {
  const month = Number(digits.slice(2, 4)) % 50;
  return Number(digits) % 11 === 0 && isDay(digits.slice(4, 6), String(month > 20 ? month - 20 : month));
}

function isBulgarian(digits: string): boolean {
  const month = Number(digits.slice(2, 4)) % 20;
  return isDay(digits.slice(4, 6), String(month)) && endsInModulus(digits, [2, 4, 8, 5, 10, 9, 7, 3, 6], 11);
}

function isRomanian(digits: string): boolean {
  const rest = weightedSum(digits, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
  return (rest === 10 ? 1 : rest) === Number(digits[12]) && isDay(digits.slice(5, 7), digits.slice(3, 5));
}

function isHungarianTaj(digits: string): boolean {
  return weightedSum(digits, [3, 7, 3, 7, 3, 7, 3, 7]) % 10 === Number(digits[8]);
}

function isIrish(compact: string): boolean {
  const extra = compact[8] === undefined || compact[8] === 'W' ? 0 : 9 * (compact.charCodeAt(8) - 0x40);
  const rest = (weightedSum(compact, [8, 7, 6, 5, 4, 3, 2]) + extra) % 23;
  return 'WABCDEFGHIJKLMNOPQRSTUV'[rest] === compact[7];
}

function isHongKong(compact: string): boolean {
  const letters = compact.length === 9 ? compact.slice(0, 2) : ` ${compact[0]}`;
  const values = [...letters].map((char) => (char === ' ' ? 36 : char.charCodeAt(0) - 0x37));
  const digits = [...compact.slice(compact.length - 7, -1)].map(Number);
  const sum = [...values, ...digits].reduce((total, value, i) => total + value * (9 - i), 0);
  const check = compact.at(-1) === 'A' ? 10 : Number(compact.at(-1));
  return (sum + check) % 11 === 0;
}

const taiwanese = 'ABCDEFGHJKLMNPQRSTUVXYWZIO';

function isTaiwanese(compact: string): boolean {
  const code = taiwanese.indexOf(compact.charAt(0)) + 10;
  const sum = Math.floor(code / 10) + (code % 10) * 9 + weightedSum(compact.slice(1), [8, 7, 6, 5, 4, 3, 2, 1, 1]);
  return sum % 10 === 0;
}

function isNewZealand(digits: string): boolean {
  const eight = digits.slice(0, -1).padStart(8, '0');
  const number = Number(digits);
  if (number < 10_000_000 || number > 150_000_000) return false;
  for (const weights of [
    [3, 2, 7, 6, 5, 4, 3, 2],
    [7, 4, 3, 2, 5, 2, 7, 6],
  ]) {
    const rest = weightedSum(eight, weights) % 11;
    const check = rest === 0 ? 0 : 11 - rest;
    if (check < 10) return check === Number(digits.at(-1));
  }
  return false;
}

/** Legal entities: ISO 17442, which is ISO 7064 modulo 97. */
function isLei(compact: string): boolean {
  return mod97(compact) === 1;
}

/** Identifiers of more countries, and those that are the same everywhere. */
export const worldIdRules: readonly Rule[] = [
  nationalId({
    id: 'pt-nif',
    entity: 'PT_NIF',
    country: 'PT',
    pattern: /[1-35689]\d{8}|[1-35689]\d{2} \d{3} \d{3}/,
    isValid: (digits) => endsInMod11(digits, [9, 8, 7, 6, 5, 4, 3, 2], '0'),
    isDistinct: false,
    context: ['nif', 'contribuinte', 'fiscal', 'nipc'],
    source: 'https://info.portaldasfinancas.gov.pt/',
    positive: [{ text: 'NIF 123456789', value: '123456789' }],
    negative: ['NIF 123456788', '123456789'],
  }),
  nationalId({
    id: 'ie-pps',
    entity: 'IE_PPS',
    country: 'IE',
    pattern: /\d{7}[A-W][A-IW]?/i,
    isValid: isIrish,
    isDistinct: true,
    context: ['pps', 'ppsn', 'personal public service'],
    source: 'https://www.gov.ie/en/service/12e6de-get-a-personal-public-service-pps-number/',
    positive: ['1234567T'],
    negative: ['1234567A'],
  }),
  nationalId({
    id: 'at-social-security',
    entity: 'AT_SOCIAL_SECURITY',
    country: 'AT',
    pattern: /\d{10}|\d{4} \d{6}/,
    isValid: (digits) => isAustrian(digits) && isDay(digits.slice(4, 6), digits.slice(6, 8)),
    isDistinct: false,
    context: ['svnr', 'sozialversicherungsnummer', 'versicherungsnummer', 'sv-nummer'],
    source: 'https://www.sozialversicherung.at/',
    positive: [{ text: 'SVNR 1237 010180', value: '1237 010180' }],
    negative: ['SVNR 1238 010180', '1237 010180'],
  }),
  nationalId({
    id: 'ch-ahv',
    entity: 'CH_AHV',
    country: 'CH',
    pattern: /756\.\d{4}\.\d{4}\.\d{2}|756\d{10}/,
    isValid: passesGtin,
    isDistinct: true,
    context: ['ahv', 'avs', 'sozialversicherung'],
    source: 'https://www.bsv.admin.ch/bsv/en/home/social-insurance/ahv.html',
    positive: ['756.9217.0769.85'],
    negative: ['756.9217.0769.84'],
  }),
  nationalId({
    id: 'cz-birth-number',
    entity: 'CZ_BIRTH_NUMBER',
    country: 'CZ',
    pattern: /\d{6}\/\d{4}|\d{10}/,
    isValid: isCzech,
    isDistinct: false,
    context: ['rodné číslo', 'rodne cislo', 'rč', 'rodné'],
    source: 'https://www.mvcr.cz/clanek/rady-a-sluzby-dokumenty-rodne-cislo.aspx',
    positive: [{ text: 'rodne cislo 736028/5163', value: '736028/5163' }],
    negative: ['rodne cislo 736028/5164', '736028/5163'],
  }),
  nationalId({
    id: 'ro-cnp',
    entity: 'RO_CNP',
    country: 'RO',
    pattern: /[1-9]\d{12}/,
    isValid: isRomanian,
    isDistinct: true,
    context: ['cnp', 'cod numeric personal'],
    source: 'https://depabd.mai.gov.ro/',
    positive: ['1800101221144'],
    negative: ['1800101221143', '1801301221144'],
  }),
  nationalId({
    id: 'bg-egn',
    entity: 'BG_EGN',
    country: 'BG',
    pattern: /\d{10}/,
    isValid: isBulgarian,
    isDistinct: false,
    context: ['egn', 'егн'],
    source: 'https://www.grao.bg/esgraon.html',
    positive: [{ text: 'EGN 7523169263', value: '7523169263' }],
    negative: ['EGN 7523169262', '7523169263'],
  }),
  nationalId({
    id: 'gr-amka',
    entity: 'GR_AMKA',
    country: 'GR',
    pattern: /\d{11}/,
    isValid: (digits) => passesLuhn(digits) && isDay(digits.slice(0, 2), digits.slice(2, 4)),
    isDistinct: false,
    context: ['amka', 'αμκα'],
    source: 'https://www.amka.gr/',
    positive: [{ text: 'AMKA 01013099997', value: '01013099997' }],
    negative: ['AMKA 01013099998', '01013099997'],
  }),
  nationalId({
    id: 'hr-oib',
    entity: 'HR_OIB',
    country: 'HR',
    pattern: /\d{11}/,
    isValid: passesMod1110,
    isDistinct: false,
    context: ['oib', 'osobni identifikacijski broj'],
    source: 'https://www.porezna-uprava.hr/HR_OIB/Stranice/default.aspx',
    positive: [{ text: 'OIB 33392005961', value: '33392005961' }],
    negative: ['OIB 33392005962', '33392005961'],
  }),
  nationalId({
    id: 'hu-taj',
    entity: 'HU_TAJ',
    country: 'HU',
    pattern: /\d{9}|\d{3}[ -]\d{3}[ -]\d{3}/,
    isValid: isHungarianTaj,
    isDistinct: false,
    context: ['taj', 'társadalombiztosítási'],
    source: 'https://www.neak.gov.hu/',
    positive: [{ text: 'TAJ 111 111 110', value: '111 111 110' }],
    negative: ['TAJ 111 111 112', '111 111 110'],
  }),
  nationalId({
    id: 'ee-isikukood',
    entity: 'EE_PERSONAL_CODE',
    country: 'EE',
    pattern: /[1-8]\d{10}/,
    isValid: isBaltic,
    isDistinct: true,
    context: ['isikukood', 'personal code'],
    source: 'https://www.siseministeerium.ee/en/personal-identification-code',
    positive: ['37605030299'],
    negative: ['37605030298'],
  }),
  nationalId({
    id: 'lt-asmens-kodas',
    entity: 'LT_PERSONAL_CODE',
    country: 'LT',
    pattern: /[1-6]\d{10}/,
    isValid: isBaltic,
    isDistinct: true,
    context: ['asmens kodas', 'personal code'],
    source: 'https://www.registrucentras.lt/',
    positive: ['33309240064'],
    negative: ['33309240164'],
  }),
  nationalId({
    id: 'hk-id-card',
    entity: 'HK_ID_CARD',
    country: 'HK',
    pattern: /[A-Z]{1,2}\d{6}(?:\([0-9A]\)|[0-9A])/i,
    isValid: isHongKong,
    isDistinct: true,
    context: ['hkid', 'identity card'],
    source: 'https://www.immd.gov.hk/eng/services/hkid.html',
    positive: [{ text: 'HKID A123456(3) please', value: 'A123456(3)' }, 'A1234563'],
    negative: ['A123456(4)'],
  }),
  nationalId({
    id: 'tw-national-id',
    entity: 'TW_NATIONAL_ID',
    country: 'TW',
    pattern: /[A-Z][1289]\d{8}/i,
    isValid: isTaiwanese,
    isDistinct: true,
    context: ['身分證', 'national id'],
    source: 'https://www.ris.gov.tw/',
    positive: ['A123456789'],
    negative: ['A123456788'],
  }),
  nationalId({
    id: 'my-kad',
    entity: 'MY_KAD',
    country: 'MY',
    pattern: /\d{6}-\d{2}-\d{4}|\d{12}/,
    isValid: (digits) => isDay(digits.slice(4, 6), digits.slice(2, 4)),
    isDistinct: false,
    context: ['mykad', 'nric', 'kad pengenalan', 'ic'],
    source: 'https://www.jpn.gov.my/en/core-business/identity-card',
    positive: [{ text: 'MyKad 770305-02-1234', value: '770305-02-1234' }],
    negative: ['MyKad 771305-02-1234', '770305-02-1234'],
  }),
  nationalId({
    id: 'id-nik',
    entity: 'ID_NIK',
    country: 'ID',
    pattern: /[1-9]\d{15}/,
    isValid: (digits) => isDay(String(Number(digits.slice(6, 8)) % 40), digits.slice(8, 10)),
    isDistinct: false,
    context: ['nik', 'ktp', 'nomor induk kependudukan'],
    source: 'https://dukcapil.kemendagri.go.id/',
    positive: [{ text: 'NIK 3171011708450001', value: '3171011708450001' }],
    negative: ['NIK 3171013308450001', '3171011708450001'],
  }),
  nationalId({
    id: 'nz-ird',
    entity: 'NZ_IRD',
    country: 'NZ',
    pattern: /\d{8,9}|\d{2,3}[- ]\d{3}[- ]\d{3}/,
    isValid: isNewZealand,
    isDistinct: false,
    context: ['ird', 'inland revenue', 'tax number'],
    source: 'https://www.ird.govt.nz/managing-my-tax/ird-numbers',
    positive: [{ text: 'IRD 49-091-850', value: '49-091-850' }],
    negative: ['IRD 49-091-851', '49-091-850'],
  }),
  nationalId({
    id: 'co-nit',
    entity: 'CO_NIT',
    country: 'CO',
    pattern: /\d{9}-\d|\d{3}\.\d{3}\.\d{3}-\d/,
    isValid: (digits) => {
      const rest = weightedSum(digits, [41, 37, 29, 23, 19, 17, 13, 7, 3]) % 11;
      return (rest > 1 ? 11 - rest : rest) === Number(digits[9]);
    },
    isDistinct: false,
    context: ['nit', 'dian'],
    source: 'https://www.dian.gov.co/',
    positive: [{ text: 'NIT 213.123.432-1', value: '213.123.432-1' }],
    negative: ['NIT 213.123.432-2', '213.123.432-1'],
  }),
  nationalId({
    id: 'lei',
    entity: 'LEI',
    pattern: /[A-Z0-9]{18}\d{2}/i,
    reach: { chars: /[A-Za-z0-9]/, first: /[A-Za-z0-9]/, max: 19 },
    isValid: (compact) => !isUniform(compact) && /\d/.test(compact.slice(0, 18)) && isLei(compact),
    isDistinct: false,
    context: ['lei', 'legal entity', 'gleif'],
    source: 'https://www.gleif.org/en/about-lei/iso-17442-the-lei-code-structure',
    positive: [{ text: 'LEI 529900T8BM49AURSDO55', value: '529900T8BM49AURSDO55' }],
    negative: ['LEI 529900T8BM49AURSDO56', '529900T8BM49AURSDO55'],
  }),
  nationalId({
    id: 'eu-vat-id',
    entity: 'EU_VAT_ID',
    pattern:
      /(?:ATU\d{8}|BE[01]\d{9}|BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|DK\d{8}|EE\d{9}|EL\d{9}|ES[A-Z0-9]\d{7}[A-Z0-9]|FI\d{8}|FR[A-Z0-9]{2}\d{9}|HR\d{11}|HU\d{8}|IE\d[A-Z0-9+*]\d{5}[A-Z]{1,2}|LT\d{9}(?:\d{3})?|LU\d{8}|LV\d{11}|MT\d{8}|NL\d{9}B\d{2}|PL\d{10}|PT\d{9}|RO\d{2,10}|SE\d{12}|SI\d{8}|SK\d{10})/,
    isDistinct: false,
    context: ['vat', 'ust', 'ust-id', 'uid', 'tva', 'iva', 'btw', 'moms', 'nip', 'tax'],
    source: 'https://taxation-customs.ec.europa.eu/vat-identification-numbers_en',
    positive: [
      { text: 'VAT NL123456789B01', value: 'NL123456789B01' },
      { text: 'TVA: FR40303265045', value: 'FR40303265045' },
    ],
    negative: ['part FR40303265045', 'VAT FR123'],
  }),
  {
    id: 'bic',
    entity: 'BIC',
    tier: 'extended',
    lead: /(?:bic|swift)(?:[ /-]?(?:code|bic|swift|number|no\.?))*["'`)]?[ \t]*[:=]?[ \t]*["'`(]?/i,
    pattern: /[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?/,
    maxLength: 11,
    notBefore: /[A-Za-z0-9]/,
    notAfter: /[A-Za-z0-9_]/,
    score: 0.7,
    source: 'https://www.iso.org/standard/84108.html',
    examples: {
      positive: [
        { text: 'BIC: DEUTDEFF500', value: 'DEUTDEFF500' },
        { text: 'SWIFT code BNPAFRPP', value: 'BNPAFRPP' },
      ],
      negative: ['swift action', 'BIC deutdeff', 'DEUTDEFF500'],
    },
  },
];
