import { crc32 } from 'node:zlib';

/** A frame of a segment, as the format's description says it; written anew here, because the verifier shares nothing with the writer. */
export interface ReadFrame {
  readonly isHeader: boolean;
  readonly isWriteStart: boolean;
  readonly sequence: number;
  readonly link: Buffer;
  readonly payload: Buffer;
  readonly bytes: number;
}

/**
 * The intact frame that begins here; null: there is none.
 * magic "CSR1" · length u32 · crc32 u32 · flags u32 · sequence u64 · link 8 · payload; little-endian.
 */
export function frameAt(bytes: Buffer, at: number): ReadFrame | null {
  if (at + 32 > bytes.length || bytes.toString('latin1', at, at + 4) !== 'CSR1') return null;
  const end = at + 32 + bytes.readUInt32LE(at + 4);
  if (end > bytes.length) return null;
  const checksum = crc32(bytes.subarray(at + 12, end), crc32(bytes.subarray(at, at + 8)));
  if (checksum !== bytes.readUInt32LE(at + 8)) return null;
  const flags = bytes.readUInt32LE(at + 12);
  return {
    isHeader: (flags & 1) !== 0,
    isWriteStart: (flags & 2) !== 0,
    sequence: Number(bytes.readBigUInt64LE(at + 16)),
    link: bytes.subarray(at + 24, at + 32),
    payload: bytes.subarray(at + 32, end),
    bytes: end - at,
  };
}

/**
 * Whether a write of records behind `next` begins after `from`: then what is bad there had been synced before it. Records before that are
 * what a block of the disk held earlier.
 */
export function hasWriteAfter(bytes: Buffer, from: number, next: number): boolean {
  for (let at = bytes.indexOf('CSR1', from + 1); at >= 0; at = bytes.indexOf('CSR1', at + 1)) {
    const frame = frameAt(bytes, at);
    if (frame?.isWriteStart && frame.sequence > next) return true;
  }
  return false;
}
