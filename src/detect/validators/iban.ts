/** Total length per country: SWIFT IBAN Registry (release 99) and the national schemes that follow it. */
export const ibanLengths: Readonly<Record<string, number>> = {
  AD: 24,
  AE: 23,
  AL: 28,
  AO: 25,
  AT: 20,
  AZ: 28,
  BA: 20,
  BE: 16,
  BF: 28,
  BG: 22,
  BH: 22,
  BI: 27,
  BJ: 28,
  BR: 29,
  BY: 28,
  CF: 27,
  CG: 27,
  CH: 21,
  CI: 28,
  CM: 27,
  CR: 22,
  CV: 25,
  CY: 28,
  CZ: 24,
  DE: 22,
  DJ: 27,
  DK: 18,
  DO: 28,
  DZ: 26,
  EE: 20,
  EG: 29,
  ES: 24,
  FI: 18,
  FK: 18,
  FO: 18,
  FR: 27,
  GA: 27,
  GB: 22,
  GE: 22,
  GI: 23,
  GL: 18,
  GQ: 27,
  GR: 27,
  GT: 28,
  GW: 25,
  HN: 28,
  HR: 21,
  HU: 28,
  IE: 22,
  IL: 23,
  IQ: 23,
  IR: 26,
  IS: 26,
  IT: 27,
  JO: 30,
  KM: 27,
  KW: 30,
  KZ: 20,
  LB: 28,
  LC: 32,
  LI: 21,
  LT: 20,
  LU: 20,
  LV: 21,
  LY: 25,
  MA: 28,
  MC: 27,
  MD: 24,
  ME: 22,
  MG: 27,
  MK: 19,
  ML: 28,
  MN: 20,
  MR: 27,
  MT: 31,
  MU: 30,
  MZ: 25,
  NE: 28,
  NI: 28,
  NL: 18,
  NO: 15,
  OM: 23,
  PK: 24,
  PL: 28,
  PS: 29,
  PT: 25,
  QA: 29,
  RO: 24,
  RS: 22,
  RU: 33,
  SA: 24,
  SC: 31,
  SD: 18,
  SE: 24,
  SI: 19,
  SK: 24,
  SM: 27,
  SN: 28,
  SO: 23,
  ST: 25,
  SV: 28,
  TD: 27,
  TG: 28,
  TL: 23,
  TN: 24,
  TR: 26,
  UA: 29,
  VA: 22,
  VG: 24,
  XK: 20,
  YE: 30,
};

/** ISO 13616: the country's length and the check digits (ISO 7064 MOD 97-10). Blanks and hyphens are skipped. */
export function isIban(text: string): boolean {
  return isIbanAt(
    Uint16Array.from(text, (char) => char.charCodeAt(0)),
    0,
    text.length,
  );
}

/** The same of a part of a text. */
export function isIbanAt(units: Uint16Array, start: number, end: number): boolean {
  // Nearly everything that looks like one has another length.
  let length = end - start;
  for (let at = start; at < end; at++) if (isSeparator(units[at] ?? 0)) length--;
  if (lengthsByCountry[countryOf(units[start] ?? 0, units[start + 1] ?? 0)] !== length) return false;
  // The country and the check digits count as if they stood at the end.
  const remainder = remainderOf(units, start + 4, end, 0);
  return remainderOf(units, start, start + 4, remainder) === 1;
}

/** Place of two letters in a table, whatever their case. */
function countryOf(first: number, second: number): number {
  return ((first & 0x1f) << 5) | (second & 0x1f);
}

const lengthsByCountry = new Uint8Array(1 << 10);
for (const [country, length] of Object.entries(ibanLengths)) {
  lengthsByCountry[countryOf(country.charCodeAt(0), country.charCodeAt(1))] = length;
}

function isSeparator(unit: number): boolean {
  return unit === 0x20 || unit === 0x2d;
}

/** Remainder of an alphanumeric text read as a number, letters counting as 10 to 35. */
export function mod97(text: string): number {
  return remainderOf(
    Uint16Array.from(text, (char) => char.charCodeAt(0)),
    0,
    text.length,
    0,
  );
}

/** The same of units that stand behind what left `before`. Blanks and hyphens are skipped, letters of both cases are the same. */
function remainderOf(units: Uint16Array, from: number, to: number, before: number): number {
  let remainder = before;
  for (let at = from; at < to; at++) {
    const unit = units[at] ?? 0;
    if (isSeparator(unit)) continue;
    remainder = unit < 0x41 ? remainder * 10 + unit - 0x30 : remainder * 100 + (unit & 0x5f) - 0x37;
    // As seldom as the numbers stay small integers.
    if (remainder > 10_000_000) remainder %= 97;
  }
  return remainder % 97;
}
