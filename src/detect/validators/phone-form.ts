import type { Place, Verdict } from '../rule.ts';
import { signTable } from './char-kinds.ts';
import { internationalEnds, internationalNumberKind, isAssignedNational } from './phone.ts';

/**
 * What a run of digits and signs is: a telephone number by itself, one if words near it say so, or none. All of it is read from the units:
 * numbers are everywhere, and nearly all that look like one of these are none.
 */
export function checkPhone({ text, units, start, end }: Place): Verdict {
  if (isPartOfNumber(units, start)) return 'wrong';
  const { numberEnd, count, run, isOneDigit, isCount } = readNumber(units, start, end);
  const signs = end - start - count;
  if (count < 6) return 'wrong';
  if (count < 13 && mayBeDateOrAddress(signs, run) && dateOrAddress.test(text.slice(start, end))) return 'wrong';
  const isInternational = opensInternational(units, start);
  if (count > 20 && !isInternational) return run >= 15 || isOneDigit ? 'wrong' : 'doubtful';
  if (isInternational) {
    const kind = internationalNumberKind(units, start, numberEnd, count);
    if (kind === 'assigned' || (kind === 'possible' && hasPlus(units, start))) return 'plausible';
  } else if (count === 10 || count === 11) {
    // Of eleven digits the first is the calling code.
    const from = count === 11 ? start + 1 : start;
    if (northAmericanEnd(units, start, numberEnd) === numberEnd && isAssignedNational(1, units, from, numberEnd))
      return 'plausible';
    // Some country has assigned it, whatever the digits: so say the number plans of those where a zero is dialled first.
    const isTrunk = numberEnd - start === count && units[start] === zero && units[start + 1] !== zero;
    if (isTrunk && !isCount && !isIsbn10(units, start, count) && !isOtherNumber(text, units, start)) return 'plausible';
  }
  // Too common a word to be context at a distance.
  if (count <= 15 && isToldToCall(units, start)) return 'plausible';
  // Two numbers in one run are longer than E.164 allows; fifteen digits and more in one group are no number at all.
  return run >= 15 || isOneDigit || isCount ? 'wrong' : 'doubtful';
}

/**
 * How many digits what begins there must have to be a number by itself, a bit each: any where a word right before says so, or one right
 * behind may.
 */
export function phoneDigitsAlone(units: Uint16Array, start: number, last: boolean): number {
  if (isPartOfNumber(units, start)) return 0;
  const furthest = start + phoneMax + signsBeforeLabel;
  if ((units.length < furthest && !last) || isToldToCall(units, start)) return anyCount;
  const end = Math.min(units.length, furthest);
  return mayBeLabelled(units, start, end) ? anyCount : digitsOfPhone(units, start, end);
}

/** What is no digit and no sign begins a label, or an extension behind which one may come. */
function mayBeLabelled(units: Uint16Array, start: number, end: number): boolean {
  const at = plainEnd(units, start, end);
  return at < end && labels[units[at] ?? 0] === 1;
}

/** Where digits and signs end. Of numbers that overlap, what was read for the one before is not read again for the next. */
function plainEnd(units: Uint16Array, start: number, end: number): number {
  const isKnown = units === read.units && start >= read.from && start <= read.to;
  let at = isKnown ? read.to : start;
  while (at < end && plain[units[at] ?? 0] === 1) at++;
  if (!isKnown) read.from = start;
  read.units = units;
  read.to = at;
  return Math.min(at, end);
}

/**
 * Digits and signs alone stand between the two places. A running text whose units change has an array of its own each time, so the same
 * array holds the same units.
 */
const read: { units: Uint16Array; from: number; to: number } = { units: new Uint16Array(0), from: 0, to: 0 };

