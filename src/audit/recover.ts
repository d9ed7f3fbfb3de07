import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { isJsonObject, jsonObjectOf } from '../lib/json.ts';
import type { Leaf } from './checkpointer.ts';
import { type Frame, frameFlags, frameMagic, readFrame } from './frame.ts';
import type { FsPort } from './fs-port.ts';
import { layout, segmentFirst } from './layout.ts';
import { leafBytes, manifestCommitment } from './manifest.ts';
import { readCheckpoint } from './note.ts';
import { readRecord } from './record.ts';
import { bundleEntry, createTreeEdge, edgeWidths, hashLeaf, type TreeEdge, tilePath, tileWidth } from './tree.ts';

/** What a writer needs to go on where the one before it stopped. */
export interface Recovered {
  readonly nextSequence: number;
  /** Hash of the last record's leaf, for the next frame's link. */
  readonly link: Buffer;
  /** Exchanges whose intent has no outcome, with the intent's record id. */
  readonly openIntents: ReadonlyMap<string, string>;
  /** Bytes of an unfinished write that were cut off; they were never acknowledged. */
  readonly cutBytes: number;
  /** Name of the log that goes on where this one has ended; null: it has not. */
  readonly next: string | null;
  /** True for a directory that never was a log: it wants a checkpoint of the empty tree before its first record. */
  readonly isNew: boolean;
  /** The tree as the checkpoint on disk has it. */
  readonly tree: TreeEdge;
  /** Entries of the checkpointed tree's last, partial bundle. */
  readonly bundle: readonly Buffer[];
  readonly checkpointSize: number;
  /** Durable records that no checkpoint covers yet. */
  readonly uncovered: readonly Leaf[];
}

/**
 * Reads the log's end and makes it sound: every record that was acknowledged is there, an unfinished last write is cut.
 * Throws Fault `audit_unavailable` when the log is damaged anywhere else, when its checkpoint is not ours or when records
 * that it covers are gone: then the writer MUST NOT start.
 */
export function recover(
  fs: FsPort,
  directory: string,
  origin: string,
  signingKey: KeyObject,
  rawKey: Buffer,
): Recovered {
  const checkpointed = readTree(fs, directory, origin, signingKey, rawKey);
  const segments = listSegments(fs, directory);
  if (checkpointed === null && segments.length > 0) throw damaged('there are records and no checkpoint');
  if (checkpointed === null) return nothing();
  const state: Scan = {
    expected: 0,
    link: Buffer.alloc(8),
    openIntents: new Map(),
    leaves: [],
    checkpointSize: checkpointed.size,
    edgeHashes: checkpointed.edgeHashes,
    next: null,
  };
  let cutBytes = 0;
  const from = firstToScan(segments, checkpointed.size);
  for (let i = from; i < segments.length; i++) {
    const segment = segments[i];
    if (segment === undefined) break;
    if (i === from) state.expected = segment.first;
    else if (state.expected !== segment.first) {
      throw damaged(`${segment.path} stands where the segment of record ${state.expected} should`);
    }
    cutBytes += scanSegment(fs, segment.path, state, i === segments.length - 1);
  }
  if (state.expected < checkpointed.size) {
    throw damaged(`rollback: the checkpoint covers ${checkpointed.size} records, the segments hold ${state.expected}`);
  }
  discardUnpublished(fs, directory, checkpointed.size, state.expected);
  return {
    isNew: false,
    nextSequence: state.expected,
    link: state.link,
    openIntents: state.openIntents,
    cutBytes,
    next: state.next,
    tree: checkpointed.tree,
    bundle: checkpointed.bundle,
    checkpointSize: checkpointed.size,
    uncovered: state.leaves,
  };
}

function nothing(): Recovered {
  return {
    isNew: true,
    nextSequence: 0,
    link: Buffer.alloc(8),
    openIntents: new Map(),
    cutBytes: 0,
    next: null,
    tree: createTreeEdge(0, []),
    bundle: [],
    checkpointSize: 0,
    uncovered: [],
  };
}

interface Segment {
  readonly first: number;
  readonly path: string;
}

interface Scan {
  /** Sequence number of the record that must come next. */
  expected: number;
  link: Buffer;
  readonly openIntents: Map<string, string>;
  readonly leaves: Leaf[];
  readonly checkpointSize: number;
  /** Hashes of the checkpoint's last, partial tile of leaves. */
  readonly edgeHashes: readonly Buffer[];
  /** What the last record names as the log that follows. */
  next: string | null;
}

