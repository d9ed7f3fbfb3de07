import type { Rule } from '../rule.ts';
import { endsInMod11, isUniform, weightedSum } from '../validators/check-digits.ts';
import { passesLuhn } from '../validators/luhn.ts';
import { nationalId } from './national-id-rule.ts';

/** Medicare's alphabet: no letter that looks like a digit. */
const mbiLetter = '[AC-HJKMNP-RT-Y]';
const mbiAny = '[0-9AC-HJKMNP-RT-Y]';

function isRouting(digits: string): boolean {
  const prefix = Number(digits.slice(0, 2));
  const isIssued = prefix <= 12 || (prefix >= 21 && prefix <= 32) || (prefix >= 61 && prefix <= 72) || prefix === 80;
  return isIssued && weightedSum(digits, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 === 0;
}

function isCpf(digits: string): boolean {
  return (
    endsInMod11(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2], '0') && endsInMod11(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2], '0')
  );
}

function isCnpj(digits: string): boolean {
  return (
    endsInMod11(digits, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], '0') &&
    endsInMod11(digits, [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], '0')
  );
}

function isRut(compact: string): boolean {
  const digits = compact.slice(0, -1).padStart(8, '0');
  return endsInMod11(digits + compact.slice(-1), [3, 2, 7, 6, 5, 4, 3, 2], 'K');
}

