/** Shannon entropy of a text, bits a character. */
export function entropy(text: string): number {
  // A typed array of this size costs more than all that is done with it.
  const counts = new Array<number>(0x80).fill(0);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) return entropyOfCounts([...countsOf(text).values()], text.length);
    counts[unit] = (counts[unit] ?? 0) + 1;
  }
  return entropyOfCounts(counts, text.length);
}

function countsOf(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  return counts;
}

function entropyOfCounts(counts: readonly number[], length: number): number {
  let bits = 0;
  let known = 0;
  let share = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    if (count === 0) continue;
    // Most characters of a value come as often as each other.
    if (count !== known) {
      known = count;
      share = (count / length) * Math.log2(count / length);
    }
    bits -= share;
  }
  return bits;
}
