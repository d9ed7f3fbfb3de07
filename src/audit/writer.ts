import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import { type UnpackedRecord, unpackBatch } from './batch.ts';
import type { Checkpointer, Leaf } from './checkpointer.ts';
import { finishFrame, frameFlags, frameHeaderBytes } from './frame.ts';
import { type FsPort, shortWrite } from './fs-port.ts';
import { layout } from './layout.ts';
import { commitInPlace, leafBytes } from './manifest.ts';
import {
  bodyCommitment,
  createSealer,
  createWrappingKeys,
  saltBytes,
  sealContext,
  sealedExtraBytes,
  sealedHash,
} from './seal.ts';
import { hashLeaf } from './tree.ts';

export interface Epoch {
  readonly id: string;
  readonly key: Uint8Array;
}

/**
 * The only thing that writes to a log: seals, frames, commits in groups. It blocks while it does, so it lives in a thread of
 * its own; what arrives meanwhile waits and is the next group. While a group is synced the next one is sealed, and written after it: on
 * the disk there is never more than one write that is not synced, which recovery relies on.
 */
export interface Writer {
  /** Records from now on are sealed under this epoch, in a new segment. */
  setEpoch(epoch: Epoch): void;
  /** Puts a packed batch on stable storage, by one write and one sync for all that came while the last sync ran. */
  commit(batch: Buffer): void;
  /** Looks whether the segment is still the file that readers will find. */
  check(): void;
  /** Publishes the last checkpoint. Nothing is committed any more. */
  close(): Promise<void>;
  /** Intents without outcome, with their records' ids. */
  openIntents(): ReadonlyMap<string, string>;
  /** Begins nothing any more. Resolves when nothing is under way. */
  abandon(): Promise<void>;
}

export interface WriterOptions {
  readonly fs: FsPort;
  readonly random: RandomBytes;
  readonly checkpointer: Checkpointer;
  readonly directory: string;
  readonly origin: string;
  readonly boot: string;
  readonly segmentBytesMax: number;
  /** Intents without outcome that a segment's header can list; the oldest beyond it are given up. */
  readonly openIntentsMax: number;
  readonly nextSequence: number;
  readonly link: Uint8Array;
  readonly openIntents: ReadonlyMap<string, string>;
  /** Whether there is something to do while the disk syncs; else the thread waits for it, which costs least. */
  isMoreWaiting(): boolean;
  /** All records up to and including this one are on stable storage. */
  onDurable(sequence: number): void;
  /** Called at most once; the writer does nothing any more after it. */
  onFailure(fault: Fault): void;
}

/** Records that are written by one write. */
interface Group {
  readonly first: number;
  readonly firstLink: Uint8Array;
  readonly records: UnpackedRecord[];
  readonly leaves: Leaf[];
}

interface OpenEpoch {
  readonly id: string;
  readonly wrappingKey: ReturnType<typeof createWrappingKeys>;
}

interface OpenSegment {
  readonly fd: number;
  readonly path: string;
  bytes: number;
}

