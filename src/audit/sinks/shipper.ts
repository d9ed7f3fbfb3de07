import { Fault } from '../../lib/fault.ts';
import type { RandomBytes } from '../../lib/ids.ts';
import type { FsPort } from '../fs-port.ts';
import type { StoredRecord } from '../read.ts';
import { shardAt, shardOfFolder } from '../shards.ts';
import { backOffMs } from './back-off.ts';
import { type Cursor, openCursor } from './cursor.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters.ts';
import { createInFlight } from './in-flight.ts';
import { openLogTail, pause, readLater, readPublished } from './log-tail.ts';
import { type Sends, sendAll } from './send.ts';
import type { ReadSentPrompt, SentPrompt } from './sent-prompt.ts';
import type { Sink, SinkEvent } from './sink.ts';

/** What a record becomes on its way to a sink: none, one or several events, the same each time. */
export interface Renderer {
  record(record: StoredRecord, prompt?: SentPrompt | null): readonly SinkEvent[];
  checkpoint(note: string, size: number, timeNs: bigint): SinkEvent;
}

export interface ShipperLimits {
  /** A batch is sent when it holds so many events or bytes, or is so old. */
  readonly batchRecords: number;
  readonly batchBytes: number;
  readonly batchWaitMs: number;
  /** A larger event becomes a dead letter at once, and does not touch its batch. */
  readonly eventBytesMax: number;
  /** A receiver that has not answered by then counts as away. */
  readonly deadlineMs: number;
  readonly checkpointMs: number;
  readonly flushMs: number;
  readonly pollMs: number;
  readonly deadLetterBytesMax: number;
  /** Longest rest after a full batch was made: as long as making it took, so that catching up takes half of a core at most. */
  readonly restMs: number;
}

export const shipperLimits: ShipperLimits = {
  batchRecords: 500,
  batchBytes: 1_048_576,
  batchWaitMs: 1_000,
  eventBytesMax: 1_048_576,
  deadlineMs: 30_000,
  checkpointMs: 60_000,
  flushMs: 1_000,
  pollMs: 250,
  deadLetterBytesMax: 67_108_864,
  restMs: 100,
};

/** How a sink does. */
export interface SinkStatus {
  readonly sink: string;
  /** Records that are published and not delivered, and about how many bytes they are. */
  readonly lagRecords: number;
  readonly lagBytes: number;
  /** Age of the oldest of them. */
  readonly lagSeconds: number;
  /** Events since the start. */
  readonly delivered: number;
  readonly deadLetters: number;
  /** Records that had left the log before they could be sent. */
  readonly missed: number;
  /** Why the last attempt failed; null when it did not. */
  readonly failing: string | null;
}

export interface ShipperOptions {
  readonly name: string;
  /** Directory of the log. */
  readonly log: string;
  /** Directory of cursors and dead letters. */
  readonly state: string;
  readonly sink: Sink;
  readonly renderer: Renderer;
  /** Opens the prompt that was sent; null: none goes along. */
  readonly readPrompt: ReadSentPrompt | null;
  readonly limits: ShipperLimits;
  readonly fs: FsPort;
  readonly random: RandomBytes;
  readonly nowMs: () => number;
}

export interface Shipper {
  status(): SinkStatus;
  /** Sends what is published by now and the last checkpoint, for at most so long; then ends. The cursor keeps the rest. Idempotent. */
  stop(drainMs: number): Promise<void>;
  /** Ends without another word, as a crash would. */
  kill(): Promise<void>;
}

/**
 * Carries a log to one sink, each event at least once, in order. The log on disk is the only queue: nothing is in memory but the batches
 * on their way (one, unless the sink takes several) and the next one, and no request ever waits for a sink. The cursor moves after the
 * receiver's word about everything before it, and is fsynced at most once a second. What the receiver will never take becomes a dead letter by itself; its neighbours go through.
 */
