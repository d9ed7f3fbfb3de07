/** Which kinds of character a value holds, a bit each: most expressions need one of a kind that most values have none of. */
export const charKinds = {
  lower: 1,
  upper: 2,
  digit: 4,
  wide: 8,
  dot: 16,
  slash: 32,
  colon: 64,
  at: 128,
  bracket: 256,
  more: 512,
  bar: 1_024,
  /** White space and control characters. */
  blank: 2_048,
  other: 4_096,
} as const;

export function charKindsOf(units: Uint16Array, from: number, to: number): number {
  let kinds = 0;
  for (let at = from; at < to; at++) {
    const unit = units[at] ?? 0;
    kinds |= unit < 0x80 ? (kindOfUnit[unit] ?? 0) : charKinds.wide;
  }
  return kinds;
}

const kindOfUnit: Uint16Array = Uint16Array.from({ length: 0x80 }, (_, unit) => kindOfAscii(String.fromCharCode(unit)));

function kindOfAscii(char: string): number {
  if (/[a-z]/.test(char)) return charKinds.lower;
  if (/[A-Z]/.test(char)) return charKinds.upper;
  if (/[0-9]/.test(char)) return charKinds.digit;
  if (char <= ' ') return charKinds.blank;
  const named: Readonly<Record<string, number>> = {
    '.': charKinds.dot,
    '/': charKinds.slash,
    ':': charKinds.colon,
    '@': charKinds.at,
    '(': charKinds.bracket,
    ')': charKinds.bracket,
    '[': charKinds.bracket,
    '>': charKinds.more,
    _: charKinds.bar,
    '-': charKinds.bar,
  };
  return named[char] ?? charKinds.other;
}

/** 1 at each of some ASCII signs, to be asked for a code unit. */
export function signTable(signs: string): Uint8Array {
  const table = new Uint8Array(0x80);
  for (const sign of signs) table[sign.charCodeAt(0)] = 1;
  return table;
}
