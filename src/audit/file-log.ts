import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { NewId, RandomBytes } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import { type DraftRecord, packBatch } from './batch.ts';
import type { AuditEntry, AuditLog, Receipt } from './entry.ts';
import { createEpochKey, type EpochKey } from './epoch-keys.ts';
import { type FsPort, nodeFs } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';
import { acquireLock, type Lock } from './lock.ts';
import { draftManifest } from './manifest.ts';
import { isKeyName } from './note.ts';
import { startThreadWriter } from './thread-writer.ts';
import type { FromWriter, StartWriter, WriterHandle, WriterInit } from './writer-protocol.ts';

export interface FileLogOptions {
  /** Created when missing. One log, one writer, one directory. */
  readonly directory: string;
  /** The log's name in checkpoints and keys, `audit.example.com/prod/gw-0`: no blank, no plus. Unique among an auditor's logs. */
  readonly origin: string;
  readonly keys: AuditKeys;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly newId: NewId;
  readonly observe: { readonly log: Log; readonly metrics: Metrics };
  /** What the `open` entry says of this run: versions, configuration digest. */
  readonly openFacts?: JsonObject;
  readonly limits?: Partial<FileLogLimits>;
  /** How the writer runs, and the file system for what does not pass through it; tests say otherwise. */
  readonly startWriter?: StartWriter;
  readonly fs?: FsPort;
}

export interface FileLogLimits {
  /** An append that is not durable after this rejects, and the log is unavailable until it has been opened anew. */
  readonly deadlineMs: number;
  /** Entries that wait to become durable. Beyond: Fault at once. */
  readonly queueBytesMax: number;
  readonly segmentBytesMax: number;
  readonly openIntentsMax: number;
  readonly checkpointIntervalMs: number;
  readonly freeBytesMin: number;
  readonly checkIntervalMs: number;
  /** First wait before a failed log is opened anew; doubles up to thirty times as much. */
  readonly reopenMs: number;
  /** A lock whose holder cannot be seen is taken over when untouched for this long. */
  readonly lockStaleMs: number;
}

export const fileLogLimits: FileLogLimits = {
  deadlineMs: 5_000,
  queueBytesMax: 64 * 1024 * 1024,
  segmentBytesMax: 128 * 1024 * 1024,
  openIntentsMax: 65_536,
  checkpointIntervalMs: 1_000,
  freeBytesMin: 1024 * 1024 * 1024,
  checkIntervalMs: 1_000,
  reopenMs: 1_000,
  lockStaleMs: 15_000,
};

export interface FileLogHealth {
  /** `unavailable`: appends reject, the log is being opened anew. `damaged`: they reject until an operator has acted. */
  readonly state: 'open' | 'unavailable' | 'damaged' | 'closed';
  /** Why it is not open; for operators. */
  readonly reason: string | null;
  /** Records on stable storage. */
  readonly records: number;
  /** Records that the published checkpoint covers. */
  readonly checkpointed: number;
  readonly pendingRecords: number;
  readonly pendingBytes: number;
}