/** Characters of a number at most. */
export const phoneMax = 48;
/** Words that label the number before them, as in address books: `089 72 63 41 office`. */
export const phoneLabels: RegExp = /[ \t]?[([-]?(?:office|fax|mobile|cell|phone|tel|home|work|desk|direct)/i;
const signsBeforeLabel = 3;
const labels: Uint8Array = signTable('ofmcpthwdOFMCPTHWDxeXE#');
const plain: Uint8Array = signTable('0123456789 \t()[+-./');

/** How many digits a number that begins there must have, a bit each; 0 where it is none by itself. */
function digitsOfPhone(units: Uint16Array, start: number, end: number): number {
  if (opensInternational(units, start)) return internationalEnds(units, start, end, !hasPlus(units, start));
  const isNational = opensAsTrunkNumber(units, start, end) || northAmericanEnd(units, start, end) !== none;
  return isNational ? (1 << 10) | (1 << 11) : 0;
}

/**
 * How many digits a shorter match must have to be a number by itself, a bit each. (A shorter doubtful one would be a piece of something
 * else.)
 */
export function shorterPhoneDigits(units: Uint16Array, start: number, end: number): number {
  if (isToldToCall(units, start)) return looksLikePhone(units, start, end) ? anyCount : 0;
  return digitsOfPhone(units, start, end);
}

const anyCount = -1;
const none = -1;

/** A trunk zero and nine more digits. */
function opensAsTrunkNumber(units: Uint16Array, start: number, end: number): boolean {
  return units[start] === zero && areDigits(units, start + 1, 9, end);
}

/** Where `(415) 555-2671` or `415.555.2671` ends, perhaps with the calling code before it. */
function northAmericanEnd(units: Uint16Array, start: number, end: number): number {
  let at = units[start] === one && isSeparator(units[start + 1]) ? start + 2 : start;
  const isBracketed = units[at] === bracket;
  if (isBracketed) at++;
  if (!areDigits(units, at, 3, end)) return none;
  at += 3;
  if (isBracketed) {
    if (units[at] !== closing) return none;
    at++;
    if (units[at] === space) at++;
  } else {
    if (!isSeparator(units[at])) return none;
    at++;
  }
  const isWhole = areDigits(units, at, 3, end) && isSeparator(units[at + 3]) && areDigits(units, at + 4, 4, end);
  return isWhole ? at + 8 : none;
}

/** Any of those forms, signs left out of it: where a verb announces a number, the first that looks like one is meant. */
function looksLikePhone(units: Uint16Array, start: number, end: number): boolean {
  let at = units[start] === bracket ? start + 1 : start;
  if (units[at] === plus || (units[at] === zero && units[at + 1] === zero)) return true;
  if (opensAsTrunkNumber(units, at, end)) return true;
  if (units[at] === one && isSeparator(units[at + 1])) at += 2;
  if (units[at] === bracket) at++;
  if (!areDigits(units, at, 3, end)) return false;
  at += 3;
  if (units[at] === closing) at++;
  if (isSeparator(units[at])) at++;
  return areDigits(units, at, 3, end) && isSeparator(units[at + 3]) && areDigits(units, at + 4, 4, end);
}

function areDigits(units: Uint16Array, from: number, count: number, end: number): boolean {
  if (from + count > end) return false;
  for (let at = from; at < from + count; at++) if (!isDigit(units[at] ?? 0)) return false;
  return true;
}

function isSeparator(unit: number | undefined): boolean {
  return unit === hyphen || unit === dot || unit === space;
}

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
function isToldToCall(units: Uint16Array, start: number): boolean {
  let at = start - 1;
  if (units[at] === space) at--;
  if (units[at] === colon) at--;
  const last = (units[at] ?? 0) | 0x20;
  if ((last !== letterL && last !== letterG && last !== letterT) || at < 3) return false;
  return verbs.some((verb) => endsIn(verb, units, at)) && (at === 3 || !isWordUnit(units[at - 4] ?? 0));
}

const verbs: readonly (readonly number[])[] = ['call', 'dial', 'ring', 'text'].map((verb) =>
  Array.from(verb, (letter) => letter.charCodeAt(0)),
);

function endsIn(verb: readonly number[], units: Uint16Array, last: number): boolean {
  for (let i = 0; i < 4; i++) if (((units[last - 3 + i] ?? 0) | 0x20) !== verb[i]) return false;
  return true;
}

function isWordUnit(unit: number): boolean {
  return isDigit(unit) || isLetter(unit) || unit === bar;
}

function isLetter(unit: number): boolean {
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** Such a number begins with `+`, or `00`, perhaps in a bracket. */
function opensInternational(units: Uint16Array, start: number): boolean {
  const at = units[start] === bracket ? start + 1 : start;
  return units[at] === plus || (units[at] === zero && units[at + 1] === zero);
}

function hasPlus(units: Uint16Array, start: number): boolean {
  return units[start] === plus || units[start + 1] === plus;
}

function isDigit(unit: number): boolean {
  return unit >= zero && unit <= nine;
}

/** The book's check digit. */
function isIsbn10(units: Uint16Array, start: number, count: number): boolean {
  if (count !== 10) return false;
  let sum = 0;
  for (let i = 0; i < 10; i++) sum += (10 - i) * ((units[start + i] ?? 0) - zero);
  return sum % 11 === 0;
}

/** What numbers are called that are none of a telephone: between such a word and a bare number stands nothing but signs. */
const otherNumber =
  /(?:order|invoice|receipt|parcel|shipment|tracking|serial|article|item|part|model|batch|lot|case|ticket|member|customer|policy|ref|reference|isbn|issn|ean|upc|gtin|sku|abn|acn|tfn|po|size|id|bestellung|bestellnr|bestellnummer|rechnung|auftrag|kundennummer|commande|facture|pedido|factura|ordine|fattura)(?:[ _-]?(?:no|nr|num|number|id))?[.#:=]?[ \t"']*$/i;
/** Characters of it that are looked at. */
const otherNumberMax = 32;

function isOtherNumber(text: string, units: Uint16Array, start: number): boolean {
  const from = Math.max(0, start - otherNumberMax);
  let at = start - 1;
  while (at >= from && blanksAndQuotes[units[at] ?? 0] === 1) at--;
  if (endsOfNames[units[at] ?? 0] === 1) at--;
  return at >= from && isLetter(units[at] ?? 0) && otherNumber.test(text.slice(from, start));
}

const blanksAndQuotes: Uint8Array = signTable(' \t"\'');
const endsOfNames: Uint8Array = signTable('.#:=');

/** Two or three signs, and no more than a year's digits together. */
function mayBeDateOrAddress(signs: number, run: number): boolean {
  return (signs === 2 || signs === 3) && run <= 4;
}

const dateOrAddress =
  /^\d{1,3}(?:\.\d{1,3}){3}$|^\d{4}([-./])\d{1,2}\1\d{1,2}(?: \d{2})?$|^\d{1,2}([-./])\d{1,2}\2\d{2,4}(?: \d{2})?$/;

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

const numberJoints: Uint8Array = signTable('-.,/:');

const space = 0x20;
const hash = 0x23;
const dollar = 0x24;
const bracket = 0x28;
const closing = 0x29;
const plus = 0x2b;
const hyphen = 0x2d;
const dot = 0x2e;
const zero = 0x30;
const one = 0x31;
const nine = 0x39;
const colon = 0x3a;
const bar = 0x5f;
const letterE = 0x65;
const letterG = 0x67;
const letterL = 0x6c;
const letterT = 0x74;
const letterX = 0x78;
const pound = 0xa3;
const euro = 0x20ac;
