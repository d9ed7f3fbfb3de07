import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { NewId, RandomBytes } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import { createAppendQueue } from './append-queue.ts';
import type { Ballast } from './ballast.ts';
import { isAwaited } from './batch.ts';
import type { AuditEntry, AuditLog, Receipt } from './entry.ts';
import { createEpochKey, type EpochKey, isEpochOf } from './epoch-keys.ts';
import { type FsPort, nodeFs } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';
import { acquireLock, type Lock } from './lock.ts';
import { isKeyName } from './note.ts';
import { createPartLog } from './part-log.ts';
import { findParts } from './part-recovery.ts';
import { discardAfter, makeShard, shardToOpen } from './shard-files.ts';
import { isShardOver, nextShard, type Shard, type ShardRule, shardAt, shardOrigin, shardsIn } from './shards.ts';
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
  /** When it goes on in a new shard; default: never. */
  readonly shard?: ShardRule;
  /** Room for its end; default: none is kept. */
  readonly ballast?: Ballast;
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
  /** Ballast is taken so long after the log was opened: what runs for a moment leaves none behind. */
  readonly ballastAfterMs: number;
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
  ballastAfterMs: 60_000,
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
export interface FileLog extends Required<AuditLog> {
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
  return { append: log.append, partial: log.partial, health: log.health, close: log.close };
}

type State = 'starting' | FileLogHealth['state'];

