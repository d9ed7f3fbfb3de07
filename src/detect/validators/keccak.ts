const rounds = 24;
const rate = 136;
const lanes = 25;

/** Keccak-256 with the original padding, as Ethereum uses it (not SHA3-256). Hexadecimal, for short ASCII texts. */
export function keccak256Hex(text: string): string {
  const block = Buffer.alloc(Math.ceil((text.length + 1) / rate) * rate);
  block.write(text, 'latin1');
  block[text.length] = 0x01;
  block[block.length - 1] = (block[block.length - 1] ?? 0) | 0x80;
  // Each lane of 64 bits in two halves: no engine is quick with larger integers.
  const low = new Int32Array(lanes);
  const high = new Int32Array(lanes);
  for (let offset = 0; offset < block.length; offset += rate) {
    for (let i = 0; i < rate / 8; i++) {
      low[i] = at(low, i) ^ block.readInt32LE(offset + 8 * i);
      high[i] = at(high, i) ^ block.readInt32LE(offset + 8 * i + 4);
    }
    permute(low, high);
  }
  const digest = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) {
    digest.writeInt32LE(at(low, i), 8 * i);
    digest.writeInt32LE(at(high, i), 8 * i + 4);
  }
  return digest.toString('hex');
}

function at(halves: Int32Array, index: number): number {
  return halves[index] ?? 0;
}

/** Keccak-f[1600]; FIPS 202 section 3.2. */
function permute(low: Int32Array, high: Int32Array): void {
  for (let round = 0; round < rounds; round++) {
    theta(low, high);
    rhoPi(low, high);
    chi(low);
    chi(high);
    low[0] = at(low, 0) ^ at(roundLow, round);
    high[0] = at(high, 0) ^ at(roundHigh, round);
  }
}

/** Round constants, section 3.2.5: bits 2^j - 1 from a shift register. */
const roundLow = new Int32Array(rounds);
const roundHigh = new Int32Array(rounds);
for (let round = 0, register = 1; round < rounds; round++) {
  for (let j = 0; j < 7; j++) {
    const bit = 2 ** j - 1;
    const half = bit < 32 ? roundLow : roundHigh;
    if (register & 1) half[round] = at(half, round) ^ (1 << (bit & 31));
    register = register & 0x80 ? (register << 1) ^ 0x171 : register << 1;
  }
}

function theta(low: Int32Array, high: Int32Array): void {
  const l0 = column(low, 0);
  const h0 = column(high, 0);
  const l1 = column(low, 1);
  const h1 = column(high, 1);
  const l2 = column(low, 2);
  const h2 = column(high, 2);
  const l3 = column(low, 3);
  const h3 = column(high, 3);
  const l4 = column(low, 4);
  const h4 = column(high, 4);
  mix(low, high, 0, l4, h4, l1, h1);
  mix(low, high, 1, l0, h0, l2, h2);
  mix(low, high, 2, l1, h1, l3, h3);
  mix(low, high, 3, l2, h2, l4, h4);
  mix(low, high, 4, l3, h3, l0, h0);
}

function column(halves: Int32Array, x: number): number {
  return at(halves, x) ^ at(halves, x + 5) ^ at(halves, x + 10) ^ at(halves, x + 15) ^ at(halves, x + 20);
}

/** Adds to a column the one before it, and the one behind it rotated by one bit. */
function mix(
  low: Int32Array,
  high: Int32Array,
  x: number,
  lowBefore: number,
  highBefore: number,
  lowBehind: number,
  highBehind: number,
): void {
  const onLow = lowBefore ^ ((lowBehind << 1) | (highBehind >>> 31));
  const onHigh = highBefore ^ ((highBehind << 1) | (lowBehind >>> 31));
  for (let lane = x; lane < lanes; lane += 5) {
    low[lane] = at(low, lane) ^ onLow;
    high[lane] = at(high, lane) ^ onHigh;
  }
}

/** Where each lane goes, one after the other from lane 1, and by how many bits it is rotated on the way. */
const targets = new Int32Array(24);
const rotations = new Int32Array(24);
for (let t = 0, x = 1, y = 0; t < 24; t++) {
  [x, y] = [y, (2 * x + 3 * y) % 5];
  targets[t] = x + 5 * y;
  rotations[t] = (((t + 1) * (t + 2)) / 2) % 64;
}

function rhoPi(low: Int32Array, high: Int32Array): void {
  let currentLow = at(low, 1);
  let currentHigh = at(high, 1);
  for (let t = 0; t < 24; t++) {
    const target = at(targets, t);
    const by = at(rotations, t);
    const nextLow = at(low, target);
    const nextHigh = at(high, target);
    const first = by < 32 ? currentLow : currentHigh;
    const second = by < 32 ? currentHigh : currentLow;
    const count = by & 31;
    // A shift by 32 bits is one by none.
    low[target] = count === 0 ? first : (first << count) | (second >>> (32 - count));
    high[target] = count === 0 ? second : (second << count) | (first >>> (32 - count));
    currentLow = nextLow;
    currentHigh = nextHigh;
  }
}

function chi(halves: Int32Array): void {
  for (let y = 0; y < lanes; y += 5) {
    const a = at(halves, y);
    const b = at(halves, y + 1);
    const c = at(halves, y + 2);
    const d = at(halves, y + 3);
    const e = at(halves, y + 4);
    halves[y] = a ^ (~b & c);
    halves[y + 1] = b ^ (~c & d);
    halves[y + 2] = c ^ (~d & e);
    halves[y + 3] = d ^ (~e & a);
    halves[y + 4] = e ^ (~a & b);
  }
}
