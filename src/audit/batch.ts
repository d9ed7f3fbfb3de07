import type { AuditEntry } from './entry.ts';
import type { ManifestStamp, NamedBody, WriteManifest } from './manifest.ts';
import { saltBytes } from './seal.ts';

/**
 * Packs records into one buffer of their own, so that a batch crosses to the writer as one transfer: no structured clone a record, and
 * manifests and bodies are written where they are read.
 */
export interface BatchBuilder {
  /** Makes room for about as many bytes, so that the batch need not grow. */
  begin(bytes: number): void;
  /** Appends a record. Throws a TypeError when its facts cannot be in a manifest: the batch is as before then. */
  add(entry: AuditEntry, bodies: readonly NamedBody[], stamp: ManifestStamp): void;
  /** What was appended, in a buffer that can be transferred; null: nothing. The builder begins anew. */
  take(): Buffer | null;
}

/** A record as the writer takes it out of the batch: all but what sealing adds. All buffers are views, which may be overwritten. */
export interface UnpackedRecord {
  readonly sequence: number;
  readonly id: string;
  readonly kind: string;
  readonly exchange: string;
  /** An intent that an outcome has to follow. */
  readonly isAwaited: boolean;
  /** But for its commitments. */
  readonly manifest: Buffer;
  /** See `OpenManifest`. */
  readonly holes: readonly number[];
  /** 32 bytes, or null. */
  readonly subjectKey: Buffer | null;
  /** Names of the bodies, with zero bytes between them. */
  readonly names: string;
  /** Lengths of the bodies. */
  readonly bodies: readonly number[];
  /** All bodies in order, each behind room for its salt. */
  readonly plaintext: Buffer;
}

// sequence 6 · awaited 1 · bodies 1 · key 1 · kind 1 · id 2 · exchange 2 · names 2 · manifest 4
const fixedBytes = 20;
const leastBytes = 4_096;

export function createBatchBuilder(writeManifest: WriteManifest): BatchBuilder {
  let buffer = noBytes;
  let used = 0;

  function add(entry: AuditEntry, bodies: readonly NamedBody[], stamp: ManifestStamp): void {
    const { text, holes } = writeManifest(entry, bodies, stamp);
    const key = entry.subjectKey?.key;
    const names = bodies.map(({ name }) => name).join('\0');
    // A UTF-16 unit takes at most three bytes of UTF-8.
    const textsBytesMax = 3 * (stamp.id.length + entry.kind.length + entry.exchange.length + names.length);
    const manifestBytes = Buffer.byteLength(text);
    let bytesMax = fixedBytes + textsBytesMax + (key?.length ?? 0) + 4 * (bodies.length + holes.length) + manifestBytes;
    for (const { bytes } of bodies) bytesMax += saltBytes + bytes.length;
    grow(used + bytesMax);

    const start = used;
    let at = start + fixedBytes;
    const idBytes = buffer.write(stamp.id, at);
    const kindBytes = buffer.write(entry.kind, at + idBytes);
    const exchangeBytes = buffer.write(entry.exchange, at + idBytes + kindBytes);
    at += idBytes + kindBytes + exchangeBytes;
    const nameBytes = buffer.write(names, at);
    at += nameBytes;
    if (key !== undefined) buffer.set(key, at);
    at += key?.length ?? 0;
    for (const { bytes } of bodies) at = buffer.writeUInt32LE(bytes.length, at);
    for (const hole of holes) at = buffer.writeUInt32LE(hole, at);
    at += buffer.write(text, at);
    for (const { bytes } of bodies) {
      buffer.set(bytes, at + saltBytes);
      at += saltBytes + bytes.length;
    }
    buffer.writeUIntLE(stamp.sequence, start, 6);
    buffer.writeUInt8(isAwaited(entry) ? 1 : 0, start + 6);
    buffer.writeUInt8(bodies.length, start + 7);
    buffer.writeUInt8(key?.length ?? 0, start + 8);
    buffer.writeUInt8(kindBytes, start + 9);
    buffer.writeUInt16LE(idBytes, start + 10);
    buffer.writeUInt16LE(exchangeBytes, start + 12);
    buffer.writeUInt16LE(nameBytes, start + 14);
    buffer.writeUInt32LE(manifestBytes, start + 16);
    used = at;
  }

  function grow(bytes: number): void {
    if (bytes <= buffer.length) return;
    // Slow: an ArrayBuffer of its own, as a slice of Node's pool cannot be transferred.
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * used, leastBytes));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  }

  return {
    begin: (bytes) => grow(used + bytes),
    add,
    take: () => {
      const taken = used === 0 ? null : buffer.subarray(0, used);
      if (used > 0) buffer = noBytes;
      used = 0;
      return taken;
    },
  };
}

/** An intent that is not final has an outcome to come. */
export function isAwaited(entry: AuditEntry): boolean {
  return entry.kind === 'intent' && entry.facts['final'] !== true;
}

const noBytes = Buffer.alloc(0);
const nothing: readonly number[] = [];

export function unpackBatch(buffer: Buffer): UnpackedRecord[] {
  const records: UnpackedRecord[] = [];
  let at = 0;
  const text = (bytes: number): string => {
    at += bytes;
    return bytes === 0 ? '' : buffer.toString('utf8', at - bytes, at);
  };
  const view = (bytes: number): Buffer => {
    at += bytes;
    return buffer.subarray(at - bytes, at);
  };
  const numbers = (count: number): readonly number[] => {
    if (count === 0) return nothing;
    const found: number[] = [];
    for (let i = 0; i < count; i++) found.push(buffer.readUInt32LE(at + i * 4));
    at += count * 4;
    return found;
  };
  while (at < buffer.length) {
    const head = at;
    at += fixedBytes;
    const bodyCount = buffer.readUInt8(head + 7);
    const id = text(buffer.readUInt16LE(head + 10));
    const kind = text(buffer.readUInt8(head + 9));
    const exchange = text(buffer.readUInt16LE(head + 12));
    const names = text(buffer.readUInt16LE(head + 14));
    const keyBytes = buffer.readUInt8(head + 8);
    const subjectKey = keyBytes === 0 ? null : view(keyBytes);
    const bodies = numbers(bodyCount);
    const holes = numbers(bodyCount === 0 ? 0 : 1 + bodyCount);
    const manifest = view(buffer.readUInt32LE(head + 16));
    let plaintextBytes = 0;
    for (const bytes of bodies) plaintextBytes += saltBytes + bytes;
    const plaintext = view(plaintextBytes);
    const sequence = buffer.readUIntLE(head, 6);
    const isAwaited = buffer.readUInt8(head + 6) === 1;
    records.push({
      sequence,
      id,
      kind,
      exchange,
      isAwaited,
      manifest,
      holes,
      subjectKey,
      names,
      bodies,
      plaintext,
    });
  }
  return records;
}
