import { isIPv4, isIPv6 } from 'node:net';
import { ibanLengths, isIban, mod97 } from '../detect/validators/iban.ts';
import { passesLuhn } from '../detect/validators/luhn.ts';

/** 32 bytes that are equal for equal values within a scope, and else as good as random. */
export type Draw = Uint8Array;

/**
 * A made-up value in the shape of a real one, from a range that is reserved for documentation or never issued, so that a model, or a
 * tool that checks formats, goes on working and nobody is meant:
 * - e-mail: `u-7qk3m9xw2a@example.com` (RFC 2606)
 * - phone: 555-0100 to 555-0199 of a North American area code; for +44, +33 and +61 the regulator's numbers for drama
 * - card: issuer number 9999…, the length as it was, check digit right (ISO/IEC 7812: 9 and a country code; 999 is no country's)
 * - US_SSN: area 000, which is never issued
 * - IBAN: country and length as they were, bank code of zeros (in Belgium of nines; letters become X), check digits right
 * - IP address: 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737), 2001:db8::/32 (RFC 3849); a prefix length stays
 * - MAC address: 00-00-5E-00-53-xx (RFC 9542)
 * - a UUID of any entity: version 8 with a fixed beginning (RFC 9562)
 * - credentials with a vendor's prefix: the prefix, `EXAMPLE`, and as many characters as there were
 *
 * Separators stay as they were where the length does. Null: there is none for this value.
 */
export function surrogateOf(entity: string, value: string, draw: Draw): string | null {
  if (entity.startsWith('SECRET_')) return credential(value, draw);
  switch (entity) {
    case 'EMAIL_ADDRESS':
      return `u-${letters(draw, emailIdChars)}@example.com`;
    case 'PHONE_NUMBER':
      return phone(value, draw);
    case 'CREDIT_CARD':
      return card(value, draw);
    case 'US_SSN':
      return socialSecurityNumber(value, draw);
    case 'IBAN_CODE':
      return iban(value, draw);
    case 'IP_ADDRESS':
      return ipAddress(value, draw);
    case 'MAC_ADDRESS':
      return macAddress(value, draw);
    default:
      return uuid.test(value) ? `00000000-0000-8000-8000-${hex(draw, 12)}` : null;
  }
}

/**
 * Whether a value is one that `surrogateOf` may have made, under whatever key. Nobody's real value is, so to leave it as it stands
 * gives nothing away, and masking a masked text changes nothing.
 */