export async function startShipper(options: ShipperOptions): Promise<Shipper> {
  const { name, limits, renderer, nowMs } = options;
  const cursor = await openCursor(options.fs, options.state, name);
  const letters = openDeadLetters(options.state, name, limits.deadLetterBytesMax);
  const tail = openLogTail(options.log, cursor.position(), limits.pollMs);
  const abort = new AbortController();
  const state = {
    delivered: 0,
    missed: 0,
    bytesEach: 0,
    failing: null as string | null,
  };
  const flight = createInFlight(options.sink.batchesMax ?? 1);
  /** When the oldest record of each batch on its way was put on record, in order. */
  const oldest: (bigint | null)[] = [];
  let isDraining = false;
  let isKilled = false;
  let keyAttempts = 0;
  let checkpointDueMs = performance.now() + limits.checkpointMs;

  const sends: Sends = {
    sink: options.sink,
    deadlineMs: limits.deadlineMs,
    signal: abort.signal,
    turn: flight.turn,
    waitMs: (attempt, wishedMs) => backOffMs(attempt, wishedMs, options.random),
    onFailed: (reason) => {
      state.failing = reason;
    },
    onDelivered: (count) => {
      state.failing = null;
      state.delivered += count;
    },
    onDead: (event, reason) => bury(cursor, letters, event, reason, nowMs()),
  };

  async function run(): Promise<void> {
    let { shard = '' } = cursor.position();
    let { next } = cursor.position();
    for (;;) {
      const startMs = performance.now();
      const batch = await nextBatch(shard, next);
      if (batch.records > 0) {
        if (batch.shard !== shard) {
          // The last word on the shard before.
          if (!(await flight.landed()) || !(await sendCheckpoint())) return;
          cursor.move({ shard: batch.shard, next: 0, checkpoint: 0 });
          shard = batch.shard;
        }
        next = batch.next;
        state.bytesEach = batch.bytes / batch.records;
        const restMs = batch.isFull ? Math.min(limits.restMs, performance.now() - startMs) : 0;
        await Promise.all([flight.room(), restMs > 0 ? pause(restMs, abort.signal) : null]);
        oldest.push(batch.oldestNs);
        flight.begin(
          () => deliver(batch),
          () => {
            oldest.shift();
            cursor.move({ next: batch.next });
          },
        );
      }
      // A batch that gave way to a checkpoint may be empty though there is more.
      const isOver = batch.records === 0 && tail.isAtEnd();
      if (isOver || performance.now() >= checkpointDueMs) {
        if (!(await flight.landed()) || !(await sendCheckpoint())) return;
      }
      if (isOver || abort.signal.aborted) return;
    }
  }

  async function deliver(batch: Batch): Promise<boolean> {
    for (const event of batch.oversize) await sends.onDead(event, `larger than ${limits.eventBytesMax} bytes`);
    return batch.events.length === 0 || (await sendAll(batch.events, sends));
  }

  async function sendCheckpoint(): Promise<boolean> {
    checkpointDueMs = performance.now() + limits.checkpointMs;
    const published = await readPublished(shardAt(options.log, cursor.position().shard ?? '').folder);
    if (published === null || published.size <= cursor.position().checkpoint) return true;
    const event = renderer.checkpoint(published.note, published.size, BigInt(nowMs()) * 1_000_000n);
    if (!(await sendAll([event], sends))) return false;
    cursor.move({ checkpoint: published.size });
    return true;
  }

  async function nextBatch(fromShard: string, from: number): Promise<Batch> {
    const batch: Batch = {
      events: [],
      oversize: [],
      records: 0,
      bytes: 0,
      shard: fromShard,
      next: from,
      oldestNs: null,
      isFull: false,
    };
    let untilMs = checkpointDueMs;
    for (;;) {
      const record = await tail.next(untilMs, () => isDraining);
      if (record === null) return batch;
      const shard = shardOfFolder(record.folder).name;
      if (batch.shard !== shard) {
        if (batch.records > 0) {
          tail.putBack();
          return batch;
        }
        batch.shard = shard;
        batch.next = 0;
      }
      const prompt = await promptOf(record);
      if (prompt === 'later') {
        tail.putBack();
        // What is there goes out first; then the key is asked for again.
        if (batch.records === 0) await pause(backOffMs(keyAttempts, null, options.random), abort.signal);
        return batch;
      }
      const rendered = renderer.record(record, prompt);
      const events = rendered.filter(({ json }) => json.length <= limits.eventBytesMax);
      const bytes = events.reduce((sum, { json }) => sum + json.length, 0);
      if (batch.events.length > 0 && batch.bytes + bytes > limits.batchBytes) {
        tail.putBack();
        batch.isFull = true;
        return batch;
      }
      // Retention may have taken whole segments away before this sink came to them.
      if (record.sequence > batch.next) state.missed += record.sequence - batch.next;
      if (batch.records === 0) untilMs = Math.min(untilMs, performance.now() + limits.batchWaitMs);
      batch.events.push(...events);
      batch.oversize.push(...rendered.filter((event) => !events.includes(event)));
      batch.records += 1;
      batch.bytes += bytes;
      batch.next = record.sequence + 1;
      batch.oldestNs ??= record.wallNs;
      if (batch.events.length >= limits.batchRecords || batch.bytes >= limits.batchBytes) {
        batch.isFull = true;
        return batch;
      }
    }
  }

  /** A key that cannot be asked for holds this sink up, as a receiver that is away would; what was destroyed does not. */
  async function promptOf(record: StoredRecord): Promise<SentPrompt | null | 'later'> {
    try {
      const prompt = (await options.readPrompt?.(record)) ?? null;
      keyAttempts = 0;
      return prompt;
    } catch (thrown) {
      state.failing = Fault.from(thrown).message;
      keyAttempts += 1;
      return 'later';
    }
  }

  let published = { shard: '', size: 0, later: 0 };
  const flushing = setInterval(() => {
    const { shard = '' } = cursor.position();
    void Promise.all([readPublished(shardAt(options.log, shard).folder), readLater(options.log, shard)]).then(
      ([head, later]) => {
        published = { shard, size: head?.size ?? 0, later };
      },
    );
    cursor.flush().catch((thrown: unknown) => {
      state.failing = `its cursor cannot be written: ${Fault.from(thrown).message}`;
    });
  }, limits.flushMs);
  flushing.unref();

  const running = run().catch((thrown: unknown) => {
    // A renderer or a disk that fails is no reason to take the service down: the lag and this reason tell.
    state.failing = `it has ended: ${Fault.from(thrown).message}`;
  });

  async function end(): Promise<void> {
    abort.abort();
    await tail.close();
    await running;
    clearInterval(flushing);
    if (!isKilled) await cursor.flush();
    await options.sink.close();
  }

  let stopping: Promise<void> | null = null;
  return {
    status: () => {
      const { shard = '', next, deadLetters } = cursor.position();
      const seen = published.shard === shard ? published : { size: 0, later: 0 };
      const lagRecords = Math.max(0, seen.size - next, tail.covered(shard) - next) + seen.later;
      const [first = null] = oldest;
      const oldestMs = first === null ? null : Number(first / 1_000_000n);
      return {
        sink: name,
        lagRecords,
        lagBytes: Math.round(lagRecords * state.bytesEach),
        lagSeconds: oldestMs === null ? 0 : Math.max(0, (nowMs() - oldestMs) / 1000),
        delivered: state.delivered,
        deadLetters,
        missed: state.missed,
        failing: state.failing,
      };
    },
    stop: (drainMs) => {
      isDraining = true;
      stopping ??= (async () => {
        await Promise.race([running, pause(drainMs, abort.signal)]);
        await end();
      })();
      return stopping;
    },
    kill: () => {
      isKilled = true;
      return end();
    },
  };
}

/** Records of one shard. */
interface Batch {
  shard: string;
  readonly events: SinkEvent[];
  readonly oversize: SinkEvent[];
  records: number;
  bytes: number;
  next: number;
  oldestNs: bigint | null;
  /** There was more to send. */
  isFull: boolean;
}

/** The letter is durable before the cursor may pass it. */
async function bury(
  cursor: Cursor,
  letters: DeadLetters,
  event: SinkEvent,
  reason: string,
  atMs: number,
): Promise<void> {
  await letters.add(event, reason, atMs);
  cursor.move({ deadLetters: cursor.position().deadLetters + 1 });
}
