/** A record as it lies in a frame: manifest and sealed bodies, each behind its length (u32 LE). */
export interface RecordParts {
  readonly manifest: Buffer;
  /** Empty when the record has no bodies. */
  readonly sealed: Buffer;
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