function listSegments(fs: FsPort, directory: string): Segment[] {
  const found: Segment[] = [];
  for (const name of fs.list(layout.segments(directory))) {
    const first = segmentFirst(name);
    if (first === null) throw damaged(`${name} among the segments is none`);
    found.push({ first, path: join(layout.segments(directory), name) });
  }
  return found;
}

/** The last segment that begins within the checkpoint: its header says which intents were open then. */
function firstToScan(segments: readonly Segment[], checkpointSize: number): number {
  const index = segments.findLastIndex((segment) => segment.first < checkpointSize);
  return Math.max(index, 0);
}

/** Returns the bytes that were cut off the segment. */
function scanSegment(fs: FsPort, path: string, state: Scan, isLast: boolean): number {
  const bytes = fs.read(path) ?? Buffer.alloc(0);
  let at = 0;
  let batchAt = 0;
  let isEmpty = true;
  for (let frame = readFrame(bytes, 0); frame !== null; frame = readFrame(bytes, at)) {
    // A block that the file system has used before may hold an intact frame of long ago: no write of ours counts backwards.
    if (isLast && frame.sequence < state.expected) break;
    if (frame.sequence !== state.expected) {
      throw damaged(`${path} at ${at}: record ${frame.sequence} stands where ${state.expected} should`);
    }
    if (frame.flags & frameFlags.batchStart) batchAt = at;
    if (frame.flags & frameFlags.header) {
      if (at !== 0) throw damaged(`${path} at ${at}: a segment's header inside a segment`);
      takeHeader(frame, path, state);
    } else {
      if (at === 0) throw damaged(`${path}: the segment has no header`);
      takeRecord(frame, path, state);
      isEmpty = false;
    }
    at = frame.end;
  }
  if (at < bytes.length) {
    if (!isLast || hasLaterBatch(bytes, at, state.expected))
      throw damaged(`${path} at ${at}: damaged, and later records follow`);
    // Nothing was acknowledged behind the last write's beginning, so what is torn was promised to nobody.
    if (!isEmpty) fs.truncate(path, at);
  }
  if (isLast && isEmpty) {
    // Only a header: its name is that of the segment which the next writer creates.
    fs.remove(path);
    return bytes.length - at;
  }
  if (isLast) {
    // A failed write-back leaves pages that read well and are not on disk. Dirty them again, so that this fsync counts.
    fs.rewrite(path, batchAt, bytes.subarray(batchAt, at));
  }
  return bytes.length - at;
}

function takeHeader(frame: Frame, path: string, state: Scan): void {
  const header = jsonObjectOf(frame.payload.toString());
  const open = header?.['open'];
  if (header === null || !isJsonObject(open)) throw damaged(`${path}: the segment's header is not readable`);
  state.openIntents.clear();
  for (const [exchange, id] of Object.entries(open)) {
    if (typeof id === 'string') state.openIntents.set(exchange, id);
  }
  state.link = Buffer.from(frame.link);
}

function takeRecord(frame: Frame, path: string, state: Scan): void {
  const where = `${path} at ${frame.offset}`;
  if (!frame.link.equals(state.link)) throw damaged(`${where}: the record does not follow the one before it`);
  const record = readRecord(frame.payload);
  const manifest = record === null ? null : jsonObjectOf(record.manifest.toString());
  if (record === null || manifest === null) throw damaged(`${where}: the record is not readable`);
  const { id, kind, exchange, facts } = manifest;
  if (typeof id !== 'string' || typeof kind !== 'string' || typeof exchange !== 'string') {
    throw damaged(`${where}: the manifest lacks id, kind or exchange`);
  }
  const bytes = leafBytes(manifestCommitment(record.manifest), id, kind);
  const leaf = { bytes, hash: hashLeaf(bytes) };
  const covered = state.edgeHashes[frame.sequence - (state.checkpointSize - state.edgeHashes.length)];
  if (covered !== undefined && frame.sequence < state.checkpointSize && !covered.equals(leaf.hash)) {
    throw damaged(`${where}: the record is not the one that the checkpoint covers`);
  }
  if (frame.sequence >= state.checkpointSize) state.leaves.push(leaf);
  if (kind === 'intent' && !(isJsonObject(facts) && facts['final'] === true)) state.openIntents.set(exchange, id);
  if (kind === 'outcome' || kind === 'aborted') state.openIntents.delete(exchange);
  state.next = kind === 'close' && isJsonObject(facts) && typeof facts['next'] === 'string' ? facts['next'] : null;
  state.link = leaf.hash.subarray(0, 8);
  state.expected = frame.sequence + 1;
}

