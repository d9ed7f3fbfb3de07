import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import { type UnpackedRecord, unpackBatch } from './batch.ts';
import type { Checkpointer, Leaf } from './checkpointer.ts';
import { finishFrame, frameFlags, frameHeaderBytes } from './frame.ts';
import { type FsPort, shortWrite } from './fs-port.ts';
import { layout } from './layout.ts';
import { type BodyCommitment, type Commitments, completeManifest, leafBytes, manifestCommitment } from './manifest.ts';
import { recordBytes, writeRecord } from './record.ts';
import { bodyCommitment, saltBytes, seal, sealContext, sealedHash } from './seal.ts';
import { hashLeaf } from './tree.ts';

export interface Epoch {
  readonly id: string;
  readonly key: Uint8Array;
}

/** The only thing that writes to a log: seals, frames, commits in groups. It lives in a thread of its own. */
export interface Writer {
  /** Records from now on are sealed under this epoch, in a new segment. */
  setEpoch(epoch: Epoch): void;
  /** Takes a packed batch. Its records are written as soon as the sync before them has returned. */
  submit(batch: Buffer): void;
  /** Looks whether the segment is still the file that readers will find. */
  check(): void;
  /** Writes all that was submitted, publishes the last checkpoint. */
  close(): Promise<void>;
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
  /** All records up to and including this one are on stable storage. */
  onDurable(sequence: number): void;
  /** Called at most once; the writer does nothing any more after it. */
  onFailure(fault: Fault): void;
}

/** Records that go to disk in one write and one sync. */
interface Chunk {
  readonly bytes: FrameBuffer;
  readonly leaves: Leaf[];
  readonly intents: { readonly exchange: string; readonly open: string | null }[];
  readonly first: number;
  last: number;
  /** The epoch that begins with this chunk; null: as before. */
  readonly epoch: Epoch | null;
  /** Link of the first frame. */
  readonly link: Uint8Array;
}

interface OpenSegment {
  readonly fd: number;
  readonly path: string;
  bytes: number;
}

