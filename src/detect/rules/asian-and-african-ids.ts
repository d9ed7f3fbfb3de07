import type { Rule } from '../rule.ts';
import { isDay, passesVerhoeff, weightedSum } from '../validators/check-digits.ts';
import { passesLuhn } from '../validators/luhn.ts';
import { nationalId } from './national-id-rule.ts';

function isChineseId(compact: string): boolean {
  const sum = weightedSum(compact, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
  return '10X98765432'[sum % 11] === compact.slice(17) && isDay(compact.slice(12, 14), compact.slice(10, 12));
}

function isTurkishId(digits: string): boolean {
  const at = (i: number): number => Number(digits.charAt(i));
  const odd = at(0) + at(2) + at(4) + at(6) + at(8);
  const even = at(1) + at(3) + at(5) + at(7);
  const tenth = (((odd * 7 - even) % 10) + 10) % 10;
  return tenth === at(9) && (odd + even + at(9)) % 10 === at(10);
}

function isKoreanResident(digits: string): boolean {
  return isDay(digits.slice(4, 6), digits.slice(2, 4));
}

function isKoreanBusiness(digits: string): boolean {
  const sum = weightedSum(digits, [1, 3, 7, 1, 3, 7, 1, 3, 5]) + Math.floor((Number(digits.charAt(8)) * 5) / 10);
  return (10 - (sum % 10)) % 10 === Number(digits.charAt(9));
}

function isThaiId(digits: string): boolean {
  return (11 - (weightedSum(digits, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 10 === Number(digits.slice(12));
}

function isTfn(digits: string): boolean {
  const weights = digits.length === 9 ? [1, 4, 3, 7, 5, 8, 6, 9, 10] : [10, 7, 8, 4, 6, 3, 5, 1];
  return weightedSum(digits, weights) % 11 === 0;
}

function isAbn(digits: string): boolean {
  const shifted = String(Number(digits.charAt(0)) - 1) + digits.slice(1);
  return digits.charAt(0) !== '0' && weightedSum(shifted, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) % 89 === 0;
}

function isMyNumber(digits: string): boolean {
  const rest = weightedSum(digits, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
  return (rest <= 1 ? 0 : 11 - rest) === Number(digits.slice(11));
}

export const asianAndAfricanIdRules: readonly Rule[] = [
  nationalId({
    id: 'in-aadhaar',
    entity: 'IN_AADHAAR',
    country: 'IN',
    pattern: /[2-9]\d{11}|[2-9]\d{3} \d{4} \d{4}|[2-9]\d{3}-\d{4}-\d{4}/,
    isValid: passesVerhoeff,
    isDistinct: true,
    context: ['aadhaar', 'uidai', 'aadhar'],
    source: 'https://uidai.gov.in/',
    positive: ['3123-4567-8909'],
    negative: ['3123-4567-8908'],
  }),
  nationalId({
    id: 'in-pan',
    entity: 'IN_PAN',
    country: 'IN',
    pattern: /[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]/,
    isDistinct: true,
    context: ['pan', 'permanent', 'income'],
    source: 'https://incometaxindia.gov.in/',
    positive: ['ABCPE1234F'],
    negative: ['ABCDE1234', 'ABCZE1234F'],
  }),
  nationalId({
    id: 'in-gstin',
    entity: 'IN_GSTIN',
    country: 'IN',
    pattern: /[0-3]\d[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]/,
    isDistinct: true,
    context: ['gstin', 'gst'],
    source: 'https://www.gst.gov.in/',
    positive: ['27ABCDE1234F1Z5'],
    negative: ['27ABCDE1234F1X5'],
  }),
  nationalId({
    id: 'cn-resident-id',
    entity: 'CN_RESIDENT_ID',
    country: 'CN',
    pattern: /[1-9]\d{5}(?:19|20)\d{9}[0-9X]/i,
    isValid: isChineseId,
    isDistinct: true,
    context: ['id', 'identity'],
    source: 'https://openstd.samr.gov.cn/ (GB 11643-1999)',
    positive: ['11010519491231002X'],
    negative: ['110105194912310021'],
  }),
  nationalId({
    id: 'kr-rrn',
    entity: 'KR_RRN',
    country: 'KR',
    pattern: /\d{6}-?[1-4]\d{6}/,
    isValid: isKoreanResident,
    isDistinct: true,
    context: ['rrn', 'resident'],
    source: 'https://www.mois.go.kr/',
    positive: ['960121-1234567'],
    negative: ['760413-5212134', '961321-1234567'],
  }),
  nationalId({
    id: 'kr-frn',
    entity: 'KR_FRN',
    country: 'KR',
    pattern: /\d{6}-?[5-8]\d{6}/,
    isValid: isKoreanResident,
    isDistinct: false,
    context: ['frn', 'foreigner', 'alien', 'registration'],
    source: 'https://www.hikorea.go.kr/',
    positive: [{ text: 'Korean FRN is 911124-5678901', value: '911124-5678901' }],
    negative: ['911124-5678901', 'FRN 960121+1021413'],
  }),
  nationalId({
    id: 'kr-brn',
    entity: 'KR_BRN',
    country: 'KR',
    pattern: /\d{10}|\d{3}-\d{2}-\d{5}/,
    isValid: isKoreanBusiness,
    isDistinct: true,
    context: ['brn', 'business'],
    source: 'https://www.hometax.go.kr/',
    positive: ['1048656659', '104-86-56659'],
    negative: ['1048656658'],
  }),
  nationalId({
    id: 'jp-my-number',
    entity: 'JP_MY_NUMBER',
    country: 'JP',
    pattern: /\d{12}|\d{4}[- ]\d{4}[- ]\d{4}/,
    isValid: isMyNumber,
    isDistinct: false,
    context: ['mynumber', 'my', '個人番号', 'マイナンバー'],
    source: 'https://www.digital.go.jp/policies/mynumber',
    positive: [{ text: 'My Number: 1234 5678 9018', value: '1234 5678 9018' }],
    negative: ['123456789018', 'My Number 123456789019'],
  }),
  nationalId({
    id: 'th-tnin',
    entity: 'TH_TNIN',
    country: 'TH',
    pattern: /[1-8]\d{12}|[1-8]-\d{4}-\d{5}-\d{2}-\d/,
    isValid: isThaiId,
    isDistinct: true,
    context: ['tnin', 'thai', 'เลขประจำตัวประชาชน'],
    source: 'https://www.bora.dopa.go.th/',
    positive: ['1234567890121'],
    negative: ['1234567890123'],
  }),
  nationalId({
    id: 'sg-nric',
    entity: 'SG_NRIC_FIN',
    country: 'SG',
    pattern: /[STFGM]\d{7}[A-Z]/i,
    isDistinct: true,
    context: ['nric', 'fin'],
    source: 'https://www.ica.gov.sg/',
    positive: ['G1122144L', 'M4332674T'],
    negative: ['G112214L', 'A1122144L'],
  }),
  nationalId({
    id: 'sg-uen',
    entity: 'SG_UEN',
    country: 'SG',
    pattern: /(?:19|20)\d{7}[A-Z]|\d{8}[A-Z]|[TSR]\d{2}[A-Z]{2}\d{4}[A-Z]/,
    isDistinct: true,
    context: ['uen'],
    source: 'https://www.uen.gov.sg/',
    positive: ['201434292D', '53125226D', 'T16RF0037C'],
    negative: ['201434292', 'T16RF037C'],
  }),
  nationalId({
    id: 'tr-national-id',
    entity: 'TR_NATIONAL_ID',
    country: 'TR',
    pattern: /[1-9]\d{10}/,
    isValid: isTurkishId,
    isDistinct: true,
    context: ['kimlik', 'tckn'],
    source: 'https://www.nvi.gov.tr/',
    positive: ['10000000146'],
    negative: ['10000000147'],
  }),
  nationalId({
    id: 'il-id',
    entity: 'IL_ID_NUMBER',
    country: 'IL',
    pattern: /\d{9}/,
    isValid: passesLuhn,
    isDistinct: false,
    context: ['teudat', 'zehut', 'תעודת', 'זהות'],
    source: 'https://www.gov.il/',
    positive: [{ text: 'teudat zehut 123456782', value: '123456782' }],
    negative: ['123456782'],
  }),
  nationalId({
    id: 'au-tfn',
    entity: 'AU_TFN',
    country: 'AU',
    pattern: /\d{8,9}|\d{3} \d{3} \d{3}/,
    isValid: isTfn,
    isDistinct: false,
    context: ['tfn', 'tax'],
    source: 'https://www.ato.gov.au/',
    positive: [{ text: 'TFN 876 543 210', value: '876 543 210' }],
    negative: ['876543210', 'TFN 876543211'],
  }),
  nationalId({
    id: 'au-abn',
    entity: 'AU_ABN',
    country: 'AU',
    pattern: /\d{11}|\d{2} \d{3} \d{3} \d{3}/,
    isValid: isAbn,
    isDistinct: true,
    context: ['abn', 'business'],
    source: 'https://abr.business.gov.au/Help/AbnFormat',
    positive: ['51 824 753 556'],
    negative: ['52824753556', '51 824 753 5564'],
  }),
  nationalId({
    id: 'au-acn',
    entity: 'AU_ACN',
    country: 'AU',
    pattern: /\d{9}|\d{3} \d{3} \d{3}/,
    isValid: (digits) => (10 - (weightedSum(digits, [8, 7, 6, 5, 4, 3, 2, 1]) % 10)) % 10 === Number(digits.slice(8)),
    isDistinct: true,
    context: ['acn', 'company'],
    source: 'https://asic.gov.au/',
    positive: ['006249976'],
    negative: ['006249975'],
  }),
  nationalId({
    id: 'au-medicare',
    entity: 'AU_MEDICARE',
    country: 'AU',
    pattern: /[2-6]\d{9}|[2-6]\d{3} \d{5} \d/,
    isValid: (digits) => weightedSum(digits, [1, 3, 7, 9, 1, 3, 7, 9]) % 10 === Number(digits.charAt(8)),
    isDistinct: true,
    context: ['medicare'],
    source: 'https://www.servicesaustralia.gov.au/medicare',
    positive: ['2123 45670 1'],
    negative: ['2123 45671 1'],
  }),
  nationalId({
    id: 'za-id-number',
    entity: 'ZA_ID_NUMBER',
    country: 'ZA',
    pattern: /\d{10}[012]\d{2}/,
    isValid: (digits) => passesLuhn(digits) && isDay(digits.slice(4, 6), digits.slice(2, 4)),
    isDistinct: true,
    context: ['id', 'identity', 'rsa'],
    source: 'https://www.dha.gov.za/',
    positive: ['8001015000086'],
    negative: ['8001015000087', '1234567890123'],
  }),
  nationalId({
    id: 'ng-nin',
    entity: 'NG_NIN',
    country: 'NG',
    pattern: /\d{11}/,
    isDistinct: false,
    context: ['nin', 'nimc'],
    source: 'https://nimc.gov.ng/',
    positive: [{ text: 'NIN 10375429861', value: '10375429861' }],
    negative: ['12345678901'],
  }),
  nationalId({
    id: 'imei',
    entity: 'IMEI',
    pattern: /\d{15}|\d{2}-\d{6}-\d{6}-\d/,
    isValid: passesLuhn,
    isDistinct: false,
    context: ['imei'],
    source: 'https://www.gsma.com/ (TS.06)',
    positive: [{ text: 'IMEI 490154203237518', value: '490154203237518' }],
    negative: ['490154203237518', 'IMEI 490154203237517'],
  }),
];
