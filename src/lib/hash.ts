import { createHmac, hash, timingSafeEqual } from 'node:crypto';

export function sha256(data: string | Uint8Array): Buffer {
  return hash('sha256', data, 'buffer');
}

export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

export function hmacSha256(key: Uint8Array, data: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** Constant-time in the contents; lengths are not secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** HMAC-SHA-256 (RFC 2104) under one key, of many short things: about half the cost of `hmacSha256`, whose object each call makes anew. */
export function createShortHmac(key: Uint8Array): (data: string | Uint8Array) => Buffer {
  const block = key.length > blockBytes ? sha256(key) : key;
  const inner = Buffer.allocUnsafe(blockBytes + textBytesMax).fill(innerPad, 0, blockBytes);
  const outer = Buffer.allocUnsafe(blockBytes + digestBytes).fill(outerPad, 0, blockBytes);
  for (let i = 0; i < block.length; i++) {
    inner[i] = innerPad ^ (block[i] ?? 0);
    outer[i] = outerPad ^ (block[i] ?? 0);
  }
  return (data) => {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    if (data.length * 3 > textBytesMax) return hmacSha256(key, data);
    if (typeof data !== 'string') inner.set(data, blockBytes);
    const written = typeof data === 'string' ? inner.write(data, blockBytes, 'utf8') : data.length;
    outer.write(hash('sha256', inner.subarray(0, blockBytes + written), 'binary'), blockBytes, 'binary');
    return hash('sha256', outer, 'buffer');
  };
}

const blockBytes = 64;
const digestBytes = 32;
const innerPad = 0x36;
const outerPad = 0x5c;
/** Longer texts are rare; a buffer of this size comes from Node's pool. */
const textBytesMax = 768;