/** The audit log in a directory. */
export interface FileLog extends AuditLog {
  health(): FileLogHealth;
  /** Takes no more entries, writes what is waiting and a `close` entry, publishes the last checkpoint. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens (or creates) the log: takes its lock, recovers its end, records `open`, and `aborted` for each intent that the run
 * before left without an outcome. Rejects with Fault `audit_unavailable` when the log is damaged or held by another writer.
 */
export async function openFileLog(options: FileLogOptions): Promise<FileLog> {
  if (!isKeyName(options.origin))
    throw new Fault('audit_unavailable', 'the origin must be without blanks and plus signs');
  const limits = { ...fileLogLimits, ...options.limits };
  await (options.fs ?? nodeFs).makeDirectory(options.directory);
  const lock = await acquireLock(layout.lock(options.directory), options.random, limits.lockStaleMs);
  const log = createFileLog(options, limits, lock);
  try {
    await log.start();
  } catch (error) {
    await log.close();
    throw Fault.from(error, 'audit_unavailable');
  }
  return { append: log.append, health: log.health, close: log.close };
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly id: string;
  readonly wallNs: bigint;
  readonly monoNs: bigint;
  readonly bytes: number;
  sequence: number;
  resolve(receipt: Receipt): void;
  reject(fault: Fault): void;
}

/** What an entry takes besides its bodies, roughly, until its manifest is drafted. */
const entryBytes = 2_048;
const batchBytesMax = 4 * 1024 * 1024;
/** One with the writer's disk, one being sealed: the writer never waits for us, and groups grow with the load. */
const batchesInFlightMax = 2;

type State = 'starting' | FileLogHealth['state'];

function createFileLog(
  options: FileLogOptions,
  limits: FileLogLimits,
  lock: Lock,
): FileLog & { start(): Promise<void> } {
  const { clock, random, newId, directory, origin, observe } = options;
  const boot = newId();
  const startWriter = options.startWriter ?? startThreadWriter;
  let state: State = 'starting';
  let reason: string | null = null;
  let isSpaceLow = false;
  let isClosing = false;
  let writer: WriterHandle | null = null;
  let epoch: EpochKey | null = null;
  let isEpochTold = false;
  let isRotating = false;
  let nextSequence = 0;
  let checkpointed = 0;
  /** Records that callers were told are durable. */
  let acknowledged = 0;
  let pending: Waiting[] = [];
  let pendingBytes = 0;
  let isFlushDue = false;
  const inFlight = createFifo<Waiting>();
  /** Last sequence number of each batch that the writer has. */
  const batches: number[] = [];
  let deadline: NodeJS.Timeout | null = null;
  let reopenTimer: NodeJS.Timeout | null = null;
  let reopenMs = limits.reopenMs;
  /** Intents whose callers were told that they are not on record. They may be all the same. */
  const disowned = new Set<string>();
  /** The end of every writer that was given up: a writer stuck in the kernel may write yet. */
  let ending: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | null = null;
  /** Ends the wait for a writer that was told to close. */
  let closed: (() => void) | null = null;

  function append(entry: AuditEntry): Promise<Receipt> {
    if (state !== 'open' || isClosing) return reject(reason ?? 'the audit log is closed');
    if (isSpaceLow) return reject('free space is below the floor');
    return enqueue(entry);
  }

  function reject(why: string): Promise<never> {
    observe.metrics.failure('audit_unavailable');
    return Promise.reject(new Fault('audit_unavailable', why));
  }

  function enqueue(entry: AuditEntry): Promise<Receipt> {
    let bytes = entryBytes;
    for (const body of Object.values(entry.bodies)) bytes += body.bytes.length;
    if (pendingBytes + bytes > limits.queueBytesMax) return reject('the audit queue is full');
    pendingBytes += bytes;
    return new Promise((resolve, rejectEntry) => {
      const stamp = { id: newId(), wallNs: clock.nowNs(), monoNs: clock.monoNs() };
      pending.push({ entry, bytes, ...stamp, sequence: -1, resolve, reject: rejectEntry });
      scheduleFlush();
      armDeadline();
    });
  }

  function scheduleFlush(): void {
    if (isFlushDue) return;
    isFlushDue = true;
    // After this turn's input: all entries of one turn go as one batch.
    setImmediate(() => {
      isFlushDue = false;
      flush();
    });
  }

  function flush(): void {
    while (pending.length > 0 && writer !== null && batches.length < batchesInFlightMax) {
      if (epoch === null || clock.nowMs() >= epoch.endMs) {
        rotate();
        return;
      }
      if (!isEpochTold) {
        writer.post({ kind: 'epoch', id: epoch.id, key: epoch.key });
        isEpochTold = true;
      }
      const batch = takeBatch(epoch.id);
      if (batch.length === 0) continue;
      batches.push(nextSequence - 1);
      writer.post({ kind: 'batch', batch: packBatch(batch) });
    }
    observe.metrics.auditPending(pending.length + inFlight.size(), pendingBytes);
  }

  function takeBatch(epochId: string): DraftRecord[] {
    const batch: DraftRecord[] = [];
    let bytes = 0;
    let taken = 0;
    for (const waiting of pending) {
      if (taken > 0 && bytes + waiting.bytes > batchBytesMax) break;
      taken += 1;
      bytes += waiting.bytes;
      const record = draft(waiting, epochId);
      if (record === null) continue;
      batch.push(record);
      inFlight.push(waiting);
    }
    pending = taken === pending.length ? [] : pending.slice(taken);
    return batch;
  }

  /** Null when the entry cannot be put on record; it takes no sequence number then. */
  function draft(waiting: Waiting, epochId: string): DraftRecord | null {
    const { entry, id } = waiting;
    try {
      checkBounds(entry);
      const manifest = draftManifest(entry, {
        id,
        origin,
        boot,
        epoch: epochId,
        sequence: nextSequence,
        nonce: random(32),
        wallNs: waiting.wallNs,
        monoNs: waiting.monoNs,
      });
      waiting.sequence = nextSequence;
      nextSequence += 1;
      return {
        sequence: waiting.sequence,
        id,
        kind: entry.kind,
        exchange: entry.exchange,
        isAwaited: isAwaited(entry),
        draft: manifest,
        bodies: Object.keys(entry.bodies)
          .sort()
          .flatMap((name) => {
            const body = entry.bodies[name];
            return body === undefined ? [] : [{ name, mediaType: body.mediaType, bytes: body.bytes }];
          }),
      };
    } catch (error) {
      pendingBytes -= waiting.bytes;
      waiting.reject(new Fault('internal', 'an audit entry cannot be put on record', error));
      return null;
    }
  }

  function rotate(): void {
    if (isRotating) return;
    isRotating = true;
    createEpochKey(options.fs ?? nodeFs, directory, options.keys, clock, random).then(
      (next) => {
        isRotating = false;
        epoch = next;
        isEpochTold = false;
        flush();
      },
      (error: unknown) => {
        isRotating = false;
        fail(`no epoch key: ${Fault.from(error).message}`, false);
      },
    );
  }

  function onMessage(from: WriterHandle | null, message: FromWriter): void {
    if (from !== writer || writer === null) return;
    switch (message.kind) {
      case 'durable':
        settle(message.sequence);
        return;
      case 'published':
        checkpointed = message.size;
        return;
      case 'space':
        isSpaceLow = message.isLow;
        observe.log[message.isLow ? 'error' : 'info']('audit free space', {
          bytes: message.freeBytes,
          file: directory,
        });
        return;
      case 'failed':
        fail(message.message, message.isDamaged);
        return;
      case 'ready':
      case 'closed':
        return;
    }
  }

  function settle(sequence: number): void {
    const nowNs = clock.monoNs();
    acknowledged = sequence + 1;
    for (let waiting = inFlight.peek(); waiting !== undefined && waiting.sequence <= sequence; ) {
      inFlight.shift();
      pendingBytes -= waiting.bytes;
      observe.metrics.latency('audit', Number(nowNs - waiting.monoNs) / 1e9);
      waiting.resolve({ id: waiting.id, sequence: BigInt(waiting.sequence) });
      waiting = inFlight.peek();
    }
    while (batches[0] !== undefined && batches[0] <= sequence) batches.shift();
    flush();
  }

  /** One timer for the oldest entry: everything else is younger. */
  function armDeadline(): void {
    if (deadline !== null) return;
    const oldest = inFlight.peek() ?? pending[0];
    if (oldest === undefined) return;
    const ageMs = Number(clock.monoNs() - oldest.monoNs) / 1e6;
    deadline = setTimeout(
      () => {
        deadline = null;
        const now = inFlight.peek() ?? pending[0];
        const waitedMs = now === undefined ? 0 : Number(clock.monoNs() - now.monoNs) / 1e6;
        if (now !== undefined && waitedMs >= limits.deadlineMs) fail('the audit log did not write in time', false);
        else armDeadline();
      },
      Math.max(1, limits.deadlineMs - ageMs),
    );
  }

  /** Poisons the writer: nobody learns from it any more. The log comes back only by being read from disk again. */
  function fail(why: string, isDamaged: boolean): void {
    if (state === 'closed' || state === 'damaged') return;
    observe.log.error(isDamaged ? 'audit log damaged' : 'audit log unavailable', {
      reason: why,
      file: directory,
      count: inFlight.size() + pending.length,
    });
    state = isDamaged ? 'damaged' : 'unavailable';
    reason = why;
    const lost = writer;
    writer = null;
    closed?.();
    rejectAll(new Fault('audit_unavailable', why));
    ending = Promise.all([ending, lost?.terminate()]).then(scheduleReopen);
  }

  function rejectAll(fault: Fault): void {
    const rejected = [...inFlight.clear(), ...pending];
    pending = [];
    pendingBytes = 0;
    batches.length = 0;
    for (const waiting of rejected) {
      if (isAwaited(waiting.entry) && disowned.size < limits.openIntentsMax) disowned.add(waiting.entry.exchange);
      observe.metrics.failure('audit_unavailable');
      waiting.reject(fault);
    }
  }

  function scheduleReopen(): void {
    if (state !== 'unavailable' || isClosing || reopenTimer !== null) return;
    reopenTimer = setTimeout(() => {
      reopenTimer = null;
      reopen().catch((error: unknown) => {
        reopenMs = Math.min(reopenMs * 2, limits.reopenMs * 30);
        fail(Fault.from(error).message, false);
      });
    }, reopenMs);
    reopenTimer.unref();
  }

  async function reopen(): Promise<void> {
    const ready = await launch();
    if (isClosing) return;
    const why = reason ?? '';
    state = 'open';
    reason = null;
    reopenMs = limits.reopenMs;
    observe.log.info('audit log open again', { file: directory, count: ready.nextSequence });
    const notMade = ready.openIntents.filter(([exchange]) => disowned.has(exchange));
    disowned.clear();
    await Promise.all([
      enqueue(ownEntry('recovery', { cut_bytes: ready.cutBytes, reason: why })),
      ...notMade.map(([exchange, intent]) =>
        enqueue({ ...ownEntry('aborted', { cause: 'not_acknowledged', intent }), exchange }),
      ),
    ]);
  }

  /** Starts a writer and waits until it has read the log's end. */
  function launch(): Promise<Extract<FromWriter, { kind: 'ready' }>> {
    const init: WriterInit = {
      directory,
      origin,
      boot,
      signingKey: options.keys.signingKey,
      lockToken: lock.token,
      segmentBytesMax: limits.segmentBytesMax,
      openIntentsMax: limits.openIntentsMax,
      checkpointIntervalMs: limits.checkpointIntervalMs,
      freeBytesMin: limits.freeBytesMin,
      checkIntervalMs: limits.checkIntervalMs,
    };
    return new Promise((resolve, rejectLaunch) => {
      let handle: WriterHandle | null = null;
      handle = startWriter(
        init,
        (message) => {
          if (message.kind === 'ready' && handle === writer) {
            if (message.nextSequence < acknowledged) {
              const why = `the audit log is damaged: ${message.nextSequence} records of ${acknowledged} acknowledged are left`;
              rejectLaunch(new Fault('audit_unavailable', why));
              fail(why, true);
              return;
            }
            nextSequence = message.nextSequence;
            checkpointed = message.checkpointSize;
            isSpaceLow = false;
            isEpochTold = false;
            resolve(message);
          }
          if (message.kind === 'failed') rejectLaunch(new Fault('audit_unavailable', message.message));
          if (message.kind === 'closed') closed?.();
          onMessage(handle, message);
        },
        (error) => {
          rejectLaunch(error);
          if (handle === writer && writer !== null) fail(error.message, false);
        },
      );
      writer = handle;
    });
  }

  async function start(): Promise<void> {
    const ready = await launch();
    state = 'open';
    const entries = [
      ownEntry('open', { ...options.openFacts, records: String(ready.nextSequence) }),
      ...(ready.cutBytes > 0 ? [ownEntry('recovery', { cut_bytes: ready.cutBytes, reason: 'unfinished write' })] : []),
      ...ready.openIntents.map(([exchange, intent]) => ({
        ...ownEntry('aborted', { cause: 'process_ended', intent }),
        exchange,
      })),
    ];
    await Promise.all(entries.map(enqueue));
  }

  function close(): Promise<void> {
    closing ??= shutDown();
    return closing;
  }

  async function shutDown(): Promise<void> {
    isClosing = true;
    if (reopenTimer !== null) clearTimeout(reopenTimer);
    if (state === 'open') {
      await enqueue(ownEntry('close', {})).catch(() => undefined);
      await closeWriter();
    }
    state = 'closed';
    reason = 'the audit log is closed';
    if (deadline !== null) clearTimeout(deadline);
    const last = writer;
    writer = null;
    const ended = await within(limits.deadlineMs, Promise.all([ending, last?.terminate()]));
    // While a writer of ours may still write the lock stays: it dies with this process.
    if (ended) lock.release();
  }

  /** Has the last checkpoint published. */
  async function closeWriter(): Promise<void> {
    const published = new Promise<void>((resolve) => {
      closed = resolve;
    });
    writer?.post({ kind: 'close' });
    if (writer !== null) await within(limits.deadlineMs, published);
  }

  function health(): FileLogHealth {
    return {
      state: state === 'starting' || (state === 'open' && isSpaceLow) ? 'unavailable' : state,
      reason: isSpaceLow ? 'free space is below the floor' : reason,
      records: inFlight.peek()?.sequence ?? nextSequence,
      checkpointed,
      pendingRecords: pending.length + inFlight.size(),
      pendingBytes,
    };
  }

  return { append, health, close, start };
}

/** Whether it settled in time. */
async function within(ms: number, settled: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const inTime = await Promise.race([settled.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

/** An intent that is not final has an outcome to come. */
function isAwaited(entry: AuditEntry): boolean {
  return entry.kind === 'intent' && entry.facts['final'] !== true;
}

/** What the batch format can hold; far above anything an exchange makes. */
function checkBounds(entry: AuditEntry): void {
  const names = Object.keys(entry.bodies);
  const texts = [...names, ...names.map((name) => entry.bodies[name]?.mediaType ?? '')];
  if (entry.exchange.length > 1_024) throw new RangeError('the exchange id is too long');
  if (names.length > 32 || texts.some((text) => text.length > 255))
    throw new RangeError('too many or too long body names');
}

function ownEntry(kind: AuditEntry['kind'], facts: JsonObject): AuditEntry {
  return { kind, exchange: '', session: '', facts, bodies: {} };
}

interface Fifo<T> {
  push(item: T): void;
  peek(): T | undefined;
  shift(): void;
  size(): number;
  /** Empties it. */
  clear(): T[];
}

/** Array.shift is linear once the queue is long; this moves a head and compacts now and then. */
function createFifo<T>(): Fifo<T> {
  let items: T[] = [];
  let head = 0;
  return {
    push: (item) => {
      items.push(item);
    },
    peek: () => items[head],
    shift: () => {
      head += 1;
      if (head > 1024 && head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
    },
    size: () => items.length - head,
    clear: () => {
      const rest = items.slice(head);
      items = [];
      head = 0;
      return rest;
    },
  };
}
