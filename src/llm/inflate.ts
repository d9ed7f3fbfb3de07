/**
 * DEFLATE (RFC 1951), incremental and synchronous. node:zlib decodes whole bodies, and faster, but has no synchronous way to decode
 * a stream piece by piece; a streamed answer is masked piece by piece, in order, as it arrives.
 */
export interface Inflater {
  /** Decodes as far as the bytes go. After `invalid` or `too_large` it MUST NOT be used again. */
  push(piece: Uint8Array): Inflated;
}

export type Inflated =
  /** All input is taken; its last bits may still wait for the next piece. */
  | { readonly kind: 'more'; readonly output: Buffer }
  /** The DEFLATE data is complete; `rest` is the input behind it, from the next byte boundary on. */
  | { readonly kind: 'done'; readonly output: Buffer; readonly rest: Uint8Array }
  | { readonly kind: 'invalid' }
  /** The output of all pushes together would pass the bound; nothing of this piece is returned. */
  | { readonly kind: 'too_large' };

export function createInflater(outputBytesMax: number): Inflater {
  const bits: Bits = { bytes: new Uint8Array(0), at: 0, hold: 0, count: 0 };
  const output = createOutput(outputBytesMax);
  let block: Block = { kind: 'header' };

  return {
    push: (piece) => {
      bits.bytes = bits.at === bits.bytes.length ? piece : Buffer.concat([bits.bytes.subarray(bits.at), piece]);
      bits.at = 0;
      for (;;) {
        const { at, hold, count } = bits;
        const next = step(block, bits, output);
        if (next === 'starved') {
          // A step is all or nothing: it is tried again, from its first bit, when there is more.
          bits.at = at;
          bits.hold = hold;
          bits.count = count;
          return { kind: 'more', output: output.take() };
        }
        if (next === 'invalid' || next === 'too_large') return { kind: next };
        if (next === 'done') {
          return { kind: 'done', output: output.take(), rest: bits.bytes.subarray(bits.at) };
        }
        block = next;
      }
    },
  };
}

type Block =
  | { readonly kind: 'header' }
  | { readonly kind: 'stored'; readonly isLast: boolean; readonly left: number }
  | { readonly kind: 'coded'; readonly isLast: boolean; readonly lengths: Huffman; readonly distances: Huffman };

type Step = Block | 'done' | 'starved' | 'invalid' | 'too_large';

/** One step: a block's header with its tables, a run of stored bytes, or one symbol with all that belongs to it. */
function step(block: Block, bits: Bits, output: Output): Step {
  switch (block.kind) {
    case 'header':
      return readHeader(bits);
    case 'stored':
      return copyStored(block, bits, output);
    default:
      return decodeSymbol(block, bits, output);
  }
}

function readHeader(bits: Bits): Step {
  const header = take(bits, 3);
  if (header < 0) return 'starved';
  const isLast = (header & 1) === 1;
  switch (header >> 1) {
    case 0: {
      // Stored: to the byte boundary, then LEN and its complement.
      take(bits, bits.count & 7);
      const length = take(bits, 16);
      const complement = take(bits, 16);
      if (length < 0 || complement < 0) return 'starved';
      if (length !== (~complement & 0xffff)) return 'invalid';
      return { kind: 'stored', isLast, left: length };
    }
    case 1:
      return { kind: 'coded', isLast, ...fixedTables() };
    case 2:
      return readTables(bits, isLast);
    default:
      return 'invalid';
  }
}

function copyStored(block: Block & { readonly kind: 'stored' }, bits: Bits, output: Output): Step {
  if (block.left === 0) return block.isLast ? 'done' : { kind: 'header' };
  // The header left off at a byte boundary.
  const run = bits.bytes.subarray(bits.at, bits.at + block.left);
  if (run.length === 0) return 'starved';
  bits.at += run.length;
  return output.append(run) ? { ...block, left: block.left - run.length } : 'too_large';
}

function decodeSymbol(block: Block & { readonly kind: 'coded' }, bits: Bits, output: Output): Step {
  const symbol = decode(bits, block.lengths);
  if (symbol < 0) return symbol === starved ? 'starved' : 'invalid';
  if (symbol < 256) return output.put(symbol) ? block : 'too_large';
  if (symbol === 256) return block.isLast ? 'done' : { kind: 'header' };
  const lengthBase = lengthBases[symbol - 257];
  const lengthExtra = take(bits, lengthExtras[symbol - 257] ?? 0);
  if (lengthBase === undefined) return 'invalid';
  if (lengthExtra < 0) return 'starved';
  const code = decode(bits, block.distances);
  if (code < 0) return code === starved ? 'starved' : 'invalid';
  const distanceBase = distanceBases[code];
  const distanceExtra = take(bits, distanceExtras[code] ?? 0);
  if (distanceBase === undefined) return 'invalid';
  if (distanceExtra < 0) return 'starved';
  const distance = distanceBase + distanceExtra;
  if (distance > output.reach()) return 'invalid';
  return output.repeat(distance, lengthBase + lengthExtra) ? block : 'too_large';
}