export const americanIdRules: readonly Rule[] = [
  nationalId({
    id: 'us-itin',
    entity: 'US_ITIN',
    country: 'US',
    pattern: /9\d{2}[- ]?(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[- ]?\d{4}/,
    isDistinct: false,
    context: ['itin', 'taxpayer', 'individual', 'tax'],
    source: 'https://www.irs.gov/individuals/individual-taxpayer-identification-number',
    positive: [{ text: 'my itin: 911701234', value: '911701234' }],
    negative: ['911-70-1234', 'itin 911-89-1234', 'itin 811-70-1234'],
  }),
  nationalId({
    id: 'us-ein',
    entity: 'US_EIN',
    country: 'US',
    pattern: /\d{2}-\d{7}/,
    isDistinct: false,
    context: ['ein', 'employer', 'fein', 'tax'],
    source: 'https://www.irs.gov/businesses/small-businesses-self-employed/employer-id-numbers',
    positive: [{ text: 'EIN 12-3456789', value: '12-3456789' }],
    negative: ['12-3456789', 'EIN 123456'],
  }),
  nationalId({
    id: 'us-npi',
    entity: 'US_NPI',
    country: 'US',
    pattern: /[12]\d{9}|[12]\d{3}[- ]\d{3}[- ]\d{3}/,
    isValid: (digits) => passesLuhn(`80840${digits}`),
    isDistinct: false,
    context: ['npi', 'provider', 'prescriber'],
    source: 'https://www.cms.gov/regulations-and-guidance/administrative-simplification/nationalprovidentstand',
    positive: [{ text: 'NPI 1234567893', value: '1234567893' }],
    negative: ['NPI 1234567890', '1234567893'],
  }),
  nationalId({
    id: 'us-mbi',
    entity: 'US_MBI',
    country: 'US',
    pattern: new RegExp(`[1-9]${mbiLetter}${mbiAny}\\d-?${mbiLetter}${mbiAny}\\d-?${mbiLetter}${mbiLetter}\\d\\d`, 'i'),
    isDistinct: true,
    context: ['medicare', 'mbi', 'beneficiary'],
    source: 'https://www.cms.gov/medicare/new-medicare-card/understanding-the-mbi-with-format.pdf',
    positive: ['1EG4-TE5-MK73', '1eg4te5mk73'],
    negative: ['1SG4-TE5-MK73', '1EG4-ZE5-MK73'],
  }),
  nationalId({
    id: 'us-dea',
    entity: 'MEDICAL_LICENSE',
    country: 'US',
    pattern: /[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}/i,
    isValid: (compact) => weightedSum(compact.slice(2), [1, 2, 1, 2, 1, 2]) % 10 === Number(compact.slice(8)),
    isDistinct: false,
    context: ['dea', 'medical', 'certificate', 'license', 'prescriber'],
    source: 'https://www.deadiversion.usdoj.gov/',
    positive: [{ text: 'DEA AB1234563', value: 'AB1234563' }],
    negative: ['DEA AB1234564', 'AB1234563'],
  }),
  nationalId({
    id: 'aba-routing-number',
    entity: 'ABA_ROUTING_NUMBER',
    country: 'US',
    pattern: /\d{9}|\d{4}-\d{4}-\d/,
    isValid: isRouting,
    isDistinct: false,
    context: ['aba', 'routing', 'abarouting', 'rtn', 'bankrouting'],
    source: 'https://www.aba.com/about-us/routing-number',
    positive: [{ text: 'routing number 021000021', value: '021000021' }],
    negative: ['routing 021000022', '021000021'],
  }),
  nationalId({
    id: 'us-bank-number',
    entity: 'US_BANK_NUMBER',
    country: 'US',
    pattern: /\d{8,17}/,
    isDistinct: false,
    context: ['bank', 'banking', 'account', 'acct', 'checking', 'savings', 'debit'],
    source: 'https://www.nacha.org/rules',
    positive: [{ text: 'my bank account number is 912803456', value: '912803456' }],
    negative: ['1234567', '912803456'],
  }),
  nationalId({
    id: 'us-passport',
    entity: 'US_PASSPORT',
    country: 'US',
    pattern: /[A-Z]?\d{8,9}/i,
    isDistinct: false,
    context: ['passport', 'travel', 'passports'],
    source: 'https://travel.state.gov/content/travel/en/passports.html',
    positive: [{ text: 'my passport number is 912803456', value: '912803456' }],
    negative: ['912803456'],
  }),
  nationalId({
    id: 'us-driver-license',
    entity: 'US_DRIVER_LICENSE',
    country: 'US',
    pattern: /[A-Z]{0,3}\d{5,14}|[A-Z]\d{3}-\d{3}-\d{2}-\d{3}-\d|[A-Z]\d{4}-\d{5}-\d{5}/i,
    isDistinct: false,
    context: ['driver', 'drivers', 'driving', 'license', 'licence', 'permit', 'dl'],
    source: 'https://www.aamva.org/',
    positive: [{ text: 'my driver license is: 1234567901234', value: '1234567901234' }],
    negative: ['1234567901234', 'AB12'],
  }),
  nationalId({
    id: 'ca-sin',
    entity: 'CA_SIN',
    country: 'CA',
    pattern: /[1-79]\d{8}|[1-79]\d{2} \d{3} \d{3}|[1-79]\d{2}-\d{3}-\d{3}/,
    isValid: passesLuhn,
    isDistinct: false,
    context: ['sin', 'social', 'insurance', 'nas', 'assurance'],
    source: 'https://www.canada.ca/en/employment-social-development/services/sin.html',
    positive: [{ text: 'SIN 130 692 544', value: '130 692 544' }],
    negative: ['SIN 130 692 545', 'SIN 046-454 286', '130692544'],
  }),
  nationalId({
    id: 'br-cpf',
    entity: 'BR_CPF',
    country: 'BR',
    pattern: /\d{11}|\d{3}\.\d{3}\.\d{3}-\d{2}/,
    isValid: isCpf,
    isDistinct: true,
    context: ['cpf', 'contribuinte'],
    source: 'https://www.gov.br/receitafederal/pt-br/assuntos/meu-cpf',
    positive: ['111.444.777-35', '52998224725'],
    negative: ['123.456.789-00', '12345678901'],
  }),
  nationalId({
    id: 'br-cnpj',
    entity: 'BR_CNPJ',
    country: 'BR',
    pattern: /\d{14}|\d{2}\.\d{3}\.\d{3}\/\d{4}-\d{2}/,
    isValid: isCnpj,
    isDistinct: true,
    context: ['cnpj'],
    source: 'https://www.gov.br/receitafederal/pt-br/assuntos/cadastros/cnpj',
    positive: ['11.222.333/0001-81'],
    negative: ['11.222.333/0001-82'],
  }),
  nationalId({
    id: 'mx-curp',
    entity: 'MX_CURP',
    country: 'MX',
    pattern: /[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d/i,
    isDistinct: true,
    context: ['curp'],
    source: 'https://www.gob.mx/curp/',
    positive: ['GOMC600321HDFMRR05'],
    negative: ['GOMC600321ADFMRR05', 'GOMC600321'],
  }),
  nationalId({
    id: 'ar-cuit',
    entity: 'AR_CUIT',
    country: 'AR',
    pattern: /(?:20|2[347]|3[034])-?\d{8}-?\d/,
    isValid: (digits) => endsInMod11(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2], '9'),
    isDistinct: false,
    context: ['cuit', 'cuil'],
    source: 'https://www.afip.gob.ar/',
    positive: [{ text: 'CUIT 20-27163363-8', value: '20-27163363-8' }],
    negative: ['CUIT 20-27163363-7', '20271633638'],
  }),
  nationalId({
    id: 'cl-rut',
    entity: 'CL_RUT',
    country: 'CL',
    pattern: /\d{1,2}\.\d{3}\.\d{3}-[0-9K]|\d{7,8}-[0-9K]/i,
    isValid: (compact) => !isUniform(compact) && isRut(compact),
    isDistinct: true,
    context: ['rut', 'run'],
    source: 'https://www.registrocivil.cl/',
    positive: ['12.345.678-5', '12345678-5'],
    negative: ['12.345.678-6'],
  }),
];
