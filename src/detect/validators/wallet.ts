import { sha256 } from '../../lib/hash.ts';
import { keccak256 } from './keccak.ts';

const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const bech32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

/** Base58Check: 21 bytes and the first four of their double SHA-256. */
export function isBase58Address(value: string): boolean {
  const bytes = base58Bytes(value);
  if (bytes === null) return false;
  return sha256(sha256(bytes.subarray(0, 21)))
    .subarray(0, 4)
    .equals(bytes.subarray(21));
}

/** The 25 bytes of an address, or null where the value says a larger number. */
function base58Bytes(value: string): Uint8Array | null {
  const bytes = new Uint8Array(25);
  // Two digits at once: the numbers stay small integers.
  for (let at = 0; at < value.length; at += 2) {
    const first = base58Digits[value.charCodeAt(at)] ?? -1;
    const isLast = at + 1 === value.length;
    const second = isLast ? 0 : (base58Digits[value.charCodeAt(at + 1)] ?? -1);
    if (first < 0 || second < 0) return null;
    let carry = isLast ? first : first * 58 + second;
    for (let i = 24; i >= 0; i--) {
      carry += (bytes[i] ?? 0) * (isLast ? 58 : 58 * 58);
      bytes[i] = carry & 0xff;
      carry >>= 8;
    }
    if (carry > 0) return null;
  }
  return bytes;
}

const base58Digits: Int8Array = Int8Array.from({ length: 0x80 }, (_, unit) =>
  base58.indexOf(String.fromCharCode(unit)),
);

/** BIP 173 (version 0) and BIP 350 (later versions). */
export function isSegwitAddress(value: string): boolean {
  if (value !== value.toLowerCase() && value !== value.toUpperCase()) return false;
  const [prefix = '', data = ''] = [value.slice(0, 2).toLowerCase(), value.slice(3).toLowerCase()];
  return bech32Rest(prefix, data) === (data.startsWith('q') ? 1 : 0x2bc830a3);
}

/** BIP 173's checksum behind any prefix, as other chains use it. */
export function isBech32(value: string): boolean {
  const cut = value.lastIndexOf('1');
  const [prefix, data] = [value.slice(0, cut), value.slice(cut + 1)];
  if (data.length < 6) return false;
  const rest = bech32Rest(prefix, data);
  return rest === 1 || rest === 0x2bc830a3;
}

/** BIP 173's checksum of prefix and data; -1 when the data holds another character. */
function bech32Rest(prefix: string, data: string): number {
  let checksum = 1;
  for (let i = 0; i < prefix.length; i++) checksum = polymodStep(checksum, prefix.charCodeAt(i) >> 5);
  checksum = polymodStep(checksum, 0);
  for (let i = 0; i < prefix.length; i++) checksum = polymodStep(checksum, prefix.charCodeAt(i) & 31);
  for (let i = 0; i < data.length; i++) {
    const symbol = bech32Symbols[data.charCodeAt(i)] ?? -1;
    if (symbol < 0) return -1;
    checksum = polymodStep(checksum, symbol);
  }
  return checksum;
}

const bech32Symbols: Int8Array = Int8Array.from({ length: 0x80 }, (_, unit) =>
  bech32.indexOf(String.fromCharCode(unit)),
);

function polymodStep(checksum: number, value: number): number {
  const top = checksum >>> 25;
  return ((checksum & 0x1ffffff) << 5) ^ value ^ (polymodOf[top] ?? 0);
}

/** What the five bits that leave at the top add. */
const polymodOf: Int32Array = Int32Array.from({ length: 32 }, (_, top) =>
  [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].reduce(
    (sum, generator, i) => ((top >>> i) & 1 ? sum ^ generator : sum),
    0,
  ),
);

/** EIP-55: `proven` by the case of the letters, `plausible` when all letters have one case. */
export function ethereumAddressKind(value: string): 'proven' | 'plausible' | 'wrong' {
  const digits = value.slice(2);
  const lower = digits.toLowerCase();
  if (digits === lower || digits === digits.toUpperCase()) return 'plausible';
  keccak256(lower, hash);
  for (let i = 0; i < digits.length; i++) {
    const unit = digits.charCodeAt(i);
    // Of the digits of the hash, 8 and more stand for a capital: the highest of their four bits. Of a byte's two, the higher comes first.
    const isCapital = (((hash[i >> 3] ?? 0) >>> (4 * ((i & 7) ^ 1) + 3)) & 1) === 1;
    const isLetter = unit > 0x39;
    if (isLetter && unit < 0x61 !== isCapital) return 'wrong';
  }
  return 'proven';
}

/** As many of its bytes as an address has digits for. Of use during one call only. */
const hash = new Int32Array(5);