export function createWriter(options: WriterOptions): Writer {
  const { fs, checkpointer } = options;
  const openIntents = new Map(options.openIntents);
  const chunks: Chunk[] = [];
  const spare: FrameBuffer[] = [];
  let epoch: Epoch | null = null;
  let isEpochNew = false;
  let nextSequence = options.nextSequence;
  let link: Uint8Array = options.link;
  let segment: OpenSegment | null = null;
  let segmentEpoch = '';
  let isFailed = false;
  let draining: Promise<void> | null = null;

  function submit(batch: Buffer): void {
    if (isFailed || batch.length === 0) return;
    try {
      for (const record of unpackBatch(batch)) add(record);
    } catch (error) {
      fail(error);
      return;
    }
    draining ??= drain().finally(() => {
      draining = null;
    });
  }

  function add(record: UnpackedRecord): void {
    if (epoch === null) throw new Error('a record came before its epoch');
    if (record.sequence !== nextSequence) {
      throw new Error(`record ${record.sequence} came where ${nextSequence} should`);
    }
    const chunk = chunkFor(record.sequence, epoch);
    const leaf = frameRecord(chunk, record, epoch);
    chunk.leaves.push(leaf);
    chunk.last = record.sequence;
    if (record.isAwaited) chunk.intents.push({ exchange: record.exchange, open: record.id });
    else if (record.kind === 'outcome' || record.kind === 'aborted') {
      chunk.intents.push({ exchange: record.exchange, open: null });
    }
    link = leaf.hash.subarray(0, 8);
    nextSequence += 1;
  }

  function chunkFor(sequence: number, current: Epoch): Chunk {
    const last = chunks.at(-1);
    if (last !== undefined && !isEpochNew) return last;
    const chunk: Chunk = {
      bytes: spare.pop() ?? createFrameBuffer(),
      leaves: [],
      intents: [],
      first: sequence,
      last: sequence,
      epoch: isEpochNew ? current : null,
      link,
    };
    isEpochNew = false;
    chunks.push(chunk);
    return chunk;
  }

  function frameRecord(chunk: Chunk, record: UnpackedRecord, current: Epoch): Leaf {
    const { commitments, sealed } = sealBodies(record, current);
    const parts = { manifest: Buffer.from(completeManifest(record.draft, commitments)), sealed };
    const flags = record.sequence === chunk.first ? frameFlags.batchStart : 0;
    chunk.bytes.append(recordBytes(parts), flags, record.sequence, link, (buffer, at) =>
      writeRecord(buffer, at, parts),
    );
    const bytes = leafBytes(manifestCommitment(parts.manifest), record.id, record.kind);
    return { bytes, hash: hashLeaf(bytes) };
  }

  function sealBodies(record: UnpackedRecord, current: Epoch): { commitments: Commitments; sealed: Buffer } {
    if (record.bodies.length === 0) return { commitments: { sealed: null, parts: [] }, sealed: noBytes };
    const parts: BodyCommitment[] = [];
    let at = 0;
    for (const body of record.bodies) {
      const salted = record.plaintext.subarray(at, at + saltBytes + body.bytes);
      options.random(saltBytes).copy(salted);
      parts.push({ ...body, plaintext: bodyCommitment(salted) });
      at += salted.length;
    }
    const names = record.bodies.map((body) => body.name);
    const context = sealContext(options.origin, record.id, names);
    const sealed = seal(record.plaintext, context, current.key, options.random);
    record.plaintext.fill(0);
    return { commitments: { sealed: sealedHash(sealed), parts }, sealed };
  }

  /** One write and one sync at a time; what arrives meanwhile is the next group. */
  async function drain(): Promise<void> {
    try {
      for (let chunk = chunks.shift(); chunk !== undefined && !isFailed; chunk = chunks.shift()) await commit(chunk);
    } catch (error) {
      fail(error);
    }
  }

  async function commit(chunk: Chunk): Promise<void> {
    const bytes = chunk.bytes.view();
    const target = await segmentFor(chunk, bytes.length);
    const written = fs.write(target.fd, bytes);
    if (written !== bytes.length) throw shortWrite(target.path, written, bytes.length);
    await fs.fdatasync(target.fd);
    if (isFailed) return;
    target.bytes += written;
    for (const { exchange, open } of chunk.intents) {
      if (open === null) openIntents.delete(exchange);
      else openIntents.set(exchange, open);
    }
    options.onDurable(chunk.last);
    checkpointer.add(chunk.leaves);
    if (chunk.bytes.reset()) spare.push(chunk.bytes);
  }

  async function segmentFor(chunk: Chunk, bytes: number): Promise<OpenSegment> {
    if (chunk.epoch !== null) segmentEpoch = chunk.epoch.id;
    if (segment !== null && chunk.epoch === null && segment.bytes + bytes <= options.segmentBytesMax) return segment;
    if (segment !== null) fs.close(segment.fd);
    segment = null;
    const path = layout.segment(options.directory, chunk.first);
    const opened = { fd: fs.create(path), path, bytes: 0 };
    segment = opened;
    const header = segmentHeader(chunk);
    const written = fs.write(opened.fd, header);
    if (written !== header.length) throw shortWrite(path, written, header.length);
    // Durable, name and all, before a record goes in: a torn header with intact records behind it is then never a crash.
    await fs.fsync(opened.fd);
    await fs.syncDirectory(layout.segments(options.directory));
    opened.bytes = written;
    return opened;
  }

  function segmentHeader(chunk: Chunk): Buffer {
    for (const exchange of openIntents.keys()) {
      if (openIntents.size <= options.openIntentsMax) break;
      openIntents.delete(exchange);
    }
    const payload = Buffer.from(
      canonicalJson({
        boot: options.boot,
        epoch: segmentEpoch,
        first: String(chunk.first),
        open: Object.fromEntries(openIntents),
        origin: options.origin,
        v: 1,
      }),
    );
    const frame = createFrameBuffer();
    const flags = frameFlags.header | frameFlags.batchStart;
    frame.append(payload.length, flags, chunk.first, chunk.link, (buffer, at) => buffer.set(payload, at));
    return frame.view();
  }

  function check(): void {
    if (isFailed || segment === null) return;
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

  function fail(error: unknown): void {
    if (isFailed) return;
    isFailed = true;
    if (segment !== null) closeQuietly(fs, segment.fd);
    segment = null;
    options.onFailure(Fault.from(error, 'audit_unavailable'));
  }

  return {
    setEpoch: (next) => {
      epoch = next;
      isEpochNew = true;
    },
    submit,
    check,
    close: async () => {
      while (draining !== null) await draining;
      if (!isFailed) await checkpointer.close();
      isFailed = true;
      if (segment !== null) fs.close(segment.fd);
      segment = null;
    },
  };
}

const noBytes = Buffer.alloc(0);

/** A buffer that grows and is used again: frames of one chunk, back to back. */
interface FrameBuffer {
  append(
    payloadBytes: number,
    flags: number,
    sequence: number,
    link: Uint8Array,
    fill: (buffer: Buffer, at: number) => void,
  ): void;
  view(): Buffer;
  /** Empties it; false when it grew too large to be kept. */
  reset(): boolean;
}

const keptBytesMax = 4 * 1024 * 1024;

function createFrameBuffer(): FrameBuffer {
  let buffer = Buffer.allocUnsafeSlow(64 * 1024);
  let used = 0;
  return {
    append: (payloadBytes, flags, sequence, link, fill) => {
      const end = used + frameHeaderBytes + payloadBytes;
      if (end > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(end, buffer.length * 2));
        buffer.copy(larger, 0, 0, used);
        buffer = larger;
      }
      fill(buffer, used + frameHeaderBytes);
      finishFrame(buffer, used, payloadBytes, flags, sequence, link);
      used = end;
    },
    view: () => buffer.subarray(0, used),
    reset: () => {
      used = 0;
      return buffer.length <= keptBytesMax;
    },
  };
}

function closeQuietly(fs: FsPort, fd: number): void {
  try {
    fs.close(fd);
  } catch {
    // The failure that brought us here is the one to report.
  }
}
