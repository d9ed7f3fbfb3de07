import type { Rule } from '../rule.ts';
import { endsInMod11, isDay, passesMod1110, weightedSum } from '../validators/check-digits.ts';
import { mod97 } from '../validators/iban.ts';
import { passesLuhn } from '../validators/luhn.ts';
import { nationalId } from './national-id-rule.ts';

const spanishLetters = 'TRWAGMYFPDXBNJZSQVHLCKE';

function isDni(compact: string): boolean {
  const digits = compact.slice(0, -1).replace('X', '0').replace('Y', '1').replace('Z', '2');
  return spanishLetters[Number(digits) % 23] === compact.slice(-1);
}

const oddValues = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function isCodiceFiscale(compact: string): boolean {
  let sum = 0;
  for (let i = 0; i < 15; i++) {
    const value = Number.parseInt(compact.charAt(i), 36);
    const index = value < 10 ? value : value - 10;
    sum += i % 2 === 0 ? (oddValues[index] ?? 0) : index;
  }
  return String.fromCharCode(0x41 + (sum % 26)) === compact.charAt(15);
}

const finnishCheck = '0123456789ABCDEFHJKLMNPRSTUVWXY';

function isHetu(compact: string): boolean {
  const digits = compact.replace(/^(\d{6})[A-Z]?/, '$1');
  const check = finnishCheck[Number(digits.slice(0, 9)) % 31];
  return isDay(digits.slice(0, 2), digits.slice(2, 4)) && check === digits.slice(9);
}

function isSwedish(digits: string): boolean {
  const ten = digits.slice(-10);
  return passesLuhn(ten) && isDay(String(Number(ten.slice(4, 6)) % 60), ten.slice(2, 4));
}

function isGermanPensionNumber(compact: string): boolean {
  const letter = compact.charCodeAt(8) - 0x40;
  const digits = compact.slice(0, 8) + String(letter).padStart(2, '0') + compact.slice(9);
  const sum = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1].reduce((total, weight, i) => {
    const product = weight * Number(digits.charAt(i));
    return total + Math.floor(product / 10) + (product % 10);
  }, 0);
  return sum % 10 === Number(compact.slice(-1));
}

/** ICAO 9303 check digit over letters and digits with weights 7, 3, 1. */
function passesIcao(compact: string): boolean {
  const sum = [...compact.slice(0, -1)].reduce(
    (total, char, i) => total + Number.parseInt(char, 36) * ([7, 3, 1][i % 3] ?? 0),
    0,
  );
  return sum % 10 === Number(compact.slice(-1));
}

function isGermanInsuranceNumber(compact: string): boolean {
  const digits = String(compact.charCodeAt(0) - 0x40).padStart(2, '0') + compact.slice(1);
  const sum = [1, 2, 1, 2, 1, 2, 1, 2, 1, 2].reduce((total, weight, i) => {
    const product = weight * Number(digits.charAt(i));
    return total + Math.floor(product / 10) + (product % 10);
  }, 0);
  return sum % 10 === Number(compact.slice(-1));
}

/** One digit of the first ten occurs twice or three times, as the federal tax office draws them. */
function isGermanTaxId(digits: string): boolean {
  const counts = [...'0123456789'].map((digit) => digits.slice(0, 10).split(digit).length - 1);
  const most = Math.max(...counts);
  return digits[0] !== '0' && most >= 1 && most <= 3 && passesMod1110(digits);
}