function createFileLog(
  options: FileLogOptions,
  limits: FileLogLimits,
  lock: Lock,
): FileLog & { start(): Promise<void> } {
  const { clock, random, newId, directory, origin, observe } = options;
  const boot = newId();
  const startWriter = options.startWriter ?? startThreadWriter;
  const fs = options.fs ?? nodeFs;
  const rule = options.shard ?? unsharded;
  const queue = createAppendQueue({ origin, boot, bytesMax: limits.queueBytesMax, clock, random, newId });
  const parts = createPartLog({ directory, origin, boot, clock, random, log: observe.log, epoch: () => epoch });
  let state: State = 'starting';
  let reason: string | null = null;
  let isSpaceLow = false;
  let isClosing = false;
  let writer: WriterHandle | null = null;
  let epoch: EpochKey | null = null;
  let isEpochTold = false;
  let isRotating = false;
  let checkpointed = 0;
  /** The shard that is written to; see shards.ts. */
  let shard = shardAt(directory, '');
  /** The one before it, for its first record. */
  let previous: JsonObject | null = null;
  let isHandingOver = false;
  /** Records that callers were told are durable, by the folder that they are in. */
  const acknowledged = new Map<string, number>();
  let isFlushDue = false;
  let deadline: NodeJS.Timeout | null = null;
  let reopenTimer: NodeJS.Timeout | null = null;
  let ballastTimer: NodeJS.Timeout | null = null;
  let reopenMs = limits.reopenMs;
  /** Intents whose callers were told that they are not on record. They may be all the same. */
  const disowned = new Set<string>();
  /** The end of every writer that was given up: a writer stuck in the kernel may write yet. */
  let ending: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | null = null;
  /** Ends the wait for a writer that was told to close. */
  let closed: ((openIntents: OpenIntents | null) => void) | null = null;
  /** Ends the wait for a writer that was started. */
  let giveUpLaunch: ((fault: Fault) => void) | null = null;

  function append(entry: AuditEntry): Promise<Receipt> {
    if (state !== 'open' || isClosing) return refuse(reason ?? 'the audit log is closed');
    if (isSpaceLow) return refuse(lowSpace);
    if (!queue.hasRoomFor(entry)) return refuse('the audit queue is full');
    return enqueue(entry);
  }

  function refuse(why: string): Promise<never> {
    observe.metrics.failure('audit_unavailable');
    return Promise.reject(new Fault('audit_unavailable', why));
  }

  function enqueue(entry: AuditEntry): Promise<Receipt> {
    const receipt = queue.push(entry);
    scheduleFlush();
    armDeadline();
    return receipt;
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
    while (writer !== null && !isHandingOver && queue.isBatchDue()) {
      if (!isRotating && !isClosing && isOver(queue.durable())) {
        goOn();
        return;
      }
      if (epoch === null || !isEpochOf(epoch, clock.nowMs())) {
        rotate();
        return;
      }
      tellEpoch(writer, epoch);
      const batch = queue.nextBatch(epoch.id);
      if (batch !== null) writer.post({ kind: 'batch', batch });
    }
    observe.metrics.auditPending(queue.records(), queue.bytes());
  }

  function tellEpoch(to: WriterHandle, { id, key }: EpochKey): void {
    if (!isEpochTold) to.post({ kind: 'epoch', id, key });
    isEpochTold = true;
  }

  function isOver(records: number): boolean {
    return isShardOver(shard, rule, records, clock.nowMs());
  }

  /** The next shard takes what waits. */
  function goOn(): void {
    isHandingOver = true;
    handOver(null)
      .then(() => putAlone(openEntry(0)))
      .then(
        () => {
          isHandingOver = false;
          observe.log.info('audit log goes on in a new shard', { file: shard.folder });
          flush();
        },
        (thrown: unknown) => {
          isHandingOver = false;
          if (state === 'open') fail(`the next shard could not be begun: ${Fault.from(thrown).message}`, false);
        },
      );
  }

  /**
   * Ends this shard, or goes on after one that has ended before the name of the next (`named`), so that a crash between any two steps is
   * mended by the next start: the next shard is made, this one names it in its last record, its last checkpoint is published,
   * and only then the next one has a record.
   */
  async function handOver(named: string | null): Promise<Ready> {
    const old = shard;
    const following = named === null ? await endShard() : shardNamed(named);
    const openIntents = await closeWriter();
    if (openIntents === null) throw new Fault('audit_unavailable', 'the shard could not be closed');
    const ended = writer;
    writer = null;
    ending = Promise.all([ending, ended?.terminate()]);
    const checkpoint = fs.read(layout.checkpoint(old.folder))?.toString() ?? '';
    previous = { log: shardOrigin(origin, old), checkpoint };
    return launch(following, openIntents);
  }

  async function endShard(): Promise<Shard> {
    const following = nextShard(directory, shard, clock.nowMs());
    await makeShard(fs, following, origin, options.keys.signingKey);
    await putAlone(ownEntry('close', { next: shardOrigin(origin, following) }));
    return following;
  }

  function shardNamed(name: string): Shard {
    const found = shardsIn(fs, directory).find((each) => shardOrigin(origin, each) === name);
    if (found !== undefined) return found;
    throw new Fault(
      'audit_unavailable',
      `the audit log is damaged: ${name}, which follows ${shard.folder}, is not there`,
    );
  }

  /** Before everything that waits, in a batch of its own. */
  async function putAlone(entry: AuditEntry): Promise<Receipt> {
    if (epoch === null || !isEpochOf(epoch, clock.nowMs())) {
      epoch = await createEpochKey(fs, directory, options.keys, clock, random);
      isEpochTold = false;
    }
    if (writer === null) return refuse(reason ?? 'the audit log is unavailable');
    tellEpoch(writer, epoch);
    const { batch, receipt } = queue.alone(entry, epoch.id);
    if (batch !== null) writer.post({ kind: 'batch', batch });
    armDeadline();
    return receipt;
  }

  function openEntry(records: number): AuditEntry {
    const link = records === 0 && previous !== null ? { previous } : {};
    return ownEntry('open', { ...options.openFacts, records: String(records), ...link });
  }

  function rotate(): void {
    if (isRotating) return;
    isRotating = true;
    createEpochKey(fs, directory, options.keys, clock, random).then(
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

  function onMessage(message: FromWriter): void {
    switch (message.kind) {
      case 'durable':
        acknowledged.set(shard.folder, message.sequence + 1);
        for (const seconds of queue.settle(message.sequence)) observe.metrics.latency('audit', seconds);
        flush();
        return;
      case 'published':
        checkpointed = message.size;
        return;
      case 'space':
        isSpaceLow = message.isLow;
        if (!isSpaceLow) scheduleBallast();
        observe.log[message.isLow ? 'error' : 'info']('audit free space', {
          bytes: message.freeBytes,
          file: directory,
        });
        return;
      case 'failed':
        fail(message.message, message.isDamaged);
        return;
      case 'closed':
        closed?.(message.openIntents);
        return;
      case 'ready':
        // The launch that waits for it has it.
        return;
    }
  }

  /** One timer for the oldest entry: everything else is younger. */
  function armDeadline(): void {
    if (deadline !== null || queue.oldestNs() === null) return;
    deadline = setTimeout(
      () => {
        deadline = null;
        if (oldestMs() >= limits.deadlineMs) fail('the audit log did not write in time', false);
        else armDeadline();
      },
      Math.max(1, limits.deadlineMs - oldestMs()),
    );
  }

  function oldestMs(): number {
    const oldestNs = queue.oldestNs();
    return oldestNs === null ? 0 : Number(clock.monoNs() - oldestNs) / 1e6;
  }

  /** Poisons the writer: nobody learns from it any more. The log comes back only by being read from disk again. */
  function fail(why: string, isDamaged: boolean): void {
    if (state === 'closed' || state === 'damaged') return;
    const event = isDamaged ? 'audit log damaged' : 'audit log unavailable';
    observe.log.error(event, { reason: why, file: directory, count: queue.records() });
    state = isDamaged ? 'damaged' : 'unavailable';
    reason = why;
    const lost = writer;
    writer = null;
    closed?.(null);
    giveUpLaunch?.(new Fault('audit_unavailable', why));
    for (const entry of queue.rejectAll(new Fault('audit_unavailable', why))) {
      if (isAwaited(entry) && disowned.size < limits.openIntentsMax) disowned.add(entry.exchange);
      observe.metrics.failure('audit_unavailable');
    }
    ending = Promise.all([ending, lost?.terminate()]).then(scheduleReopen);
  }

  function scheduleReopen(): void {
    if (state !== 'unavailable' || isClosing || reopenTimer !== null) return;
    reopenTimer = setTimeout(() => {
      reopenTimer = null;
      reopen().catch(() => {
        // What went wrong was told by `fail`. Disks that need a while are not asked every second.
        reopenMs = Math.min(reopenMs * 2, limits.reopenMs * 30);
        ending = ending.then(scheduleReopen);
      });
    }, reopenMs);
    reopenTimer.unref();
  }

  /** Later, so that what has just been freed is there to stay. */
  function scheduleBallast(): void {
    const { ballast } = options;
    if (ballast === undefined || ballastTimer !== null || isClosing) return;
    ballastTimer = setTimeout(() => {
      ballastTimer = null;
      if (state === 'open' && !isSpaceLow) void ballast.hold();
    }, limits.ballastAfterMs);
    ballastTimer.unref();
  }

  function dropBallast(): void {
    if (options.ballast?.dropIfNeeded() === true) observe.log.warn('audit ballast given up', { file: directory });
  }

  async function reopen(): Promise<void> {
    dropBallast();
    const ready = await openLast();
    if (isClosing) return;
    const why = reason ?? '';
    state = 'open';
    reason = null;
    reopenMs = limits.reopenMs;
    observe.log.info('audit log open again', { file: directory, count: ready.nextSequence });
    scheduleBallast();
    const notMade = ready.openIntents.filter(([exchange]) => disowned.has(exchange));
    disowned.clear();
    await Promise.all([
      ...(ready.nextSequence === 0 ? [enqueue(openEntry(0))] : []),
      enqueue(ownEntry('recovery', { cut_bytes: ready.cutBytes, reason: why })),
      ...notMade.map((open) => enqueue(abortedEntry(open, 'not_acknowledged'))),
    ]);
  }

  /** Starts a writer where the log goes on. */
  async function openLast(): Promise<Ready> {
    let ready = await launch(shardToOpen(fs, directory, rule, clock.nowMs()), []);
    if (ready.next === null) await discardAfter(fs, directory, shard);
    while (ready.next !== null || isOver(ready.nextSequence)) ready = await handOver(ready.next);
    return ready;
  }

  /** Starts a writer and waits until it has read the shard's end. */
  function launch(place: Shard, openIntents: OpenIntents): Promise<Ready> {
    shard = place;
    const { segmentBytesMax, openIntentsMax, checkpointIntervalMs, freeBytesMin, checkIntervalMs } = limits;
    const init: WriterInit = {
      directory: place.folder,
      lockFile: layout.lock(directory),
      origin: shardOrigin(origin, place),
      openIntents,
      boot,
      signingKey: options.keys.signingKey,
      lockToken: lock.token,
      segmentBytesMax,
      openIntentsMax,
      checkpointIntervalMs,
      freeBytesMin,
      checkIntervalMs,
    };
    return new Promise((resolve, reject) => {
      giveUpLaunch = reject;
      const handle: WriterHandle = startWriter(
        init,
        (message) => {
          if (message.kind === 'failed') reject(new Fault('audit_unavailable', message.message));
          if (handle !== writer) return;
          if (message.kind === 'ready') takeOver(message, resolve, reject);
          onMessage(message);
        },
        (error) => {
          reject(error);
          if (handle === writer) fail(error.message, false);
        },
      );
      writer = handle;
    });
  }

  function takeOver(ready: Ready, resolve: (ready: Ready) => void, reject: (fault: Fault) => void): void {
    const durable = acknowledged.get(shard.folder) ?? 0;
    if (ready.nextSequence < durable) {
      const why = `the audit log is damaged: of ${durable} acknowledged records ${ready.nextSequence} are left`;
      reject(new Fault('audit_unavailable', why));
      fail(why, true);
      return;
    }
    queue.restart(ready.nextSequence, shardOrigin(origin, shard));
    checkpointed = ready.checkpointSize;
    isSpaceLow = false;
    isEpochTold = false;
    resolve(ready);
  }

  async function start(): Promise<void> {
    dropBallast();
    const ready = await openLast();
    state = 'open';
    scheduleBallast();
    const left = findParts(directory, origin, options.keys, new Set(ready.openIntents.map(([exchange]) => exchange)));
    await Promise.all([
      enqueue(openEntry(ready.nextSequence)),
      ...(ready.cutBytes > 0
        ? [enqueue(ownEntry('recovery', { cut_bytes: ready.cutBytes, reason: 'unfinished write' }))]
        : []),
      ...ready.openIntents
        .filter(([exchange]) => !left.has(exchange))
        .map((open) => enqueue(abortedEntry(open, 'process_ended'))),
    ]);
    for (const open of ready.openIntents.filter(([exchange]) => left.has(exchange))) {
      const aborted = abortedEntry(open, 'process_ended');
      const kept = await left.take(aborted.exchange);
      await enqueue({ ...aborted, ...kept, facts: { ...aborted.facts, ...kept.facts } });
    }
    await left.remove();
  }

  function close(): Promise<void> {
    closing ??= shutDown();
    return closing;
  }

  async function shutDown(): Promise<void> {
    isClosing = true;
    await parts.close();
    if (reopenTimer !== null) clearTimeout(reopenTimer);
    if (ballastTimer !== null) clearTimeout(ballastTimer);
    dropBallast();
    if (state === 'open') {
      await enqueue(ownEntry('close', {})).catch((error: unknown) => {
        observe.log.error('audit log closed without a close entry', {
          reason: Fault.from(error).message,
          file: directory,
        });
      });
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

  /** Has the last checkpoint published. Says which intents are left without outcome; null: it could not be done in time. */
  async function closeWriter(): Promise<OpenIntents | null> {
    if (writer === null) return null;
    let left: OpenIntents | null = null;
    const published = new Promise<void>((resolve) => {
      closed = (openIntents) => {
        left = openIntents;
        resolve();
      };
    });
    writer.post({ kind: 'close' });
    await within(limits.deadlineMs, published);
    return left;
  }

  function health(): FileLogHealth {
    return {
      state: state === 'starting' || (state === 'open' && isSpaceLow) ? 'unavailable' : state,
      reason: reason ?? (isSpaceLow ? lowSpace : null),
      records: queue.durable(),
      checkpointed,
      pendingRecords: queue.records(),
      pendingBytes: queue.bytes(),
    };
  }

  return { append, partial: parts.open, health, close, start };
}

type Ready = Extract<FromWriter, { kind: 'ready' }>;
type OpenIntents = Ready['openIntents'];

const unsharded: ShardRule = { byMonth: false, recordsMax: null };

const lowSpace = 'free space is below the floor';

function ownEntry(kind: AuditEntry['kind'], facts: JsonObject): AuditEntry {
  return { kind, exchange: '', session: '', facts, bodies: {} };
}

/** For an intent to which no outcome will come. */
function abortedEntry([exchange, intent]: readonly [string, string], cause: string): AuditEntry {
  return { ...ownEntry('aborted', { cause, intent }), exchange };
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
