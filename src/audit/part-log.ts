import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { AnswerInFlight, PartialAnswer, SubjectKey } from './entry.ts';
import type { EpochKey } from './epoch-keys.ts';
import { finishFrame, frameHeaderBytes } from './frame.ts';
import { nodeFs, shortWrite } from './fs-port.ts';
import { layout } from './layout.ts';
import { createSealer, sealContext, sealedExtraBytes, wrappingKey } from './seal.ts';

/**
 * What answers have given so far, beside the log, until their outcomes are durable: a crash in the middle of a stream keeps what the caller
 * already has, but for the last `limits.answerPartMs` or `limits.answerPartBytesMax` of it. The next start puts it into the
 * `aborted` record (part-recovery.ts), which is where it comes under the tree; until then nothing vouches for these files but
 * their seal. They are removed as soon as no answer in them is in flight, so a log without crashes keeps nothing here.
 *
 * It is no part of what must be durable before bytes leave: when it cannot write, that is told, and the outcome still decides.
 */
export interface PartLog {
  open(answer: AnswerInFlight): PartialAnswer;
  /** Writes what is waiting, and removes what nobody needs. Nothing is taken any more. */
  close(): Promise<void>;
}

export interface PartLogOptions {
  readonly directory: string;
  readonly origin: string;
  /** Id of the writer's run; names its files. */
  readonly boot: string;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Log;
  /** The key of the hour; null before the first record. */
  readonly epoch: () => EpochKey | null;
}

/** Names what a part is sealed for. */
export function partContext(origin: string, exchange: string, part: number, names: readonly string[]): string {
  return sealContext(origin, `${exchange}#${part}`, names);
}

interface Live {
  readonly answer: AnswerInFlight;
  pieces: { readonly name: string; readonly bytes: Uint8Array }[];
  bytes: number;
  /** Since when the oldest piece waits, monotonic. */
  sinceNs: bigint;
  parts: number;
  subjectKey: Promise<SubjectKey | null> | null;
}

interface PartFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** Exchanges with parts in it whose outcome is not durable. */
  readonly needed: Set<string>;
  bytes: number;
  isOpen: boolean;
}