export function isSurrogate(value: string): boolean {
  if (/^u-[0-9a-hjkmnp-tv-z]{10}@example\.com$/.test(value)) return true;
  if (/^00000000-0000-8000-8000-[0-9a-f]{12}$/i.test(value)) return true;
  if (prefixed.test(value)) return /^EXAMPLE[0-9A-HJKMNP-TV-Z]{8,}$/.test(value.replace(prefixed, ''));
  if (documentationAddress.test(value)) return isIPv4(value.replace(/\/.*$/, '')) || isIPv6(value.replace(/\/.*$/, ''));
  if (/^00(?:[:.-]?)00(?:[:.-]?)5e(?:[:.-]?)00(?:[:.-]?)53(?:[:.-]?)[0-9a-f]{2}$/i.test(value)) return true;
  if (/^[A-Z]{2}\d{2}/i.test(value)) return isReservedIban(value.replace(/[^0-9A-Za-z]/g, '').toUpperCase());
  if (!/^[+(\d][\d ().\-/]*$/.test(value)) return false;
  const digits = value.replace(/\D/g, '');
  if (/^9999\d{8,15}$/.test(digits) && passesLuhn(digits)) return true;
  if (/^000\d{6}$/.test(digits)) return /^(?:\d{9}|\d{3}([-. ])\d{2}\1\d{4})$/.test(value);
  return dramaNumber.test(digits);
}

const emailIdChars = 10;
const crockford = '0123456789abcdefghjkmnpqrstvwxyz';

function letters(draw: Draw, count: number): string {
  let text = '';
  for (let i = 0; i < count; i++) text += crockford.charAt((draw[i % draw.length] ?? 0) & 31);
  return text;
}

function hex(draw: Draw, count: number): string {
  return Buffer.from(draw).toString('hex').slice(0, count);
}

/** Decimal digits; the bias of a byte modulo ten does no harm here. */
function digitsOf(draw: Draw, count: number): string {
  let text = '';
  for (let i = 0; i < count; i++) text += String((draw[i % draw.length] ?? 0) % 10);
  return text;
}

/** A number from 0 to below `bound`, which is far below 2^32. */
function below(draw: Draw, bound: number): number {
  return Buffer.from(draw).readUInt32BE(8) % bound;
}

/** Area codes of large cities; 555-0100 to 555-0199 are for fiction in each of them. */
const areaCodes = (
  '201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252 253 254 256 260 ' +
  '262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 323 325 330 334 336 337 339 ' +
  '347 351 352 360 361 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417 419 423 425 432 434 435 440 443 469 470 478 479 ' +
  '480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 530 540 541 551 559 561 562 563 567 570 571 573 574 580'
).split(' ');

const dramaNumber = /^(?:1?[2-9]\d\d55501\d\d|(?:44)?0?2079460\d{3}|(?:33)?0?19900\d{4}|(?:61)?0?25550\d{4})$/;

function phone(value: string, draw: Draw): string {
  const digits = value.replace(/\D/g, '').replace(/^00/, '');
  const isInternational = /^\(?(?:\+|00)/.test(value);
  if (isInternational && digits.startsWith('44')) return `+44 20 7946 0${digitsOf(draw, 3)}`;
  if (isInternational && digits.startsWith('33'))
    return `+33 1 99 00 ${digitsOf(draw, 2)} ${digitsOf(draw.subarray(2), 2)}`;
  if (isInternational && digits.startsWith('61')) return `+61 2 5550 ${digitsOf(draw, 4)}`;
  const area = areaCodes[below(draw, areaCodes.length)] ?? '202';
  const national = `${area}55501${digitsOf(draw, 2)}`;
  if (/^\+?[\d ().-]+$/.test(value)) {
    if (!isInternational && digits.length === 10) return withDigits(value, national);
    if (digits.length === 11 && digits.startsWith('1')) return withDigits(value, `1${national}`);
  }
  return `+1 ${area}-555-01${national.slice(-2)}`;
}

/** No card's number begins with one of these, so none is seen where the end of one surrogate meets the beginning of another. */
const beginsNoCard = '01789';

function card(value: string, draw: Draw): string | null {
  const length = countDigits(value);
  if (length < 12 || length > 19) return null;
  let body = '9999';
  for (let at = 0; body.length < length - 1; at++) body += beginsNoCard.charAt((draw[at % draw.length] ?? 0) % 5);
  for (let check = 0; check < 10; check++) {
    if (passesLuhn(`${body}${check}`)) return withDigits(value, `${body}${check}`);
  }
  return null;
}

function socialSecurityNumber(value: string, draw: Draw): string | null {
  if (countDigits(value) !== 9) return null;
  const group = String(1 + below(draw, 99)).padStart(2, '0');
  const serial = `${beginsNoCard.charAt((draw[4] ?? 0) % 5)}${String(1 + below(draw.subarray(4), 999)).padStart(3, '0')}`;
  return withDigits(value, `000${group}${serial}`);
}

/** Characters of the account part that say which bank it is, at most; at least seven are left to tell accounts apart. */
function bankChars(length: number): number {
  return Math.max(3, Math.min(8, length - 4 - 7));
}

function iban(value: string, draw: Draw): string | null {
  const compact = value.replace(/[^0-9A-Za-z]/g, '').toUpperCase();
  const country = compact.slice(0, 2);
  if (ibanLengths[country] !== compact.length) return null;
  const drawn = digitsOf(draw, compact.length);
  const account = [...compact.slice(4)]
    .map((char, index) => {
      const isDigit = char >= '0' && char <= '9';
      if (index < bankChars(compact.length)) return isDigit ? bankDigit(country) : 'X';
      return isDigit ? drawn.charAt(index) : 'X';
    })
    .join('');
  const check = String(98 - mod97(`${account}${country}00`)).padStart(2, '0');
  const made = `${country}${check}${account}`;
  let at = 0;
  return value.replace(/[0-9A-Za-z]/g, () => made.charAt(at++));
}

/** The bank code 000 is taken in Belgium. */
function bankDigit(country: string): '0' | '9' {
  return country === 'BE' ? '9' : '0';
}

function isReservedIban(compact: string): boolean {
  if (!isIban(compact)) return false;
  const bank = compact.slice(4, 4 + bankChars(compact.length));
  return new RegExp(`^[${bankDigit(compact.slice(0, 2))}X]+$`).test(bank);
}

const documentationNetworks = ['192.0.2', '198.51.100', '203.0.113'];
const documentationAddress = /^(?:192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:0?db8:)[0-9a-f.:]*(?:\/\d{1,3})?$/i;

function ipAddress(value: string, draw: Draw): string | null {
  const [address = '', prefix] = value.split('/');
  const suffix = prefix === undefined ? '' : `/${prefix}`;
  if (isIPv4(address)) return `${documentationNetworks[(draw[0] ?? 0) % 3]}.${1 + ((draw[1] ?? 0) % 254)}${suffix}`;
  if (!isIPv6(address.replace(/%.*$/, ''))) return null;
  const groups = hex(draw, 16).match(/.{4}/g) ?? [];
  return `2001:db8:${groups.slice(0, 2).join(':')}::${groups.slice(2).join(':')}${suffix}`;
}

function macAddress(value: string, draw: Draw): string | null {
  const digits = value.replace(/[^0-9A-Fa-f]/g, '');
  if (digits.length !== 12) return null;
  const made = `00005e0053${hex(draw, 2)}`;
  const cased = value === value.toUpperCase() ? made.toUpperCase() : made;
  let at = 0;
  return value.replace(/[0-9A-Fa-f]/g, () => cased.charAt(at++));
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What vendors publish as the beginning of every credential of a kind, so that it says nothing of this one. */
const prefixed =
  /^(?:(?:AKIA|ASIA|ABIA|ACCA)|gh[pousr]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent)-|sk-ant-(?:api03|admin01)-|sk-(?:proj|svcacct|admin)-|sk-or-v1-|sk-|xox[abeoprs]-|xapp-|[sr]k_(?:live|test)_|whsec_|AIza|hf_|gsk_|xai-|r8_|pplx-|npm_|pypi-|dckr_pat_|SG\.|GOCSPX-|lsv2_(?:pt|sk)_|shp(?:at|ca|pa|ss)_|dop_v1_|nvapi-|tvly-|lin_api_|secret_|ntn_|rubygems_|sbp_|vercel_|hvs\.)/;
const marker = 'EXAMPLE';
/** So many keyed characters at least; shorter credentials get none. */
const credentialIdChars = 8;
/** Longer ones are cut: they carry no more than these. */
const credentialBodyCharsMax = 96;

function credential(value: string, draw: Draw): string | null {
  const prefix = prefixed.exec(value)?.[0];
  if (prefix === undefined) return null;
  const body = Math.min(value.length - prefix.length, credentialBodyCharsMax);
  if (body < marker.length + credentialIdChars) return null;
  return `${prefix}${marker}${letters(draw, body - marker.length).toUpperCase()}`;
}

/** The digits of a value, in whatever script, replaced one by one; all else stays. */
function withDigits(value: string, digits: string): string {
  let at = 0;
  return value.replace(/\p{Nd}/gu, () => digits.charAt(at++));
}

function countDigits(value: string): number {
  return value.match(/\p{Nd}/gu)?.length ?? 0;
}