export function createWriter(options: WriterOptions): Writer {
  const { fs, checkpointer } = options;
  const openIntents = new Map(options.openIntents);
  const frames = createFrameBuffer();
  const sealer = createSealer(options.random);
  let epoch: OpenEpoch | null = null;
  let segment: OpenSegment | null = null;
  let nextSequence = options.nextSequence;
  let link: Uint8Array = options.link;
  let isOver = false;
  /** What is framed and not written. */
  let staged: Group | null = null;
  /** The sync under way. */
  let syncing: Promise<void> | null = null;
  /** What came behind an epoch that has to wait for the sync. */
  let held: (() => void)[] = [];

  /** Whatever goes wrong, it is not known what the disk holds then: only reading it again can tell. */
  function attempt(act: () => void): void {
    if (isOver) return;
    try {
      act();
    } catch (error) {
      fail(error);
    }
  }

  function commit(batch: Buffer): void {
    if (held.length > 0) held.push(() => commit(batch));
    else
      attempt(() => {
        stage(unpackBatch(batch));
        if (syncing === null) writeStaged();
      });
  }

  function stage(records: readonly UnpackedRecord[]): void {
    staged ??= { first: nextSequence, firstLink: link, records: [], leaves: [] };
    for (const record of records) {
      staged.leaves.push(frameRecord(record, staged.leaves.length));
      staged.records.push(record);
    }
  }

  function writeStaged(): void {
    const group = staged;
    staged = null;
    if (group === null) return;
    const bytes = frames.take();
    const target = segmentFor(bytes.length, group.first, group.firstLink);
    append(target, bytes);
    if (held.length > 0 || !options.isMoreWaiting()) {
      fs.fdatasync(target.fd);
      settle(group);
      return;
    }
    syncing = fs.fdatasyncLater(target.fd).then(
      () => {
        syncing = null;
        attempt(() => {
          settle(group);
          writeStaged();
          if (syncing === null) receiveHeld();
        });
      },
      (error: unknown) => {
        syncing = null;
        fail(error);
      },
    );
  }

  function settle({ records, leaves }: Group): void {
    const last = records.at(-1);
    if (last !== undefined) options.onDurable(last.sequence);
    // Nobody waits for what comes now.
    for (const record of records) followIntent(record);
    checkpointer.add(leaves);
  }

  function receiveHeld(): void {
    const acts = held;
    held = [];
    for (const act of acts) act();
  }

  function frameRecord(record: UnpackedRecord, index: number): Leaf {
    if (epoch === null) throw new Error('a record came before its epoch');
    if (record.sequence !== nextSequence)
      throw new Error(`record ${record.sequence} came where ${nextSequence} should`);
    const sealedBytes = record.bodies.length === 0 ? 0 : sealedExtraBytes + record.plaintext.length;
    const manifestBytes = record.manifest.length;
    const { buffer, at } = frames.open(manifestBytes + sealedBytes + 8);
    // As `readRecord` reads it: manifest and sealed bodies, each behind its length.
    const manifestEnd = at + 4 + manifestBytes;
    buffer.set(record.manifest, at + 4);
    buffer.writeUInt32LE(sealedBytes, manifestEnd);
    if (sealedBytes > 0) sealBodies(record, epoch, buffer, at + 4, manifestEnd + 4);
    const bytes = leafBytes(commitInPlace(buffer, at + 4, manifestEnd), record.id, record.kind);
    buffer.writeUInt32LE(manifestBytes, at);
    frames.finish(index === 0 ? frameFlags.batchStart : 0, record.sequence, link);
    const hash = hashLeaf(bytes);
    link = hash.subarray(0, 8);
    nextSequence += 1;
    return { bytes, hash };
  }

  /** Seals into the frame, and puts the commitments into the manifest that stands there. */
  function sealBodies(
    record: UnpackedRecord,
    { wrappingKey }: OpenEpoch,
    buffer: Buffer,
    manifestAt: number,
    at: number,
  ): void {
    const { plaintext, bodies, holes, names } = record;
    const salts = options.random(saltBytes * bodies.length);
    let from = 0;
    for (const [index, bytes] of bodies.entries()) {
      const salted = plaintext.subarray(from, from + saltBytes + bytes);
      salts.copy(salted, 0, index * saltBytes, (index + 1) * saltBytes);
      buffer.write(bodyCommitment(salted), manifestAt + (holes[index + 1] ?? 0), 'latin1');
      from += salted.length;
    }
    const key = wrappingKey(record.subjectKey);
    sealer.seal(buffer, at, plaintext, sealContext(options.origin, record.id, [names]), key);
    const sealed = buffer.subarray(at, at + sealedExtraBytes + plaintext.length);
    buffer.write(sealedHash(sealed), manifestAt + (holes[0] ?? 0), 'latin1');
    plaintext.fill(0);
  }

  function followIntent(record: UnpackedRecord): void {
    if (record.isAwaited) openIntents.set(record.exchange, record.id);
    else if (record.kind === 'outcome' || record.kind === 'aborted') openIntents.delete(record.exchange);
  }

  function segmentFor(bytes: number, first: number, firstLink: Uint8Array): OpenSegment {
    if (segment !== null && segment.bytes + bytes <= options.segmentBytesMax) return segment;
    if (segment !== null) fs.close(segment.fd);
    segment = null;
    const path = layout.segment(options.directory, first);
    const opened = { fd: fs.create(path), path, bytes: 0 };
    segment = opened;
    append(opened, segmentHeader(first, firstLink));
    // Durable, name and all, before a record goes in: a torn header with intact records behind it is then never a crash.
    fs.fsync(opened.fd);
    fs.syncDirectory(layout.segments(options.directory));
    return opened;
  }

  function append(target: OpenSegment, bytes: Buffer): void {
    const written = fs.write(target.fd, bytes);
    // A full disk takes what fits and reports no error, and the sync after it succeeds.
    if (written !== bytes.length) throw shortWrite(target.path, written, bytes.length);
    target.bytes += written;
  }

  function segmentHeader(first: number, firstLink: Uint8Array): Buffer {
    for (const exchange of openIntents.keys()) {
      if (openIntents.size <= options.openIntentsMax) break;
      openIntents.delete(exchange);
    }
    const payload = Buffer.from(
      canonicalJson({
        boot: options.boot,
        epoch: epoch?.id ?? '',
        first: String(first),
        open: Object.fromEntries(openIntents),
        origin: options.origin,
        v: 1,
      }),
    );
    const header = createFrameBuffer();
    const flags = frameFlags.header | frameFlags.batchStart;
    const { buffer, at } = header.open(payload.length);
    buffer.set(payload, at);
    header.finish(flags, first, firstLink);
    return header.take();
  }

  function check(): void {
    if (isOver || segment === null) return;
    try {
      const ours = fs.identify(segment.fd);
      const found = fs.identify(segment.path);
      if (ours === null || found === null || ours.links === 0 || ours.inode !== found.inode) {
        throw new Error(`${segment.path} was removed or replaced`);
      }
      if (found.bytes < segment.bytes) throw new Error(`${segment.path} was cut to ${found.bytes} bytes`);
    } catch (error) {
      fail(error);
    }
  }

  function setEpoch(next: Epoch): void {
    if (syncing !== null || held.length > 0) {
      held.push(() => setEpoch(next));
      return;
    }
    epoch = { id: next.id, wrappingKey: createWrappingKeys(next.key) };
    closeSegment();
  }

  function fail(error: unknown): void {
    if (isOver) return;
    void abandon();
    options.onFailure(Fault.from(error, 'audit_unavailable'));
  }

  async function abandon(): Promise<void> {
    isOver = true;
    // Not under a sync: its descriptor could be another file's by then.
    await syncing;
    closeSegment();
  }

  function closeSegment(): void {
    if (segment === null) return;
    try {
      fs.close(segment.fd);
    } catch {
      // All that was acknowledged is synced; a failing close takes nothing back.
    }
    segment = null;
  }

  return {
    setEpoch,
    commit,
    check,
    openIntents: () => openIntents,
    abandon,
    close: async () => {
      while (syncing !== null) await syncing;
      if (isOver) return;
      isOver = true;
      closeSegment();
      await checkpointer.close();
    },
  };
}

