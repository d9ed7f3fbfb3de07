import { permute } from './keccak-permutation.ts';

/** Bytes of a block; a text with its padding is one. */
const rate = 136;
const lanes = 25;

/**
 * Keccak-256 with the original padding, as Ethereum uses it (not SHA3-256), of an ASCII text of at most 134 characters. `into` gets the first
 * bytes of the digest: four in each number, the first in the lowest bits.
 */
export function keccak256(text: string, into: Int32Array): void {
  low.fill(0);
  high.fill(0);
  for (let at = 0; at < text.length; at++) put(at, text.charCodeAt(at));
  put(text.length, 0x01);
  put(rate - 1, 0x80);
  permute(low, high);
  for (let word = 0; word < into.length; word++) into[word] = ((word & 1) === 0 ? low : high)[word >> 1] ?? 0;
}

/** The two halves of each lane of 64 bits: no engine is quick with larger integers. Of use during one call only. */
const low = new Int32Array(lanes);
const high = new Int32Array(lanes);

function put(at: number, byte: number): void {
  const half = (at & 4) === 0 ? low : high;
  half[at >> 3] = (half[at >> 3] ?? 0) ^ (byte << (8 * (at & 3)));
}