/** Whether an intact frame that begins a write behind record `expected` stands anywhere after `from`: then what is bad before it was synced. */
function hasLaterBatch(bytes: Buffer, from: number, expected: number): boolean {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(frameMagic);
  for (let at = bytes.indexOf(magic, from + 1); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const frame = readFrame(bytes, at);
    if (frame === null || frame.sequence <= expected) continue;
    if (frame.flags & (frameFlags.batchStart | frameFlags.header)) return true;
  }
  return false;
}

/** A crash while publishing leaves partial tiles that no checkpoint covers, whole or not. Later ones would not replace them. */
function discardUnpublished(fs: FsPort, directory: string, published: number, durable: number): void {
  for (const [level, span] of [['entries', tileWidth] as const, ...tileSpans(durable)]) {
    for (let index = Math.floor(published / span); index <= Math.floor(durable / span); index++) {
      const partials = `${layout.tile(directory, tilePath(level, index, tileWidth))}.p`;
      const covered = Math.floor((published - index * span) / (span / tileWidth));
      for (const name of fs.list(partials)) {
        if (Number(name) > covered) fs.remove(join(partials, name));
      }
    }
  }
}

/** Each level with the number of leaves under one of its tiles. */
function tileSpans(size: number): (readonly [level: number, span: number])[] {
  return edgeWidths(size).map(({ level }) => [level, tileWidth ** (level + 1)] as const);
}

interface CheckpointedTree {
  readonly size: number;
  readonly tree: TreeEdge;
  readonly bundle: readonly Buffer[];
  readonly edgeHashes: readonly Buffer[];
}

/** The right edge of the checkpointed tree, checked against the signed root. */
function readTree(
  fs: FsPort,
  directory: string,
  origin: string,
  signingKey: KeyObject,
  rawKey: Buffer,
): CheckpointedTree | null {
  const note = fs.read(layout.checkpoint(directory));
  if (note === null) return null;
  const checkpoint = readCheckpoint(note.toString(), origin, createPublicKey(signingKey), rawKey);
  if (!checkpoint.ok) throw damaged(`the checkpoint cannot be taken over: ${checkpoint.error}`);
  const { size, root } = checkpoint.value;
  const levels = edgeWidths(size).map(({ level, index, width }) => {
    const bytes = readTile(fs, directory, level, index, width);
    return Array.from({ length: width }, (_, i) => bytes.subarray(i * 32, (i + 1) * 32));
  });
  const tree = createTreeEdge(size, levels);
  if (!tree.root().equals(root)) throw damaged('the tiles do not have the root that the checkpoint signs');
  const edgeHashes = levels[0] ?? [];
  return { size, tree, bundle: readBundle(fs, directory, size, edgeHashes), edgeHashes };
}

function readTile(fs: FsPort, directory: string, level: number, index: number, width: number): Buffer {
  if (width === 0) return Buffer.alloc(0);
  for (const candidate of [width, tileWidth]) {
    const bytes = fs.read(layout.tile(directory, tilePath(level, index, candidate)));
    // A crash between writing a tile and publishing it can leave one that is not whole; the root decides what is right.
    if (bytes !== null && bytes.length >= width * 32) return bytes.subarray(0, width * 32);
  }
  throw damaged(`${tilePath(level, index, width)} is missing`);
}

function readBundle(fs: FsPort, directory: string, size: number, hashes: readonly Buffer[]): Buffer[] {
  const width = hashes.length;
  if (width === 0) return [];
  const index = Math.floor(size / tileWidth);
  for (const candidate of [width, tileWidth]) {
    const bytes = fs.read(layout.tile(directory, tilePath('entries', index, candidate)));
    const entries = bytes === null ? [] : splitBundle(bytes).slice(0, width);
    if (entries.length === width && entries.every((entry, i) => hashes[i]?.equals(hashLeaf(entry)))) {
      return entries.map((entry) => bundleEntry(entry));
    }
  }
  throw damaged(`${tilePath('entries', index, width)} does not hold the leaves that the checkpoint covers`);
}

function splitBundle(bytes: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) break;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

function damaged(what: string): Fault {
  return new Fault('audit_unavailable', `the audit log is damaged: ${what}`);
}
