/** Makes the values of rule examples at run time, so that no source file holds anything that looks like a live credential. */
export const alphabets = {
  digits: '0123456789',
  hex: '0123456789abcdef',
  upperHex: '0123456789ABCDEF',
  lower: 'abcdefghijklmnopqrstuvwxyz0123456789',
  base32: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
  base62: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
  base64url: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
  base64: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
} as const;

export type Alphabet = keyof typeof alphabets;

/** Joins parts: a string stands for itself, a pair for that many characters of an alphabet, always the same ones. */
export function sample(...parts: readonly (string | readonly [Alphabet, number])[]): string {
  return parts.map((part) => (typeof part === 'string' ? part : characters(alphabets[part[0]], part[1]))).join('');
}

function characters(alphabet: string, count: number): string {
  let seed = count * 7919 + alphabet.length;
  let out = '';
  // The last character comes from the alphabet's alphanumeric part: many rules end at a word boundary.
  const solid = alphabet.replace(/[^A-Za-z0-9]/g, '');
  while (out.length < count) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    const from = out.length === 0 || out.length === count - 1 ? solid : alphabet;
    out += from[(seed >> 8) % from.length];
  }
  return out;
}
