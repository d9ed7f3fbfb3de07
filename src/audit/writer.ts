import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import { createBatchSealer, type Epoch, type SealedBatch } from './batch-sealer.ts';
import type { Checkpointer } from './checkpointer.ts';
import { finishFrame, frameFlags, frameHeaderBytes } from './frame.ts';
import { type FsPort, shortWrite } from './fs-port.ts';
import { layout } from './layout.ts';
import { hashBytes } from './tree.ts';

/**
 * The only thing that writes to a log: seals, ties together what it and others have sealed, commits in groups. It blocks while it does,
 * so it lives in a thread of its own. While a group is synced the next one is sealed, and written after it: on the disk there is never
 * more than one group that is not synced, which recovery relies on.
 */
export interface Writer {
  /** Records from now on are sealed under this epoch, in a new segment. */
  setEpoch(epoch: Epoch): void;
  /** Seals a packed batch and puts it on stable storage, by one sync for all that came while the last one ran. */
  commit(batch: Buffer): void;
  /** Keeps a place for a batch that is sealed elsewhere, and gives it over to who has it. What is behind it is written after it. */
  reserve(): (batch: SealedBatch) => void;
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

/** What comes after what is synced, in order. */
type Step = BatchStep | { readonly kind: 'epoch'; readonly id: string };

interface BatchStep {
  readonly kind: 'batch';
  /** Null until it is sealed. */
  batch: SealedBatch | null;
}

/** Batches that share a sync. */
interface Group {
  readonly batches: SealedBatch[];
  records: number;
  bytes: number;
}

interface OpenSegment {
  readonly fd: number;
  readonly path: string;
  bytes: number;
}

/** A group of as many records waits for its sync in a thread of Node's pool, which costs it less than what comes meanwhile would lose. */
const recordsAtEase = 8;

export function createWriter(options: WriterOptions): Writer {
  const { fs, checkpointer } = options;
  const openIntents = new Map(options.openIntents);
  const sealer = createBatchSealer(options.origin, options.random);
  /** Of what is written. */
  let epoch = '';
  let segment: OpenSegment | null = null;
  let nextSequence = options.nextSequence;
  let link: Uint8Array = options.link;
  let isOver = false;
  const steps: Step[] = [];
  /** The sync under way. */
  let syncing: Promise<void> | null = null;
  /** Durable, and not in the tree yet. */
  let settled: SealedBatch[] = [];

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
    attempt(() => {
      steps.push({ kind: 'batch', batch: sealer.seal(batch) });
      writeSealed();
    });
  }

  function reserve(): (batch: SealedBatch) => void {
    const step: BatchStep = { kind: 'batch', batch: null };
    steps.push(step);
    return (batch) =>
      attempt(() => {
        step.batch = batch;
        writeSealed();
      });
  }

  function setEpoch(next: Epoch): void {
    attempt(() => {
      sealer.setEpoch(next);
      steps.push({ kind: 'epoch', id: next.id });
      writeSealed();
    });
  }

  /** Writes what is sealed up to the first gap, unless a sync is under way: that comes back here. */
  function writeSealed(): void {
    if (syncing !== null) return;
    const group = takeGroup();
    if (group === null) return;
    const { fd } = writeGroup(group);
    if (steps.length === 0 && group.records < recordsAtEase && !options.isMoreWaiting()) {
      fs.fdatasync(fd);
      settle(group);
      growTree();
      return;
    }
    syncing = fs.fdatasyncLater(fd).then(
      () => {
        syncing = null;
        attempt(() => {
          settle(group);
          // The disk first.
          writeSealed();
          growTree();
        });
      },
      (error: unknown) => {
        syncing = null;
        fail(error);
      },
    );
  }

  function takeGroup(): Group | null {
    const group: Group = { batches: [], records: 0, bytes: 0 };
    for (let step = steps[0]; step !== undefined; step = steps[0]) {
      if (step.kind === 'epoch') {
        // A segment is of one epoch.
        if (group.records > 0) break;
        epoch = step.id;
        closeSegment();
      } else {
        const { batch } = step;
        if (batch === null || (group.records > 0 && group.bytes + batch.frames.length > options.segmentBytesMax)) break;
        group.batches.push(batch);
        group.records += batch.records;
        group.bytes += batch.frames.length;
      }
      steps.shift();
    }
    return group.records === 0 ? null : group;
  }

  function writeGroup({ batches, bytes }: Group): OpenSegment {
    const target = segmentFor(bytes, nextSequence, link);
    for (const [index, batch] of batches.entries()) {
      if (batch.first !== nextSequence) throw new Error(`record ${batch.first} came where ${nextSequence} should`);
      const flags = index === 0 ? frameFlags.batchStart : 0;
      finishFrame(batch.frames, 0, batch.firstPayloadBytes, flags, batch.first, link);
      append(target, batch.frames);
      link = batch.hashes.subarray(-hashBytes);
      nextSequence += batch.records;
    }
    return target;
  }

  function settle({ batches }: Group): void {
    options.onDurable(nextSequence - 1);
    // Nobody waits for what comes now.
    for (const batch of batches) {
      for (const { exchange, id } of batch.intents) {
        if (id === null) openIntents.delete(exchange);
        else openIntents.set(exchange, id);
      }
      settled.push(batch);
    }
  }

  function growTree(): void {
    const leaves = settled;
    settled = [];
    for (const each of leaves) checkpointer.add(each);
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
        epoch,
        first: String(first),
        open: Object.fromEntries(openIntents),
        origin: options.origin,
        v: 1,
      }),
    );
    const header = Buffer.alloc(frameHeaderBytes + payload.length);
    header.set(payload, frameHeaderBytes);
    finishFrame(header, 0, payload.length, frameFlags.header | frameFlags.batchStart, first, firstLink);
    return header;
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
    reserve,
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
