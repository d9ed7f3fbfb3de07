const rounds = 24;
const rate = 136;
const mask = (1n << 64n) - 1n;

/** Keccak-256 with the original padding, as Ethereum uses it (not SHA3-256). Hexadecimal, for short ASCII texts. */
export function keccak256Hex(text: string): string {
  const block = new Uint8Array(Math.ceil((text.length + 1) / rate) * rate);
  for (let i = 0; i < text.length; i++) block[i] = text.charCodeAt(i) & 0xff;
  block[text.length] = 0x01;
  block[block.length - 1] = (block[block.length - 1] ?? 0) | 0x80;
  const state = new BigUint64Array(25);
  const words = new DataView(block.buffer);
  for (let offset = 0; offset < block.length; offset += rate) {
    for (let i = 0; i < rate / 8; i++) state[i] = lane(state, i) ^ words.getBigUint64(offset + i * 8, true);
    permute(state);
  }
  return Buffer.from(state.buffer, 0, 32).toString('hex');
}

function lane(state: BigUint64Array, index: number): bigint {
  return state[index] ?? 0n;
}

function rotate(value: bigint, by: number): bigint {
  const count = BigInt(by % 64);
  return ((value << count) | (value >> (64n - count))) & mask;
}

/** Keccak-f[1600]; FIPS 202 section 3.2. */
function permute(state: BigUint64Array): void {
  let register = 1;
  for (let round = 0; round < rounds; round++) {
    theta(state);
    rhoPi(state);
    chi(state);
    for (let j = 0; j < 7; j++) {
      if (register & 1) state[0] = lane(state, 0) ^ (1n << ((1n << BigInt(j)) - 1n));
      register = register & 0x80 ? (register << 1) ^ 0x171 : register << 1;
    }
  }
}

function theta(state: BigUint64Array): void {
  const parity = [0, 1, 2, 3, 4].map((x) => [0, 5, 10, 15, 20].reduce((sum, y) => sum ^ lane(state, x + y), 0n));
  for (let x = 0; x < 5; x++) {
    const mix = (parity[(x + 4) % 5] ?? 0n) ^ rotate(parity[(x + 1) % 5] ?? 0n, 1);
    for (let y = 0; y < 25; y += 5) state[x + y] = lane(state, x + y) ^ mix;
  }
}

function rhoPi(state: BigUint64Array): void {
  let [x, y] = [1, 0];
  let current = lane(state, 1);
  for (let t = 0; t < 24; t++) {
    [x, y] = [y, (2 * x + 3 * y) % 5];
    const next = lane(state, x + 5 * y);
    state[x + 5 * y] = rotate(current, ((t + 1) * (t + 2)) / 2);
    current = next;
  }
}

function chi(state: BigUint64Array): void {
  for (let y = 0; y < 25; y += 5) {
    const row = [0, 1, 2, 3, 4].map((x) => lane(state, x + y));
    for (let x = 0; x < 5; x++) {
      state[x + y] = (row[x] ?? 0n) ^ (~(row[(x + 1) % 5] ?? 0n) & mask & (row[(x + 2) % 5] ?? 0n));
    }
  }
}