/** Code lengths of a dynamic block: how many codes, then their lengths, run-length coded (section 3.2.7). */
function readTables(bits: Bits, isLast: boolean): Step {
  const lengthCodes = take(bits, 5) + 257;
  const distanceCodes = take(bits, 5) + 1;
  const codeCodes = take(bits, 4) + 4;
  if (lengthCodes < 257 || distanceCodes < 1 || codeCodes < 4) return 'starved';
  const codeLengths = new Uint8Array(19);
  for (const place of codeLengthOrder.slice(0, codeCodes)) {
    const length = take(bits, 3);
    if (length < 0) return 'starved';
    codeLengths[place] = length;
  }
  const codes = createHuffman(codeLengths);
  if (codes === null) return 'invalid';
  const all = new Uint8Array(lengthCodes + distanceCodes);
  let filled = 0;
  while (filled < all.length) {
    const symbol = decode(bits, codes);
    if (symbol < 0) return symbol === starved ? 'starved' : 'invalid';
    if (symbol < 16) {
      all[filled++] = symbol;
      continue;
    }
    const [extra, base] = symbol === 16 ? [2, 3] : symbol === 17 ? [3, 3] : [7, 11];
    const more = take(bits, extra);
    if (more < 0) return 'starved';
    const end = filled + base + more;
    if (end > all.length || (symbol === 16 && filled === 0)) return 'invalid';
    all.fill(symbol === 16 ? (all[filled - 1] ?? 0) : 0, filled, end);
    filled = end;
  }
  const lengths = createHuffman(all.subarray(0, lengthCodes));
  const distances = createHuffman(all.subarray(lengthCodes));
  return lengths === null || distances === null ? 'invalid' : { kind: 'coded', isLast, lengths, distances };
}

function fixedTables(): { readonly lengths: Huffman; readonly distances: Huffman } {
  const lengths = new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280);
  return { lengths: huffmanOf(lengths), distances: huffmanOf(new Uint8Array(30).fill(5)) };
}

/** A canonical code (section 3.2.2): how many codes each length has, and the symbols in the order of their codes. */
interface Huffman {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

/** Null when there are more codes than fit. A code that is never used may be missing: it fails where it is met. */
function createHuffman(lengths: Uint8Array): Huffman | null {
  const huffman = huffmanOf(lengths);
  let free = 1;
  for (const count of huffman.counts.subarray(1)) {
    free = free * 2 - count;
    if (free < 0) return null;
  }
  return huffman;
}

function huffmanOf(lengths: Uint8Array): Huffman {
  const counts = new Uint16Array(codeBitsMax + 1);
  for (const length of lengths) if (length > 0) counts[length] = (counts[length] ?? 0) + 1;
  const symbols = [...lengths.keys()].filter((symbol) => lengths[symbol] !== 0);
  symbols.sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  return { counts, symbols: Uint16Array.from(symbols) };
}

/** The next symbol; `starved` or `undefinedCode`. Walks the code bit by bit, as zlib's puff does. */
function decode(bits: Bits, { counts, symbols }: Huffman): number {
  let code = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length <= codeBitsMax; length++) {
    const bit = take(bits, 1);
    if (bit < 0) return starved;
    code |= bit;
    const count = counts[length] ?? 0;
    if (code - first < count) return symbols[index + code - first] ?? undefinedCode;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return undefinedCode;
}

interface Bits {
  bytes: Uint8Array;
  at: number;
  /** Bits taken from `bytes` and not used yet, the next one lowest; fewer than 8 between steps. */
  hold: number;
  count: number;
}

/** The next `n` bits (at most 16) as a number; `starved` when there are fewer. */
function take(bits: Bits, n: number): number {
  while (bits.count < n) {
    const byte = bits.bytes[bits.at];
    if (byte === undefined) return starved;
    bits.at++;
    bits.hold |= byte << bits.count;
    bits.count += 8;
  }
  const value = bits.hold & ((1 << n) - 1);
  bits.hold >>>= n;
  bits.count -= n;
  return value;
}

/** What was decoded: the part not handed out yet, behind up to 32 KiB of what was, which later data refers to. */
interface Output {
  put(byte: number): boolean;
  append(run: Uint8Array): boolean;
  /** Appends `length` bytes from `distance` back; they may overlap what is being written. */
  repeat(distance: number, length: number): boolean;
  /** How far back there is anything. */
  reach(): number;
  take(): Buffer;
}

function createOutput(bytesMax: number): Output {
  let buffer: Buffer = Buffer.allocUnsafe(2 * windowBytes);
  let length = 0;
  let taken = 0;
  let total = 0;

  function reserve(more: number): boolean {
    total += more;
    if (total > bytesMax) return false;
    if (length + more > buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + more));
      buffer.copy(grown, 0, 0, length);
      buffer = grown;
    }
    return true;
  }

  return {
    put: (byte) => {
      if (!reserve(1)) return false;
      buffer[length++] = byte;
      return true;
    },
    append: (run) => {
      if (!reserve(run.length)) return false;
      buffer.set(run, length);
      length += run.length;
      return true;
    },
    repeat: (distance, count) => {
      if (!reserve(count)) return false;
      for (let i = 0; i < count; i++) buffer[length + i] = buffer[length + i - distance] ?? 0;
      length += count;
      return true;
    },
    reach: () => Math.min(length, windowBytes),
    take: () => {
      const output = Buffer.from(buffer.subarray(taken, length));
      if (length > windowBytes) {
        buffer = Buffer.concat([buffer.subarray(length - windowBytes, length)], 2 * windowBytes);
        length = windowBytes;
      }
      taken = length;
      return output;
    },
  };
}

const windowBytes = 32 * 1024;
const codeBitsMax = 15;
const starved = -1;
const undefinedCode = -2;
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const lengthBases = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const lengthExtras = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBases = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const distanceExtras = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
