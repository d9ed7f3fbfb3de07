import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../lib/fault.ts';
import { isJsonObject, type JsonObject, type JsonValue, jsonObjectOf } from '../lib/json.ts';
import { readEpochKey } from './epoch-keys.ts';
import { type Frame, frameFlags, frameHeaderBytes, frameMagic, readFrame } from './frame.ts';
import { nodeFs } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout, segmentFirst } from './layout.ts';
import { readRecord } from './record.ts';
import { bodyCommitment, saltBytes, sealContext, unseal, wrappingKey } from './seal.ts';
import { isPutAside, keysHome } from './shards.ts';
import { readSubjectKey } from './subject-keys.ts';
import { listOptional } from './verify-problems.ts';

/** A record as anyone may see it who may read the log: facts and commitments, nothing sealed. */
export interface StoredRecord {
  readonly sequence: number;
  readonly id: string;
  readonly kind: string;
  readonly exchange: string;
  readonly session: string;
  /** When it was put on record, nanoseconds since the epoch. */
  readonly wallNs: bigint;
  readonly facts: JsonObject;
  /** In the order in which they are sealed. */
  readonly bodies: readonly StoredBody[];
  /** The whole manifest, parsed. Its exact bytes are `manifestBytes`. */
  readonly manifest: JsonObject;
  readonly manifestBytes: Buffer;
  /** Ciphertext: of use only to `openBodies`. */
  readonly sealed: Buffer;
  /** Folder of the log that it is in. */
  readonly folder: string;
  /** Where it lies there: number of its segment's first record, and offset of its frame. */
  readonly segment: number;
  readonly offset: number;
}

export interface StoredBody {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
}

export interface ReadOptions {
  /** First sequence number; default 0. */
  readonly from?: number;
  /** Waits for what is written later, until the signal is aborted. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** How often a following reader looks; default 250 ms. */
  readonly pollMs?: number;
  /** Goes on behind what is damaged, where the next intact frame stands; default: of a log that was put aside as damaged. */
  readonly salvage?: boolean;
}

/**
 * Records in order, straight from the segments; runs beside the writer. It reads, it does not judge: ends at the first
 * frame that is not intact (a following reader waits there for the writer). `verifyLog` says whether the log is sound.
 */
export async function* readRecords(directory: string, options: ReadOptions = {}): AsyncGenerator<StoredRecord> {
  for await (const records of readRecordChunks(directory, options)) yield* records;
}

/** The same, as many at a time as were read from disk in one go: never none. What reads a long way pays the waiting once for them all. */
export async function* readRecordChunks(
  directory: string,
  options: ReadOptions = {},
): AsyncGenerator<readonly StoredRecord[]> {
  const from = options.from ?? 0;
  let read: number | null = null;
  for (;;) {
    const segments = await listSegments(directory);
    const current: number | undefined = nextSegment(segments, read, from);
    if (current === undefined) {
      if (!options.follow || options.signal?.aborted) return;
      await pause(options);
      continue;
    }
    const isClosed = segments.some((first) => first > current);
    yield* readSegment(directory, current, options, isClosed);
    if (options.signal?.aborted) return;
    read = current;
  }
}

function nextSegment(segments: readonly number[], read: number | null, from: number): number | undefined {
  if (read !== null) return segments.find((first) => first > read);
  return segments.findLast((first) => first <= from) ?? segments[0];
}

/** The last `count` records, oldest first. */
export async function lastRecords(directory: string, count: number): Promise<StoredRecord[]> {
  const segments = await listSegments(directory);
  let found: StoredRecord[] = [];
  for (const first of segments.reverse()) {
    let here: StoredRecord[] = [];
    for await (const records of readSegment(directory, first, {}, true)) here = [...here, ...records].slice(-count);
    found = [...here, ...found].slice(-count);
    if (found.length >= count) break;
  }
  return found;
}

/** The record whose frame begins at an offset of a segment; null when none does (any more). */
export async function readRecordAt(directory: string, segment: number, offset: number): Promise<StoredRecord | null> {
  const file = await openSegment(directory, segment);
  if (file === null) return null;
  try {
    const frame = await readFrameAt(file, offset);
    return frame === null ? null : toRecord(frame, directory, segment, offset);
  } finally {
    await file.close();
  }
}

/** A segment as its header tells it. */
export interface SegmentHead {
  readonly first: number;
  /** The epoch that all its records are sealed under. */
  readonly epoch: string;
}

