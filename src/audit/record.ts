/** A record as it lies in a frame: manifest, wrapped data key, sealed envelope, each behind its length (u32 LE). */
export interface RecordParts {
  readonly manifest: Buffer;
  readonly wrappedKey: Buffer;
  readonly envelope: Buffer;
}

export function recordBytes(parts: RecordParts): number {
  return 12 + parts.manifest.length + parts.wrappedKey.length + parts.envelope.length;
}

/** Writes a record at `offset`; there must be room for `recordBytes`. */
export function writeRecord(buffer: Buffer, offset: number, parts: RecordParts): void {
  let at = offset;
  for (const part of [parts.manifest, parts.wrappedKey, parts.envelope]) {
    at = buffer.writeUInt32LE(part.length, at);
    buffer.set(part, at);
    at += part.length;
  }
}

/** The parts of a frame's payload, or null when it is no record. Views, not copies. */
export function readRecord(payload: Buffer): RecordParts | null {
  const parts: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < 3; i++) {
    if (at + 4 > payload.length) return null;
    const length = payload.readUInt32LE(at);
    at += 4;
    if (at + length > payload.length) return null;
    parts.push(payload.subarray(at, at + length));
    at += length;
  }
  const [manifest, wrappedKey, envelope] = parts;
  if (at !== payload.length || !manifest || !wrappedKey || !envelope) return null;
  return { manifest, wrappedKey, envelope };
}
