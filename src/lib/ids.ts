import { randomFillSync } from 'node:crypto';
import type { Clock } from './clock.ts';

/** Fills a buffer with random bytes. An argument wherever chance is needed, so that tests can repeat it. */
export type RandomBytes = (size: number) => Buffer;

/** Pooled `crypto.randomBytes`: one system call per 4 KiB instead of one per id. */
export function createPooledRandom(): RandomBytes {
  const pool = Buffer.allocUnsafe(4096);
  let at = pool.length;
  return (size) => {
    if (size > pool.length) return randomFillSync(Buffer.allocUnsafe(size));
    if (at + size > pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    const out = Buffer.from(pool.subarray(at, at + size));
    pool.fill(0, at, at + size);
    at += size;
    return out;
  };
}

/** Makes ids: UUID version 7 (RFC 9562 section 5.7), so that they sort by the time they were made. */
export type NewId = () => string;

export function createUuidV7(clock: Clock, random: RandomBytes): NewId {
  return () => {
    const bytes = Buffer.allocUnsafe(16);
    bytes.writeUIntBE(clock.nowMs(), 0, 6);
    random(10).copy(bytes, 6);
    bytes.writeUInt8(((bytes.readUInt8(6) & 0x0f) | 0x70) as number, 6);
    bytes.writeUInt8(((bytes.readUInt8(8) & 0x3f) | 0x80) as number, 8);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
