import type { EntryKind } from './entry.ts';
import { saltBytes } from './seal.ts';

/** A record on its way to the writer: all but what sealing adds. */
export interface DraftRecord {
  readonly sequence: number;
  readonly id: string;
  readonly kind: EntryKind;
  readonly exchange: string;
  /** An intent that an outcome has to follow. */
  readonly isAwaited: boolean;
  /** The manifest but for its commitments. */
  readonly draft: string;
  /** 32 bytes, or null. */
  readonly subjectKey: Uint8Array | null;
  /** Sorted by name. */
  readonly bodies: readonly DraftBody[];
}

export interface DraftBody {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A record as the writer takes it out of the batch. */
export interface UnpackedRecord {
  readonly sequence: number;
  readonly id: string;
  readonly kind: string;
  readonly exchange: string;
  readonly isAwaited: boolean;
  readonly draft: string;
  readonly subjectKey: Buffer | null;
  readonly bodies: readonly { readonly name: string; readonly mediaType: string; readonly bytes: number }[];
  /** All bodies in order, each behind room for its salt. A view that the writer may fill and overwrite. */
  readonly plaintext: Buffer;
}

const fixedBytes = 8 + 1 + 1 + 1 + 2 + 2 + 4 + 1;

/**
 * Packs records into one buffer of their own, so that a batch crosses to the writer as one transfer: no structured clone
 * a record, and the bodies are copied once.
 */
export function packBatch(records: readonly DraftRecord[]): Buffer {
  let size = 0;
  for (const record of records) {
    size += fixedBytes + utf8(record.id) + utf8(record.kind) + utf8(record.exchange) + utf8(record.draft);
    size += record.subjectKey?.length ?? 0;
    for (const body of record.bodies)
      size += 8 + utf8(body.name) + utf8(body.mediaType) + saltBytes + body.bytes.length;
  }
  // Slow: an ArrayBuffer of its own, as a slice of Node's pool cannot be transferred.
  const buffer = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const record of records) at = packRecord(buffer, at, record);
  return buffer;
}

function packRecord(buffer: Buffer, start: number, record: DraftRecord): number {
  let at = buffer.writeBigUInt64LE(BigInt(record.sequence), start);
  at = buffer.writeUInt8(record.isAwaited ? 1 : 0, at);
  at = buffer.writeUInt8(record.bodies.length, at);
  const lengthsAt = at;
  at += 1 + 2 + 2 + 4;
  at = buffer.writeUInt8(record.subjectKey?.length ?? 0, at);
  const idBytes = buffer.write(record.id, at);
  at += idBytes;
  const kindBytes = buffer.write(record.kind, at);
  at += kindBytes;
  const exchangeBytes = buffer.write(record.exchange, at);
  at += exchangeBytes;
  const draftBytes = buffer.write(record.draft, at);
  at += draftBytes;
  buffer.writeUInt8(kindBytes, lengthsAt);
  buffer.writeUInt16LE(idBytes, lengthsAt + 1);
  buffer.writeUInt16LE(exchangeBytes, lengthsAt + 3);
  buffer.writeUInt32LE(draftBytes, lengthsAt + 5);
  if (record.subjectKey !== null) {
    buffer.set(record.subjectKey, at);
    at += record.subjectKey.length;
  }
  for (const body of record.bodies) {
    const nameBytes = buffer.write(body.name, at + 8);
    const typeBytes = buffer.write(body.mediaType, at + 8 + nameBytes);
    buffer.writeUInt16LE(nameBytes, at);
    buffer.writeUInt16LE(typeBytes, at + 2);
    buffer.writeUInt32LE(body.bytes.length, at + 4);
    at += 8 + nameBytes + typeBytes;
  }
  for (const body of record.bodies) {
    at += saltBytes;
    buffer.set(body.bytes, at);
    at += body.bytes.length;
  }
  return at;
}

export function unpackBatch(buffer: Buffer): UnpackedRecord[] {
  const records: UnpackedRecord[] = [];
  let at = 0;
  const text = (bytes: number): string => {
    at += bytes;
    return buffer.toString('utf8', at - bytes, at);
  };
  while (at < buffer.length) {
    const sequence = Number(buffer.readBigUInt64LE(at));
    const isAwaited = buffer.readUInt8(at + 8) === 1;
    const bodyCount = buffer.readUInt8(at + 9);
    const kindBytes = buffer.readUInt8(at + 10);
    const idBytes = buffer.readUInt16LE(at + 11);
    const exchangeBytes = buffer.readUInt16LE(at + 13);
    const draftBytes = buffer.readUInt32LE(at + 15);
    const subjectKeyBytes = buffer.readUInt8(at + 19);
    at += fixedBytes;
    const id = text(idBytes);
    const kind = text(kindBytes);
    const exchange = text(exchangeBytes);
    const draft = text(draftBytes);
    const subjectKey = subjectKeyBytes === 0 ? null : buffer.subarray(at, at + subjectKeyBytes);
    at += subjectKeyBytes;
    const bodies: { name: string; mediaType: string; bytes: number }[] = [];
    let plaintextBytes = 0;
    for (let i = 0; i < bodyCount; i++) {
      const nameBytes = buffer.readUInt16LE(at);
      const typeBytes = buffer.readUInt16LE(at + 2);
      const bytes = buffer.readUInt32LE(at + 4);
      at += 8;
      bodies.push({ name: text(nameBytes), mediaType: text(typeBytes), bytes });
      plaintextBytes += saltBytes + bytes;
    }
    const plaintext = buffer.subarray(at, at + plaintextBytes);
    at += plaintextBytes;
    records.push({ sequence, id, kind, exchange, isAwaited, draft, subjectKey, bodies, plaintext });
  }
  return records;
}

function utf8(text: string): number {
  return Buffer.byteLength(text);
}
