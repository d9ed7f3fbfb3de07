/** Check digit schemes that identifiers of many countries share. All take digits only, unless they say otherwise. */

/** Sum of the digits times their weights. */
export function weightedSum(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, i) => sum + weight * (digits.charCodeAt(i) - 0x30), 0);
}

/** The last digit is 11 minus the weighted sum of the others modulo 11; what would be 11 is 0, what would be 10 is `ten`. */
export function endsInMod11(digits: string, weights: readonly number[], ten: string): boolean {
  const rest = 11 - (weightedSum(digits, weights) % 11);
  const want = rest === 11 ? '0' : rest === 10 ? ten : String(rest);
  return digits.slice(weights.length, weights.length + 1).toUpperCase() === want;
}

/** ISO 7064 MOD 11,10, as on German tax numbers. */
export function passesMod1110(digits: string): boolean {
  let product = 10;
  for (let i = 0; i < digits.length - 1; i++) {
    const sum = (digits.charCodeAt(i) - 0x30 + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === digits.charCodeAt(digits.length - 1) - 0x30;
}

const dihedral = [
  '0123456789',
  '1234067895',
  '2340178956',
  '3401289567',
  '4012395678',
  '5987604321',
  '6598710432',
  '7659821043',
  '8765932104',
  '9876543210',
];
const permutations = [
  '0123456789',
  '1576283094',
  '5803796142',
  '8916043527',
  '9453126870',
  '4286573901',
  '2793806415',
  '7046913258',
];

/** Verhoeff's scheme, as on Aadhaar. */
export function passesVerhoeff(digits: string): boolean {
  let check = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits.charAt(digits.length - 1 - i));
    check = Number(dihedral[check]?.charAt(Number(permutations[i % 8]?.charAt(digit))));
  }
  return check === 0;
}

/** Whether `yyMMdd` or `ddMMyy` digits can be a day of some year. */
export function isDay(day: string, month: string): boolean {
  const [d, m] = [Number(day), Number(month)];
  return d >= 1 && d <= 31 && m >= 1 && m <= 12 && !(m === 2 && d > 29) && !([4, 6, 9, 11].includes(m) && d > 30);
}

/** The same character all through: `000000000`. */
export function isUniform(text: string): boolean {
  return /^(.)\1*$/.test(text);
}
