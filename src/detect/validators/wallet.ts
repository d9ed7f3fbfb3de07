import { sha256 } from '../../lib/hash.ts';
import { keccak256Hex } from './keccak.ts';

const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const bech32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

/** Base58Check: 21 bytes and the first four of their double SHA-256. */
export function isBase58Address(value: string): boolean {
  let number = 0n;
  for (const char of value) {
    const digit = base58.indexOf(char);
    if (digit < 0) return false;
    number = number * 58n + BigInt(digit);
  }
  const hex = number.toString(16).padStart(50, '0');
  if (hex.length !== 50) return false;
  const bytes = Buffer.from(hex, 'hex');
  return sha256(sha256(bytes.subarray(0, 21)))
    .subarray(0, 4)
    .equals(bytes.subarray(21));
}

/** BIP 173 (version 0) and BIP 350 (later versions). */
export function isSegwitAddress(value: string): boolean {
  if (value !== value.toLowerCase() && value !== value.toUpperCase()) return false;
  const [prefix = '', data = ''] = [value.slice(0, 2).toLowerCase(), value.slice(3).toLowerCase()];
  const symbols = [...data].map((char) => bech32.indexOf(char));
  if (symbols.includes(-1)) return false;
  const expanded = [
    ...[...prefix].map((c) => c.charCodeAt(0) >> 5),
    0,
    ...[...prefix].map((c) => c.charCodeAt(0) & 31),
  ];
  return polymod([...expanded, ...symbols]) === (symbols[0] === 0 ? 1 : 0x2bc830a3);
}

/** BIP 173's checksum behind any prefix, as other chains use it. */
export function isBech32(value: string): boolean {
  const cut = value.lastIndexOf('1');
  const [prefix, data] = [value.slice(0, cut), value.slice(cut + 1)];
  const symbols = [...data].map((char) => bech32.indexOf(char));
  if (symbols.includes(-1) || data.length < 6) return false;
  const expanded = [
    ...[...prefix].map((c) => c.charCodeAt(0) >> 5),
    0,
    ...[...prefix].map((c) => c.charCodeAt(0) & 31),
  ];
  const rest = polymod([...expanded, ...symbols]);
  return rest === 1 || rest === 0x2bc830a3;
}

function polymod(values: readonly number[]): number {
  const generators = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  let checksum = 1;
  for (const value of values) {
    const top = checksum >>> 25;
    checksum = ((checksum & 0x1ffffff) << 5) ^ value;
    generators.forEach((generator, i) => {
      if ((top >>> i) & 1) checksum ^= generator;
    });
  }
  return checksum;
}

/** EIP-55: `proven` by the case of the letters, `plausible` when all letters have one case. */
export function ethereumAddressKind(value: string): 'proven' | 'plausible' | 'wrong' {
  const digits = value.slice(2);
  const lower = digits.toLowerCase();
  if (digits === lower || digits === digits.toUpperCase()) return 'plausible';
  const hash = keccak256Hex(lower);
  const right = [...lower].every(
    (char, i) => digits[i] === (Number.parseInt(hash[i] ?? '0', 16) >= 8 ? char.toUpperCase() : char),
  );
  return right ? 'proven' : 'wrong';
}