/**
 * The segments in order, without the last one while its header is not written yet. Throws Fault `audit_unavailable` when any other cannot be
 * read: whoever destroys by this list must know of all of them.
 */
export async function readSegmentHeads(directory: string): Promise<SegmentHead[]> {
  const heads: SegmentHead[] = [];
  const segments = await listSegments(directory);
  for (const first of segments) {
    const epoch = await readEpoch(directory, first);
    if (epoch !== null) heads.push({ first, epoch });
    else if (first !== segments.at(-1)) {
      throw new Fault('audit_unavailable', `${layout.segment(directory, first)} cannot be read`);
    }
  }
  return heads;
}

async function readEpoch(directory: string, segment: number): Promise<string | null> {
  const file = await openSegment(directory, segment);
  if (file === null) return null;
  try {
    const frame = await readFrameAt(file, 0);
    const header = frame === null ? null : jsonObjectOf(frame.payload.toString());
    return header === null ? null : text(header['epoch']);
  } finally {
    await file.close();
  }
}

/** The intact frame at an offset, or null. A length that the file does not have is damage, and nothing is allocated for it. */
async function readFrameAt(file: FileHandle, offset: number): Promise<Frame | null> {
  const { size } = await file.stat();
  const start = Buffer.alloc(frameHeaderBytes);
  const { bytesRead } = await file.read(start, 0, start.length, offset);
  if (bytesRead < start.length || start.readUInt32LE(0) !== frameMagic) return null;
  const bytes = frameHeaderBytes + start.readUInt32LE(4);
  if (offset + bytes > size) return null;
  const whole = Buffer.alloc(bytes);
  await file.read(whole, 0, bytes, offset);
  return readFrame(whole, 0);
}

/** Null when there is no such segment (any more); everything else that keeps it from being opened is a fault. */
async function openSegment(directory: string, segment: number): Promise<FileHandle | null> {
  try {
    return await open(layout.segment(directory, segment), 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new Fault('audit_unavailable', 'a segment of the audit log cannot be opened', error);
  }
}

/** All records with this id, or of this exchange or session, in order. Reads the whole log. */
export async function findRecords(directory: string, id: string): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for await (const record of readRecords(directory)) {
    if (record.id === id || record.exchange === id || record.session === id) found.push(record);
  }
  return found;
}

export interface OpenedBody extends StoredBody {
  readonly content: Buffer;
  /** Secret salt of its commitment: shown together with the content it lets others check that this is what was recorded. */
  readonly salt: Buffer;
}

/**
 * Opens the sealed bodies of a record for a holder of the key-encryption key, and checks them against their commitments.
 * Whoever offers this to people MUST have put an `access` entry on record before. Throws Fault `key_unavailable` when the
 * key is not there or not the right one, or when what it opens is not what was recorded.
 */
export async function openBodies(
  directory: string,
  record: StoredRecord,
  keys: Pick<AuditKeys, 'unwrap'>,
): Promise<readonly OpenedBody[]> {
  if (record.bodies.length === 0) return [];
  const { epoch, origin } = record.manifest;
  if (typeof epoch !== 'string' || typeof origin !== 'string') throw unopened(record, 'it names no epoch');
  const subject = record.manifest['subject'];
  const home = keysHome(directory);
  const epochKey = await readEpochKey(nodeFs, home, keys, epoch);
  const subjectKey = typeof subject === 'string' ? await readSubjectKey(nodeFs, home, keys, subject) : null;
  const key = wrappingKey(epochKey, subjectKey);
  const names = record.bodies.map((body) => body.name);
  const plaintext = unseal(record.sealed, sealContext(origin, record.id, names), key);
  if (plaintext === null) throw unopened(record, 'the key does not fit');
  const opened: OpenedBody[] = [];
  let at = 0;
  for (const body of record.bodies) {
    const salted = plaintext.subarray(at, at + saltBytes + body.bytes);
    if (bodyCommitment(salted) !== commitmentOf(record.manifest, body.name)) {
      throw unopened(record, `"${body.name}" is not what was recorded`);
    }
    opened.push({ ...body, salt: salted.subarray(0, saltBytes), content: salted.subarray(saltBytes) });
    at += salted.length;
  }
  return opened;
}

function unopened(record: StoredRecord, why: string): Fault {
  return new Fault('key_unavailable', `record ${record.id} cannot be opened: ${why}`);
}