export const europeanIdRules: readonly Rule[] = [
  nationalId({
    id: 'uk-nhs',
    entity: 'UK_NHS',
    country: 'GB',
    pattern: /\d{10}|\d{3} \d{3} \d{4}|\d{3}-\d{3}-\d{4}/,
    isValid: (digits) => endsInMod11(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2], ''),
    isDistinct: false,
    context: ['nhs', 'health', 'patient'],
    source: 'https://www.datadictionary.nhs.uk/attributes/nhs_number.html',
    positive: [{ text: 'NHS 943 476 5919', value: '943 476 5919' }],
    negative: ['NHS 943 476 5918', '9434765919'],
  }),
  nationalId({
    id: 'uk-nino',
    reach: { chars: /[A-Za-z ]/, first: /[A-Za-z]/, max: 3 },
    entity: 'UK_NINO',
    country: 'GB',
    pattern: /[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?:\d{6}| \d{2} \d{2} \d{2} ?| ?\d{2} ?\d{2} ?\d{2} ?)[A-D]/i,
    isValid: (compact) => !/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(compact),
    isDistinct: true,
    context: ['nino', 'national', 'insurance', 'ni'],
    source: 'https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110',
    positive: ['AB123456C', 'hh 01 02 03 d'],
    negative: ['BG123456C', 'AB12345C', 'AA 12 34 56 H'],
  }),
  nationalId({
    id: 'uk-driving-licence',
    entity: 'UK_DRIVING_LICENCE',
    country: 'GB',
    pattern: /[A-Z9]{5}\d[0156]\d[0-3]\d{2}[A-Z9]{2}[A-Z0-9][A-Z]{2}/i,
    isDistinct: true,
    context: ['driving', 'licence', 'license', 'dvla'],
    source: 'https://www.gov.uk/driving-licence-fees',
    positive: ['MORGA657054SM9IJ'],
    negative: ['MORGA697054SM9IJ'],
  }),
  nationalId({
    id: 'uk-passport',
    entity: 'UK_PASSPORT',
    country: 'GB',
    pattern: /[A-Z]{0,2}\d{7,9}/i,
    isDistinct: false,
    context: ['passport', 'hmpo'],
    source: 'https://www.gov.uk/browse/abroad/passports',
    positive: [{ text: 'UK passport 533380006', value: '533380006' }],
    negative: ['533380006', 'ABC123456'],
  }),
  nationalId({
    id: 'de-tax-id',
    entity: 'DE_TAX_ID',
    country: 'DE',
    pattern: /\d{11}|\d{2} \d{3} \d{3} \d{3}/,
    isValid: isGermanTaxId,
    isDistinct: true,
    context: ['steuer', 'steueridentifikationsnummer', 'idnr', 'tin'],
    source:
      'https://www.bzst.de/DE/Privatpersonen/SteuerlicheIdentifikationsnummer/steuerlicheidentifikationsnummer_node.html',
    positive: ['86095742719', '98765432106'],
    negative: ['86095742718', '02345678903', '11112345678'],
  }),
  nationalId({
    id: 'de-social-security',
    entity: 'DE_SOCIAL_SECURITY',
    country: 'DE',
    pattern: /\d{8}[A-Z]\d{3}|\d{2} \d{6} [A-Z] \d{3}/i,
    isValid: isGermanPensionNumber,
    isDistinct: true,
    context: ['rentenversicherung', 'sozialversicherung', 'versicherungsnummer', 'svnr'],
    source: 'https://www.deutsche-rentenversicherung.de/',
    positive: ['15070649C103'],
    negative: ['15070649C104'],
  }),
  nationalId({
    id: 'de-health-insurance',
    entity: 'DE_HEALTH_INSURANCE',
    country: 'DE',
    pattern: /[A-Z]\d{9}/i,
    isValid: isGermanInsuranceNumber,
    isDistinct: true,
    context: ['krankenkasse', 'krankenversicherung', 'kvnr', 'versichertennummer'],
    source: 'https://www.gkv-datenaustausch.de/',
    positive: ['A123456780', 'B123456782'],
    negative: ['A123456787', '1123456780'],
  }),
  nationalId({
    id: 'de-identity-card',
    entity: 'DE_ID_CARD',
    country: 'DE',
    pattern: /[CFGHJK-NPRTV-Z][0-9CFGHJK-NPRTV-Z]{8}\d|[LMNPRTVWXY][0-9CFGHJK-NPRTV-Z]{8}/,
    isValid: (compact) => (compact.length === 10 ? passesIcao(compact) : true),
    isDistinct: false,
    context: ['ausweis', 'personalausweis', 'ausweisnummer'],
    source: 'https://www.personalausweisportal.de/',
    positive: [{ text: 'Personalausweis T220001293', value: 'T220001293' }],
    negative: ['Personalausweis T220001290', 'T220001293'],
  }),
  nationalId({
    id: 'de-passport',
    entity: 'DE_PASSPORT',
    country: 'DE',
    pattern: /C[0-9CFGHJKLMNPRTVWXYZ]{8}/,
    isValid: (compact) => /\d.*\d/.test(compact),
    isDistinct: true,
    context: ['reisepass', 'passport', 'pass'],
    source: 'https://www.bmi.bund.de/',
    positive: ['C01X00T41'],
    negative: ['C01X00T', 'CONTROLLER'],
  }),
  nationalId({
    id: 'de-vat-id',
    reach: { chars: /[A-Za-z -]/, first: /[A-Za-z]/, max: 3 },
    entity: 'DE_VAT_ID',
    country: 'DE',
    pattern: /DE[ -]?\d{9}|DE[ -]\d{3}[ -]\d{3}[ -]\d{3}/i,
    isValid: (compact) => passesMod1110(compact.slice(2)),
    isDistinct: true,
    context: ['ust', 'umsatzsteuer', 'vat'],
    source: 'https://www.bzst.de/',
    positive: ['DE136695976', 'de 136 695 976'],
    negative: ['DE136695977', 'FR12345678901'],
  }),
  nationalId({
    id: 'fr-nir',
    entity: 'FR_NIR',
    country: 'FR',
    pattern:
      /[1-478]\d{2}(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d{2}|2[AB])\d{6}(?:\d{2}| \d{2})|[1-478] \d{2} \d{2} (?:\d{2}|2[AB]) \d{3} \d{3} \d{2}/i,
    isValid: (compact) => {
      const body = compact.slice(0, 13).replace('2A', '19').replace('2B', '18');
      return 97 - mod97(body) === Number(compact.slice(13));
    },
    isDistinct: true,
    context: ['nir', 'securite', 'sociale', 'insee'],
    source: 'https://www.insee.fr/fr/metadonnees/definition/c1409',
    positive: ['255081416802538', '2 55 08 14 168 025 38'],
    negative: ['255081416802539'],
  }),
  nationalId({
    id: 'it-fiscal-code',
    entity: 'IT_FISCAL_CODE',
    country: 'IT',
    pattern: /[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]/i,
    isValid: isCodiceFiscale,
    isDistinct: true,
    context: ['codice', 'fiscale', 'cf'],
    source: 'https://www.agenziaentrate.gov.it/',
    positive: ['RSSMRA85T10A562S'],
    negative: ['RSSMRA85T10A562T'],
  }),
  nationalId({
    id: 'it-vat-code',
    entity: 'IT_VAT_CODE',
    country: 'IT',
    pattern: /(?:IT ?)?\d{11}/i,
    isValid: (compact) => passesLuhn(compact.replace('IT', '')),
    isDistinct: true,
    context: ['piva', 'partita', 'iva', 'vat'],
    source: 'https://www.agenziaentrate.gov.it/',
    positive: ['01333550323'],
    negative: ['01333550324', '00000000000'],
  }),
  nationalId({
    id: 'it-driver-license',
    entity: 'IT_DRIVER_LICENSE',
    country: 'IT',
    pattern: /[A-Z]{2}\d{7}[A-Z]|U1[BCDFGHLJKMNPRSTUWYXZ0-9]{7}[A-Z]/i,
    isDistinct: true,
    context: ['patente', 'guida', 'license'],
    source: 'https://www.ilportaledellautomobilista.it/',
    positive: ['AA0123456B', 'U1K711J11M'],
    negative: ['AA012345B'],
  }),
  nationalId({
    id: 'es-nif',
    entity: 'ES_NIF',
    country: 'ES',
    pattern: /\d{8}-?[A-Z]/i,
    isValid: isDni,
    isDistinct: true,
    context: ['nif', 'dni', 'documento'],
    source: 'https://www.interior.gob.es/',
    positive: ['12345678Z', '12345678-Z'],
    negative: ['12345678A'],
  }),
  nationalId({
    id: 'es-nie',
    entity: 'ES_NIE',
    country: 'ES',
    pattern: /[XYZ]-?\d{7}-?[A-Z]/i,
    isValid: isDni,
    isDistinct: true,
    context: ['nie', 'extranjero'],
    source: 'https://www.interior.gob.es/',
    positive: ['z8078221m', 'X1234567L'],
    negative: ['x9613851q'],
  }),
  nationalId({
    id: 'es-passport',
    entity: 'ES_PASSPORT',
    country: 'ES',
    pattern: /[A-Z]{3}\d{6}/i,
    isDistinct: false,
    context: ['pasaporte', 'passport'],
    source: 'https://www.interior.gob.es/',
    positive: [{ text: 'Mi pasaporte es aaa123456', value: 'aaa123456' }],
    negative: ['aaa123456', 'AA123456'],
  }),
  nationalId({
    id: 'pl-pesel',
    entity: 'PL_PESEL',
    country: 'PL',
    pattern: /\d{11}/,
    isValid: (digits) =>
      weightedSum(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0 &&
      isDay(digits.slice(4, 6), String(Number(digits.slice(2, 4)) % 20)),
    isDistinct: true,
    context: ['pesel'],
    source: 'https://www.gov.pl/web/gov/czym-jest-numer-pesel',
    positive: ['44051401359'],
    negative: ['44051401358', '1111321111'],
  }),
  nationalId({
    id: 'se-personnummer',
    entity: 'SE_PERSONNUMMER',
    country: 'SE',
    pattern: /(?:19|20)?\d{6}[-+]?\d{4}/,
    isValid: isSwedish,
    isDistinct: true,
    context: ['personnummer', 'samordningsnummer'],
    source: 'https://www.skatteverket.se/',
    positive: ['199003052397', '900305-2397'],
    negative: ['900305-2398'],
  }),
  nationalId({
    id: 'se-organisationsnummer',
    entity: 'SE_ORGANISATIONSNUMMER',
    country: 'SE',
    pattern: /[1235-9]\d[2-9]\d{3}-\d{4}/,
    isValid: passesLuhn,
    isDistinct: true,
    context: ['organisationsnummer', 'orgnr'],
    source: 'https://www.skatteverket.se/',
    positive: ['556703-7485'],
    negative: ['556703-7486'],
  }),
  nationalId({
    id: 'fi-hetu',
    entity: 'FI_PERSONAL_IDENTITY_CODE',
    country: 'FI',
    pattern: /\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]/i,
    isValid: isHetu,
    isDistinct: true,
    context: ['hetu', 'henkilotunnus'],
    source: 'https://dvv.fi/en/personal-identity-code',
    positive: ['030594W903B', '131052-308T'],
    negative: ['131052-308U', '311190-1111'],
  }),
  nationalId({
    id: 'no-fodselsnummer',
    entity: 'NO_FODSELSNUMMER',
    country: 'NO',
    pattern: /\d{11}|\d{6} \d{5}/,
    isValid: (digits) =>
      endsInMod11(digits, [3, 7, 6, 1, 8, 9, 4, 5, 2], '') && endsInMod11(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2], ''),
    isDistinct: true,
    context: ['personnummer', 'fodselsnummer'],
    source: 'https://www.skatteetaten.no/',
    positive: ['01019030071'],
    negative: ['01019030072'],
  }),
  nationalId({
    id: 'dk-cpr',
    entity: 'DK_CPR',
    country: 'DK',
    pattern: /\d{6}-\d{4}/,
    isValid: (digits) => isDay(digits.slice(0, 2), digits.slice(2, 4)),
    isDistinct: false,
    context: ['cpr', 'personnummer'],
    source: 'https://cpr.dk/',
    positive: [{ text: 'CPR 070761-4285', value: '070761-4285' }],
    negative: ['070761-4285', 'CPR 320761-4285'],
  }),
  nationalId({
    id: 'nl-bsn',
    entity: 'NL_BSN',
    country: 'NL',
    pattern: /\d{9}/,
    isValid: (digits) => weightedSum(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0,
    isDistinct: false,
    context: ['bsn', 'burgerservicenummer', 'sofinummer'],
    source: 'https://www.government.nl/topics/personal-data/citizen-service-number-bsn',
    positive: [{ text: 'BSN 111222333', value: '111222333' }],
    negative: ['BSN 111222334', '111222333'],
  }),
  nationalId({
    id: 'be-national-number',
    entity: 'BE_NATIONAL_NUMBER',
    country: 'BE',
    pattern: /\d{11}|\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}/,
    isValid: (digits) => {
      const check = Number(digits.slice(9));
      return [digits.slice(0, 9), `2${digits.slice(0, 9)}`].some((body) => 97 - (Number(body) % 97) === check);
    },
    isDistinct: true,
    context: ['rijksregisternummer', 'registre', 'national'],
    source: 'https://www.ibz.rrn.fgov.be/',
    positive: ['85.07.30-033.28'],
    negative: ['85.07.30-033.29'],
  }),
];
