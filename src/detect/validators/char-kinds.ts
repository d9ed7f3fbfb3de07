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

/** The letters that get a bit of their own, whatever their case, on top of `lower` or `upper`: one look at a value tells which words it may hold. */
const letters = 'acdeghlmnoprtuy';
const firstLetterBit = 13;

/** The bits that a value has if it holds a word of those letters and digits. */
export function lettersOf(word: string): number {
  return [...word].reduce((bits, char) => bits | letterBit(char) | (kindOfAscii(char) & charKinds.digit), 0);
}

function letterBit(letter: string): number {
  const index = letters.indexOf(letter.toLowerCase());
  return index < 0 ? 0 : 1 << (firstLetterBit + index);
}

/** Whether what has those kinds may hold one of some words, each given by `lettersOf`: it may not where it lacks a letter of each. */
export function mayHoldWord(words: readonly number[], kinds: number): boolean {
  for (let i = 0; i < words.length; i++) {
    const wanted = words[i] ?? 0;
    if ((kinds & wanted) === wanted) return true;
  }
  return false;
}

export function charKindsOf(units: Uint16Array, from: number, to: number): number {
  let kinds = 0;
  for (let at = from; at < to; at++) kinds |= kindOfUnit[units[at] ?? 0] ?? 0;
  return kinds;
}

/** Of each unit. */
export const kindOfUnit: Uint32Array = Uint32Array.from({ length: 0x10000 }, (_, unit) => {
  if (unit >= 0x80) return charKinds.wide;
  const char = String.fromCharCode(unit);
  return kindOfAscii(char) | letterBit(char);
});

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