async function listSegments(directory: string): Promise<number[]> {
  return (await listOptional(layout.segments(directory)))
    .map(({ name }) => segmentFirst(name))
    .filter((first) => first !== null)
    .sort((a, b) => a - b);
}

/** The records of one segment, by pieces of the file. With `follow`, waits at its end until there is a newer one. */
async function* readSegment(
  directory: string,
  first: number,
  options: ReadOptions,
  isClosed: boolean,
): AsyncGenerator<readonly StoredRecord[]> {
  const file = await open(join(layout.segment(directory, first)), 'r');
  try {
    let rest: Buffer = Buffer.alloc(0);
    let position = 0;
    for (let isLastLook = isClosed; ; ) {
      const grown = await readMore(file, position);
      position += grown.length;
      const start = position - grown.length - rest.length;
      rest = rest.length === 0 ? grown : Buffer.concat([rest, grown]);
      const records: StoredRecord[] = [];
      let at = 0;
      for (let frame = readFrame(rest, 0); frame !== null; frame = readFrame(rest, at)) {
        at = frame.end;
        if (frame.sequence < (options.from ?? 0)) continue;
        const record = toRecord(frame, directory, first, start + frame.offset);
        if (record !== null) records.push(record);
      }
      rest = rest.subarray(at);
      if (records.length > 0) yield records;
      if (grown.length > 0) continue;
      if (options.salvage ?? isPutAside(directory)) {
        const intact = framesBehindDamage(rest).map((frame) =>
          toRecord(frame, directory, first, position - rest.length + frame.offset),
        );
        yield intact.filter((record) => record !== null);
        return;
      }
      if (isLastLook || !options.follow || options.signal?.aborted) return;
      await pause(options);
      // Once a newer segment is there nothing more comes to this one: look a last time.
      isLastLook = (await listSegments(directory)).some((other) => other > first);
    }
  } finally {
    await file.close();
  }
}

/** Intact frames, wherever they stand: their checksums say that they are. */
function framesBehindDamage(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(frameMagic);
  for (let at = bytes.indexOf(magic); at >= 0; ) {
    const frame = readFrame(bytes, at);
    if (frame !== null) frames.push(frame);
    at = bytes.indexOf(magic, frame === null ? at + 1 : frame.end);
  }
  return frames;
}

const chunkBytes = 1024 * 1024;

async function readMore(file: FileHandle, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
  return buffer.subarray(0, bytesRead);
}

async function pause(options: ReadOptions): Promise<void> {
  // An abort ends the waiting, too; the caller looks at the signal.
  await wait(options.pollMs ?? 250, undefined, options.signal ? { signal: options.signal } : {}).catch(() => undefined);
}

function toRecord(frame: Frame, folder: string, segment: number, offset: number): StoredRecord | null {
  if (frame.flags & frameFlags.header) return null;
  const parts = readRecord(frame.payload);
  const manifest = parts === null ? null : jsonObjectOf(parts.manifest.toString());
  if (parts === null || manifest === null) return null;
  const { id, kind, exchange, session, facts, t } = manifest;
  const wall = isJsonObject(t) ? t['wall_ns'] : undefined;
  return {
    sequence: frame.sequence,
    id: text(id),
    kind: text(kind),
    exchange: text(exchange),
    session: text(session),
    wallNs: typeof wall === 'string' && /^[0-9]+$/.test(wall) ? BigInt(wall) : 0n,
    facts: isJsonObject(facts) ? facts : {},
    bodies: storedBodies(manifest),
    manifest,
    manifestBytes: parts.manifest,
    sealed: parts.sealed,
    folder,
    segment,
    offset,
  };
}

function storedBodies(manifest: JsonObject): StoredBody[] {
  const parts = isJsonObject(manifest['bodies']) ? manifest['bodies']['parts'] : undefined;
  if (!isJsonObject(parts)) return [];
  return Object.keys(parts)
    .sort()
    .map((name) => {
      const part = parts[name];
      const bytes = isJsonObject(part) && typeof part['n'] === 'number' ? part['n'] : 0;
      return { name, mediaType: isJsonObject(part) ? text(part['mt']) : '', bytes };
    });
}

function commitmentOf(manifest: JsonObject, name: string): string {
  const parts = isJsonObject(manifest['bodies']) ? manifest['bodies']['parts'] : undefined;
  const part = isJsonObject(parts) ? parts[name] : undefined;
  return isJsonObject(part) ? text(part['pt']) : '';
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
