import type { RandomBytes } from '../lib/ids.ts';
import { type UnpackedRecord, unpackBatch } from './batch.ts';
import { finishFrame, frameHeaderBytes } from './frame.ts';
import { commitInPlace, leafText } from './manifest.ts';
import {
  bodyCommitment,
  createSealer,
  createWrappingKeys,
  saltBytes,
  sealContext,
  sealedExtraBytes,
  sealedHash,
} from './seal.ts';
import { hashBytes, writeEntry } from './tree.ts';

export interface Epoch {
  readonly id: string;
  readonly key: Uint8Array;
}

/**
 * A batch as it goes to disk and into the tree. It depends on nothing but the batch, so that batches can be sealed by several threads at
 * once; what ties it to the record before it is the open header of its first frame, which is the writer's to finish.
 */
export interface SealedBatch {
  /** Frames, back to back. Of the first one the payload alone. */
  readonly frames: Buffer;
  readonly firstPayloadBytes: number;
  /** Sequence number of the first record; the others follow without a gap. */
  readonly first: number;
  readonly records: number;
  /** Leaves as an entries bundle has them. */
  readonly entries: Buffer;
  /** Hashes of the leaves, back to back. */
  readonly hashes: Buffer;
  /** In order: an intent that an outcome has to follow, by its record's id, or the end of an exchange. */
  readonly intents: readonly IntentStep[];
}

export interface IntentStep {
  readonly exchange: string;
  /** Null: the outcome. */
  readonly id: string | null;
}

export interface BatchSealer {
  /** Batches from now on are sealed under this epoch. */
  setEpoch(epoch: Epoch): void;
  /** The batch's plaintext is wiped. */
  seal(batch: Buffer): SealedBatch;
}

type WrappingKeys = ReturnType<typeof createWrappingKeys>;

export function createBatchSealer(origin: string, random: RandomBytes): BatchSealer {
  const sealer = createSealer(random);
  let keyFor: WrappingKeys | null = null;

  function seal(batch: Buffer): SealedBatch {
    const records = unpackBatch(batch);
    const head = records[0];
    if (head === undefined) throw new Error('a batch has a record');
    if (keyFor === null) throw new Error('a record came before its epoch');
    let frameBytes = 0;
    let entryBytes = 0;
    for (const record of records) {
      frameBytes += frameHeaderBytes + payloadBytesOf(record);
      entryBytes += entryBytesMax + record.id.length + record.kind.length;
    }
    // Slow: ArrayBuffers of their own, which can be transferred.
    const frames = Buffer.allocUnsafeSlow(frameBytes);
    const tree = Buffer.allocUnsafeSlow(records.length * hashBytes + entryBytes);
    const hashes = tree.subarray(0, records.length * hashBytes);
    const entries = tree.subarray(hashes.length);
    const intents: IntentStep[] = [];
    let at = 0;
    let entriesEnd = 0;
    for (const [index, record] of records.entries()) {
      if (record.sequence !== head.sequence + index)
        throw new Error(`record ${record.sequence} came where ${head.sequence + index} should`);
      const payloadAt = at + frameHeaderBytes;
      const commitment = writePayload(record, keyFor, frames, payloadAt);
      const payloadBytes = payloadBytesOf(record);
      if (index > 0) {
        const link = hashes.subarray((index - 1) * hashBytes, index * hashBytes);
        finishFrame(frames, at, payloadBytes, 0, record.sequence, link);
      }
      at = payloadAt + payloadBytes;
      const leaf = leafText(commitment, record.id, record.kind);
      entriesEnd = writeEntry(entries, entriesEnd, leaf, hashes, index * hashBytes);
      if (record.isAwaited) intents.push({ exchange: record.exchange, id: record.id });
      else if (record.kind === 'outcome' || record.kind === 'aborted')
        intents.push({ exchange: record.exchange, id: null });
    }
    return {
      frames,
      firstPayloadBytes: payloadBytesOf(head),
      first: head.sequence,
      records: records.length,
      entries: entries.subarray(0, entriesEnd),
      hashes,
      intents,
    };
  }

  /** As `readRecord` reads it: manifest and sealed bodies, each behind its length. Returns the manifest's commitment. */
  function writePayload(record: UnpackedRecord, keyFor: WrappingKeys, frames: Buffer, at: number): string {
    const manifestBytes = record.manifest.length;
    const manifestEnd = at + 4 + manifestBytes;
    frames.set(record.manifest, at + 4);
    const sealedBytes = sealedBytesOf(record);
    frames.writeUInt32LE(sealedBytes, manifestEnd);
    if (sealedBytes > 0) sealBodies(record, keyFor(record.subjectKey), frames, at + 4, manifestEnd + 4);
    const commitment = commitInPlace(frames, at + 4, manifestEnd);
    frames.writeUInt32LE(manifestBytes, at);
    return commitment;
  }

  /** Seals into the frame, and puts the commitments into the manifest that stands there. */
  function sealBodies(record: UnpackedRecord, key: Uint8Array, frames: Buffer, manifestAt: number, at: number): void {
    const { plaintext, bodies, holes, names } = record;
    const salts = random(saltBytes * bodies.length);
    let from = 0;
    for (const [index, bytes] of bodies.entries()) {
      const salted = plaintext.subarray(from, from + saltBytes + bytes);
      salts.copy(salted, 0, index * saltBytes, (index + 1) * saltBytes);
      frames.write(bodyCommitment(salted), manifestAt + (holes[index + 1] ?? 0), 'latin1');
      from += salted.length;
    }
    sealer.seal(frames, at, plaintext, sealContext(origin, record.id, [names]), key);
    const sealed = frames.subarray(at, at + sealedExtraBytes + plaintext.length);
    frames.write(sealedHash(sealed), manifestAt + (holes[0] ?? 0), 'latin1');
    plaintext.fill(0);
  }

  return {
    setEpoch: ({ key }) => {
      keyFor = createWrappingKeys(key);
    },
    seal,
  };
}

/** What crosses to another thread without a copy. */
export function ownBuffers({ frames, hashes }: SealedBatch): readonly ArrayBuffer[] {
  return [frames.buffer, hashes.buffer].filter((buffer) => buffer instanceof ArrayBuffer);
}

/** A batch as another thread has sealed it: on its way buffers become mere arrays. */
export function receivedBatch(batch: SealedBatch): SealedBatch {
  const { frames, entries, hashes } = batch;
  return { ...batch, frames: bufferOf(frames), entries: bufferOf(entries), hashes: bufferOf(hashes) };
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** What an entry takes besides its record's id and kind: its length, the commitment, and the rest of the JSON. */
const entryBytesMax = 2 + 43 + 28;

function sealedBytesOf({ bodies, plaintext }: UnpackedRecord): number {
  return bodies.length === 0 ? 0 : sealedExtraBytes + plaintext.length;
}

function payloadBytesOf(record: UnpackedRecord): number {
  return 8 + record.manifest.length + sealedBytesOf(record);
}