const noBytes = Buffer.alloc(0);

/** A buffer that grows and is used again: the frames of one write, back to back. */
interface FrameBuffer {
  /** Where the next frame's payload goes. The header's 32 bytes in front of it are free until `finish`. */
  open(payloadBytes: number): { readonly buffer: Buffer; readonly at: number };
  finish(flags: number, sequence: number, link: Uint8Array): void;
  /** What was finished, and begins anew. Valid until the next frame is opened. */
  take(): Buffer;
}

const keptBytesMax = 8 * 1024 * 1024;
const leastBytes = 64 * 1024;

function createFrameBuffer(): FrameBuffer {
  let buffer = noBytes;
  let used = 0;
  let payloadBytes = 0;
  return {
    open: (bytes) => {
      payloadBytes = bytes;
      const end = used + frameHeaderBytes + bytes;
      if (end > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(end, buffer.length * 2, leastBytes));
        buffer.copy(larger, 0, 0, used);
        buffer = larger;
      }
      return { buffer, at: used + frameHeaderBytes };
    },
    finish: (flags, sequence, link) => {
      finishFrame(buffer, used, payloadBytes, flags, sequence, link);
      used += frameHeaderBytes + payloadBytes;
    },
    take: () => {
      const taken = buffer.subarray(0, used);
      used = 0;
      if (buffer.length > keptBytesMax) buffer = noBytes;
      return taken;
    },
  };
}
