import { crc32 } from 'node:zlib';

/**
 * A frame: magic u32 · payload length u32 · crc32 u32 · flags u32 · sequence u64 · link u64 · payload, little-endian. The
 * checksum covers all but itself. `link` is the first 8 bytes of the SHA-256 of the payload before, to find local damage;
 * integrity is the Merkle tree's claim, not the frame's.
 */
export const frameHeaderBytes = 32;
export const frameMagic = 0x31525343; // "CSR1"

export const frameFlags = {
  /** The first frame of a segment: what it is, and which intents were open. Not a record. */
  header: 1,
  /** The first frame of a write: what follows the last such frame may be unsynced. */
  batchStart: 2,
} as const;

export interface Frame {
  readonly flags: number;
  /** Of a record: its own. Of a segment's header: that of the record that comes next. */
  readonly sequence: number;
  readonly link: Buffer;
  readonly payload: Buffer;
  readonly offset: number;
  /** Offset of the byte after it. */
  readonly end: number;
}

/** Writes the header of a frame whose payload already stands at `offset + frameHeaderBytes`. */
export function finishFrame(
  buffer: Buffer,
  offset: number,
  payloadBytes: number,
  flags: number,
  sequence: number,
  link: Uint8Array,
): void {
  buffer.writeUInt32LE(frameMagic, offset);
  buffer.writeUInt32LE(payloadBytes, offset + 4);
  buffer.writeUInt32LE(flags, offset + 12);
  buffer.writeUInt32LE(sequence >>> 0, offset + 16);
  buffer.writeUInt32LE(Math.floor(sequence / 2 ** 32), offset + 20);
  buffer.set(link.subarray(0, 8), offset + 24);
  buffer.writeUInt32LE(checksum(buffer, offset, payloadBytes), offset + 8);
}

/** The frame at `offset`, or null when no intact one stands there. */
export function readFrame(buffer: Buffer, offset: number): Frame | null {
  if (offset + frameHeaderBytes > buffer.length) return null;
  if (buffer.readUInt32LE(offset) !== frameMagic) return null;
  const payloadBytes = buffer.readUInt32LE(offset + 4);
  const end = offset + frameHeaderBytes + payloadBytes;
  if (end > buffer.length) return null;
  if (buffer.readUInt32LE(offset + 8) !== checksum(buffer, offset, payloadBytes)) return null;
  return {
    flags: buffer.readUInt32LE(offset + 12),
    sequence: buffer.readUInt32LE(offset + 16) + buffer.readUInt32LE(offset + 20) * 2 ** 32,
    link: buffer.subarray(offset + 24, offset + 32),
    payload: buffer.subarray(offset + frameHeaderBytes, end),
    offset,
    end,
  };
}

function checksum(buffer: Buffer, offset: number, payloadBytes: number): number {
  const start = crc32(buffer.subarray(offset, offset + 8));
  return crc32(buffer.subarray(offset + 12, offset + frameHeaderBytes + payloadBytes), start);
}
