import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { NewId, RandomBytes } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import type { Ballast } from './ballast.ts';
import { createBallastTimer } from './ballast-timer.ts';
import { isAwaited } from './batch.ts';
import type { AuditEntry, AuditLog, Receipt } from './entry.ts';
import { type FileLogLimits, fileLogLimits } from './file-log-limits.ts';
import { type FsPort, nodeFs } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';
import { acquireLock, type Lock } from './lock.ts';
import { isKeyName } from './note.ts';
import { abortedEntry, closeEntry, recoveryEntry } from './own-entries.ts';
import { createPartLog } from './part-log.ts';
import { findParts } from './part-recovery.ts';
import { createReopening } from './reopening.ts';
import type { ShardRule } from './shards.ts';
import { startThreadWriter } from './thread-writer.ts';
import { createWritePath, type WriteProgress } from './write-path.ts';
import type { StartWriter } from './writer-protocol.ts';

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

export interface FileLogHealth extends WriteProgress {
  /** `unavailable`: appends reject, the log is being opened anew. `damaged`: they reject until an operator has acted. */
  readonly state: 'open' | 'unavailable' | 'damaged' | 'closed';
  /** Why it is not open; for operators. */
  readonly reason: string | null;
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
  const { clock, random, newId, directory, origin, keys, observe } = options;
  const { log, metrics } = observe;
  const boot = newId();
  const fs = options.fs ?? nodeFs;
  let state: State = 'starting';
  let reason: string | null = null;
  let isClosing = false;
  let closing: Promise<void> | null = null;
  /** Intents whose callers were told that they are not on record. They may be all the same. */
  const disowned = new Set<string>();

  const writePath = createWritePath({
    ...options,
    boot,
    fs,
    lockToken: lock.token,
    limits,
    startWriter: options.startWriter ?? startThreadWriter,
    shard: options.shard ?? unsharded,
    openFacts: options.openFacts ?? {},
    mayGoOn: () => !isClosing,
    refuse: () => refuse(reason ?? 'the audit log is unavailable'),
    onRoom: () => ballast.schedule(),
    onFailure: fail,
    onStuck: (why) => {
      if (state === 'open') fail(why, false);
    },
  });
  const parts = createPartLog({ directory, origin, boot, clock, random, log, epoch: writePath.epoch });
  const reopening = createReopening({
    firstMs: limits.reopenMs,
    isNeeded: () => state === 'unavailable' && !isClosing,
    reopen,
    writersEnded: writePath.writersEnded,
  });
  const ballast = createBallastTimer({
    ballast: options.ballast,
    afterMs: limits.ballastAfterMs,
    isRoomy: () => state === 'open' && !writePath.isSpaceLow(),
  });

  function append(entry: AuditEntry): Promise<Receipt> {
    if (state !== 'open' || isClosing) return refuse(reason ?? 'the audit log is closed');
    if (writePath.isSpaceLow()) return refuse(lowSpace);
    if (!writePath.hasRoomFor(entry)) return refuse('the audit queue is full');
    return writePath.push(entry);
  }

  function refuse(why: string): Promise<never> {
    metrics.failure('audit_unavailable');
    return Promise.reject(new Fault('audit_unavailable', why));
  }

  /** Poisons the writer: nobody learns from it any more. The log comes back only by being read from disk again. */
  function fail(why: string, isDamaged: boolean): void {
    if (state === 'closed' || state === 'damaged') return;
    const event = isDamaged ? 'audit log damaged' : 'audit log unavailable';
    log.error(event, { reason: why, file: directory, count: writePath.progress().pendingRecords });
    state = isDamaged ? 'damaged' : 'unavailable';
    reason = why;
    const fault = new Fault('audit_unavailable', why);
    for (const entry of writePath.giveUp(fault)) {
      if (isAwaited(entry) && disowned.size < limits.openIntentsMax) disowned.add(entry.exchange);
      metrics.failure('audit_unavailable');
    }
    reopening.schedule();
  }

  async function reopen(): Promise<void> {
    dropBallast();
    const ready = await writePath.open();
    if (isClosing) return;
    const why = reason ?? '';
    state = 'open';
    reason = null;
    reopening.reset();
    log.info('audit log open again', { file: directory, count: ready.nextSequence });
    ballast.schedule();
    const notMade = ready.openIntents.filter(([exchange]) => disowned.has(exchange));
    disowned.clear();
    await Promise.all([
      ...(ready.nextSequence === 0 ? [writePath.push(writePath.openEntry(0))] : []),
      writePath.push(recoveryEntry(ready.cutBytes, why)),
      ...notMade.map((open) => writePath.push(abortedEntry(open, 'not_acknowledged'))),
    ]);
  }

  async function start(): Promise<void> {
    dropBallast();
    const ready = await writePath.open();
    state = 'open';
    ballast.schedule();
    const left = findParts(directory, origin, keys, new Set(ready.openIntents.map(([exchange]) => exchange)));
    await Promise.all([
      writePath.push(writePath.openEntry(ready.nextSequence)),
      ...(ready.cutBytes > 0 ? [writePath.push(recoveryEntry(ready.cutBytes, 'unfinished write'))] : []),
      ...ready.openIntents
        .filter(([exchange]) => !left.has(exchange))
        .map((open) => writePath.push(abortedEntry(open, 'process_ended'))),
    ]);
    for (const open of ready.openIntents.filter(([exchange]) => left.has(exchange))) {
      const aborted = abortedEntry(open, 'process_ended');
      const kept = await left.take(aborted.exchange);
      await writePath.push({ ...aborted, ...kept, facts: { ...aborted.facts, ...kept.facts } });
    }
    await left.remove();
  }

  async function shutDown(): Promise<void> {
    isClosing = true;
    await parts.close();
    reopening.stop();
    ballast.stop();
    dropBallast();
    if (state === 'open') {
      await writePath.push(closeEntry()).catch((error: unknown) => {
        log.error('audit log closed without a close entry', { reason: Fault.from(error).message, file: directory });
      });
      await writePath.publishLast();
    }
    state = 'closed';
    reason = 'the audit log is closed';
    // While a writer of ours may still write the lock stays: it dies with this process.
    if (await writePath.end()) lock.release();
  }

  function dropBallast(): void {
    if (options.ballast?.dropIfNeeded() === true) log.warn('audit ballast given up', { file: directory });
  }

  function health(): FileLogHealth {
    return {
      state: state === 'starting' || (state === 'open' && writePath.isSpaceLow()) ? 'unavailable' : state,
      reason: reason ?? (writePath.isSpaceLow() ? lowSpace : null),
      ...writePath.progress(),
    };
  }

  return {
    append,
    partial: parts.open,
    health,
    start,
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
}

const unsharded: ShardRule = { byMonth: false, recordsMax: null };

const lowSpace = 'free space is below the floor';
