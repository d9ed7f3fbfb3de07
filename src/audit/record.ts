/** A record as it lies in a frame: manifest and sealed bodies, each behind its length (u32 LE). */
export interface RecordParts {
  readonly manifest: Buffer;
  /** Empty when the record has no bodies. */
  readonly sealed: Buffer;
}

export function recordBytes(parts: RecordParts): number {
  return 8 + parts.manifest.length + parts.sealed.length;
}

/** Writes a record at `offset`; there must be room for `recordBytes`. */
export function writeRecord(buffer: Buffer, offset: number, parts: RecordParts): void {
  let at = buffer.writeUInt32LE(parts.manifest.length, offset);
  buffer.set(parts.manifest, at);
  at = buffer.writeUInt32LE(parts.sealed.length, at + parts.manifest.length);
  buffer.set(parts.sealed, at);
}

/** The parts of a frame's payload, or null when it is no record. Views, not copies. */
export function readRecord(payload: Buffer): RecordParts | null {
  if (payload.length < 8) return null;
  const manifestEnd = 4 + payload.readUInt32LE(0);
  if (manifestEnd + 4 > payload.length) return null;
  const sealedEnd = manifestEnd + 4 + payload.readUInt32LE(manifestEnd);
  if (sealedEnd !== payload.length) return null;
  return { manifest: payload.subarray(4, manifestEnd), sealed: payload.subarray(manifestEnd + 4) };
}