export function createPartLog(options: PartLogOptions): PartLog {
  const { directory, origin, clock } = options;
  const sealer = createSealer(options.random);
  const live = new Set<Live>();
  const files = new Set<PartFile>();
  let current: PartFile | null = null;
  let fileCount = 0;
  let timer: NodeJS.Timeout | null = null;
  /** One write at a time; what comes meanwhile is of the next one. */
  let writing: Promise<void> | null = null;
  let isClosed = false;

  function openAnswer(answer: AnswerInFlight): PartialAnswer {
    const entry: Live = { answer, pieces: [], bytes: 0, sinceNs: 0n, parts: 0, subjectKey: null };
    live.add(entry);
    return {
      add: (name, bytes) => {
        if (bytes.length === 0 || !live.has(entry)) return;
        if (entry.pieces.length === 0) entry.sinceNs = clock.monoNs();
        entry.pieces.push({ name, bytes });
        entry.bytes += bytes.length;
        if (entry.bytes >= limits.answerPartBytesMax) startWriting();
        else arm();
      },
      end: (isRecorded) => {
        live.delete(entry);
        entry.pieces = [];
        if (isRecorded) forget(answer.exchange);
      },
    };
  }

  /** Nothing of it is needed any more. */
  function forget(exchange: string): void {
    for (const file of files) {
      if (!file.needed.delete(exchange) || file.needed.size > 0) continue;
      if (file === current && file.bytes < limits.answerPartFileBytesMax) continue;
      if (file === current) current = null;
      void remove(file);
    }
  }

  function arm(): void {
    if (timer !== null || isClosed) return;
    timer = setTimeout(() => {
      timer = null;
      startWriting();
      if ([...live].some(({ pieces }) => pieces.length > 0)) arm();
    }, tickMs);
    timer.unref();
  }

  function startWriting(): void {
    if (writing !== null) return;
    writing = write()
      .catch((thrown: unknown) => {
        lost(thrown);
        current = null;
      })
      .finally(() => {
        writing = null;
        if ([...live].some(({ bytes }) => bytes >= limits.answerPartBytesMax)) startWriting();
      });
  }

  /** What was to be written is lost to a crash; the outcome, when it comes, has it all. */
  function lost(thrown: unknown): null {
    const { code, message } = Fault.from(thrown, 'audit_unavailable');
    options.log.error('parts of answers were not kept', { code, reason: message, file: directory });
    return null;
  }

  async function write(isAll = false): Promise<void> {
    const epoch = options.epoch();
    if (epoch === null) return;
    const nowNs = clock.monoNs();
    const due = [...live].filter(
      (entry) => entry.pieces.length > 0 && (isAll || isDue(entry, nowNs)) && entry.answer.exchange !== '',
    );
    for (let at = 0; at < due.length; ) {
      const frames: Buffer[] = [];
      const exchanges: string[] = [];
      for (let bytes = 0; at < due.length && bytes < writeBytesMax; at++) {
        const entry = due[at];
        if (entry === undefined) break;
        const frame = await frameOf(entry, epoch).catch((thrown: unknown) => {
          // Its key is not to be had, now or later: others must not wait for it.
          live.delete(entry);
          entry.pieces = [];
          return lost(thrown);
        });
        // Its outcome may have become durable while its key was looked up.
        if (frame === null || !live.has(entry)) continue;
        frames.push(frame);
        exchanges.push(entry.answer.exchange);
        bytes += frame.length;
      }
      if (frames.length > 0) await append(Buffer.concat(frames), exchanges);
    }
  }

  function isDue({ bytes, sinceNs }: Live, nowNs: bigint): boolean {
    return bytes >= limits.answerPartBytesMax || nowNs - sinceNs >= BigInt(limits.answerPartMs) * 1_000_000n;
  }

  async function frameOf(entry: Live, epoch: EpochKey): Promise<Buffer | null> {
    entry.subjectKey ??= entry.answer.subjectKey?.() ?? Promise.resolve(null);
    const subject = await entry.subjectKey;
    const { pieces } = entry;
    if (pieces.length === 0) return null;
    entry.pieces = [];
    entry.bytes = 0;
    const part = entry.parts++;
    const names = [...new Set(pieces.map(({ name }) => name))].sort();
    const bodies = names.map((name) => Buffer.concat(pieces.filter((piece) => piece.name === name).map(bytesOf)));
    const { exchange, session, mediaType } = entry.answer;
    const manifest = Buffer.from(
      canonicalJson({
        bodies: names.map((name, i) => ({ name, n: bodies[i]?.length ?? 0 })),
        epoch: epoch.id,
        exchange,
        mt: mediaType,
        part,
        session,
        ...(subject === null ? {} : { subject: subject.id }),
        v: 1,
      }),
    );
    const key = wrappingKey(epoch.key, subject?.key ?? null);
    const context = partContext(origin, exchange, part, names);
    const plaintext = Buffer.concat(bodies);
    const sealedBytes = plaintext.length + sealedExtraBytes;
    // As a record lies in its frame: manifest and sealed bytes, each behind its length.
    const frame = Buffer.allocUnsafe(frameHeaderBytes + 8 + manifest.length + sealedBytes);
    let at = frame.writeUInt32LE(manifest.length, frameHeaderBytes);
    frame.set(manifest, at);
    at = frame.writeUInt32LE(sealedBytes, at + manifest.length);
    sealer.seal(frame, at, plaintext, context, key);
    finishFrame(frame, 0, frame.length - frameHeaderBytes, 0, part, noLink);
    return frame;
  }

  async function append(bytes: Buffer, exchanges: readonly string[]): Promise<void> {
    if (current !== null && current.bytes >= limits.answerPartFileBytesMax) current = null;
    current ??= await createFile();
    const file = current;
    const { bytesWritten } = await file.handle.write(bytes);
    if (bytesWritten !== bytes.length) throw shortWrite(file.path, bytesWritten, bytes.length);
    await file.handle.datasync();
    file.bytes += bytes.length;
    const inFlight = new Set([...live].map(({ answer }) => answer.exchange));
    for (const exchange of exchanges) if (inFlight.has(exchange)) file.needed.add(exchange);
  }

  async function createFile(): Promise<PartFile> {
    const folder = layout.parts(directory);
    await nodeFs.makeDirectory(folder);
    const path = join(folder, `${options.boot}-${String(fileCount++).padStart(6, '0')}.parts`);
    const handle = await open(path, 'ax', 0o600);
    await nodeFs.syncDirectoryLater(folder);
    const file: PartFile = { path, handle, needed: new Set(), bytes: 0, isOpen: true };
    files.add(file);
    return file;
  }

  async function remove(file: PartFile): Promise<void> {
    files.delete(file);
    try {
      if (file.isOpen) await file.handle.close();
      file.isOpen = false;
      nodeFs.remove(file.path);
    } catch (thrown) {
      // It is read at the next start, finds no exchange without an outcome, and goes then.
      options.log.warn('a file of parts was not removed', { reason: Fault.from(thrown).message, file: file.path });
    }
  }

  return {
    open: openAnswer,
    close: async () => {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      await writing;
      await write(true).catch(lost);
      for (const file of [...files]) {
        if (file.needed.size === 0) await remove(file);
        else await file.handle.close().catch(() => undefined);
      }
    },
  };
}

const tickMs = 100;
const writeBytesMax = 4 * 1024 * 1024;
const noLink: Buffer = Buffer.alloc(8);

function bytesOf({ bytes }: { readonly bytes: Uint8Array }): Uint8Array {
  return bytes;
}
