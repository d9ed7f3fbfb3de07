import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { NewId, RandomBytes } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import { createAppendQueue } from './append-queue.ts';
import { createDeadlineWatch } from './deadline-watch.ts';
import type { AuditEntry, Receipt } from './entry.ts';
import { createEpochKey, type EpochKey } from './epoch-keys.ts';
import type { FileLogLimits } from './file-log-limits.ts';
import type { FsPort } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';
import { openEntry } from './own-entries.ts';
import { createShardSuccession } from './shard-succession.ts';
import { type ShardRule, shardOrigin } from './shards.ts';
import { createWriterFeed } from './writer-feed.ts';
import { createWriterLife, type Ready, type WriterReport } from './writer-life.ts';
import type { StartWriter } from './writer-protocol.ts';

/** The way of an entry onto stable storage, put together: queue, feed, writer, shards and deadline. What a log's states mean is file-log.ts. */
export interface WritePath {
  /** Starts a writer where the log goes on; resolves when it has read the log's end. When it rejects, `onFailure` was called. */
  open(): Promise<Ready>;
  /** What says that the log was opened, with so many records in the shard. */
  openEntry(records: number): AuditEntry;
  /** Room for this entry in the queue? */
  hasRoomFor(entry: AuditEntry): boolean;
  /** Whether free space is below the floor. */
  isSpaceLow(): boolean;
  /** Resolves when the entry is durable. Only while the path is open. */
  push(entry: AuditEntry): Promise<Receipt>;
  /** Ends the writer. What is not durable rejects with this fault, and is returned. */
  giveUp(fault: Fault): readonly AuditEntry[];
  /** Has the last checkpoint published, when that can be done in time. */
  publishLast(): Promise<void>;
  /** Resolves when every writer that was given up surely writes no more. */
  writersEnded(): Promise<unknown>;
  /** For good. Whether the writers surely write no more; false: that could not be said in time. */
  end(): Promise<boolean>;
  /** The key of the hour, once something was sealed under it. */
  epoch(): EpochKey | null;
  progress(): WriteProgress;
}

export interface WriteProgress {
  /** Records on stable storage. */
  readonly records: number;
  /** Records that the published checkpoint covers. */
  readonly checkpointed: number;
  readonly pendingRecords: number;
  readonly pendingBytes: number;
}

export interface WritePathDeps {
  readonly directory: string;
  readonly origin: string;
  readonly boot: string;
  readonly lockToken: string;
  readonly keys: AuditKeys;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly newId: NewId;
  readonly fs: FsPort;
  readonly startWriter: StartWriter;
  readonly shard: ShardRule;
  readonly openFacts: JsonObject;
  readonly limits: FileLogLimits;
  readonly observe: { readonly log: Log; readonly metrics: Metrics };
  /** Whether a shard that is over is to be followed by a next one now. */
  readonly mayGoOn: () => boolean;
  /** The answer to an entry of the path's own while there is no writer. */
  readonly refuse: () => Promise<never>;
  /** Free space is above the floor again. */
  readonly onRoom: () => void;
  /** MUST give the path up. */
  readonly onFailure: (why: string, isDamaged: boolean) => void;
  /** The next shard could not be begun. MUST give the path up, unless that is why. */
  readonly onStuck: (why: string) => void;
}

export function createWritePath(deps: WritePathDeps): WritePath {
  const { directory, origin, boot, keys, clock, random, fs, limits } = deps;
  const { log, metrics } = deps.observe;
  let checkpointed = 0;
  let isSpaceLow = false;
  const queue = createAppendQueue({ ...deps, bytesMax: limits.queueBytesMax });
  const deadline = createDeadlineWatch({
    clock,
    oldestNs: queue.oldestNs,
    deadlineMs: limits.deadlineMs,
    onLate: () => deps.onFailure('the audit log did not write in time', false),
  });
  const { segmentBytesMax, openIntentsMax, checkpointIntervalMs, freeBytesMin, checkIntervalMs } = limits;
  const writer = createWriterLife({
    startWriter: deps.startWriter,
    origin,
    init: {
      lockFile: layout.lock(directory),
      boot,
      signingKey: keys.signingKey,
      lockToken: deps.lockToken,
      segmentBytesMax,
      openIntentsMax,
      checkpointIntervalMs,
      freeBytesMin,
      checkIntervalMs,
    },
    closeMsMax: limits.deadlineMs,
    onReady: (ready, place) => {
      feed.restart(ready.nextSequence, shardOrigin(origin, place));
      checkpointed = ready.checkpointSize;
      isSpaceLow = false;
    },
    onReport,
    onFailure: deps.onFailure,
  });
  const shards = createShardSuccession({
    fs,
    directory,
    origin,
    signingKey: keys.signingKey,
    rule: deps.shard,
    clock,
    writer,
    putAlone: (entry) => feed.putAlone(entry),
  });
  const feed = createWriterFeed({
    queue,
    writer,
    clock,
    createKey: () => createEpochKey(fs, directory, keys, clock, random),
    isShardOver: () => deps.mayGoOn() && shards.isOver(queue.durable()),
    goOn,
    refuse: deps.refuse,
    onPushed: deadline.arm,
    onPending: (records, bytes) => metrics.auditPending(records, bytes),
    onFailure: (why) => deps.onFailure(why, false),
  });

  function onReport(report: WriterReport): void {
    switch (report.kind) {
      case 'durable':
        for (const seconds of queue.settle(report.sequence)) metrics.latency('audit', seconds);
        feed.flush();
        return;
      case 'published':
        checkpointed = report.size;
        return;
      case 'space':
        isSpaceLow = report.isLow;
        if (!isSpaceLow) deps.onRoom();
        log[report.isLow ? 'error' : 'info']('audit free space', { bytes: report.freeBytes, file: directory });
        return;
    }
  }

  async function goOn(): Promise<boolean> {
    try {
      await shards.goOn();
      await feed.putAlone(entryOfOpening(0));
      log.info('audit log goes on in a new shard', { file: shards.current().folder });
      return true;
    } catch (thrown) {
      deps.onStuck(`the next shard could not be begun: ${Fault.from(thrown).message}`);
      return false;
    }
  }

  async function open(): Promise<Ready> {
    try {
      return await shards.openLast();
    } catch (thrown) {
      // It was not the writer that failed, or it would have been given up: it must not stay beside the next one.
      if (writer.isRunning()) deps.onFailure(Fault.from(thrown).message, false);
      throw thrown;
    }
  }

  function entryOfOpening(records: number): AuditEntry {
    return openEntry(deps.openFacts, records, shards.link());
  }

  return {
    open,
    openEntry: entryOfOpening,
    hasRoomFor: queue.hasRoomFor,
    isSpaceLow: () => isSpaceLow,
    push: feed.push,
    giveUp: (fault) => {
      writer.giveUp(fault);
      return queue.rejectAll(fault);
    },
    publishLast: async () => {
      await writer.close();
    },
    writersEnded: writer.ended,
    end: () => {
      deadline.stop();
      return writer.endAll();
    },
    epoch: feed.epoch,
    progress: () => ({
      records: queue.durable(),
      checkpointed,
      pendingRecords: queue.records(),
      pendingBytes: queue.bytes(),
    }),
  };
}
