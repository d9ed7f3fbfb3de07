import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { AppendQueue } from './append-queue.ts';
import type { AuditEntry, Receipt } from './entry.ts';
import { type EpochKey, isEpochOf } from './epoch-keys.ts';
import type { WriterLife } from './writer-life.ts';

/**
 * The way of entries from the queue to the writer: in batches, each into the shard that it belongs into and under the key of its hour. A
 * key is durable and the writer has it before anything is sealed under it.
 */
export interface WriterFeed {
  /** Takes an entry that goes out with the others of this turn. */
  push(entry: AuditEntry): Promise<Receipt>;
  /** Takes an entry that goes out before everything that waits, in a batch of its own. */
  putAlone(entry: AuditEntry): Promise<Receipt>;
  /** Sends what is due. To be called when the writer can take more. */
  flush(): void;
  /** A writer took over, which has no key yet: sequence numbers go on from here, in the log of this name. */
  restart(nextSequence: number, origin: string): void;
  /** The key that was used last; null: none yet. */
  epoch(): EpochKey | null;
}

export interface WriterFeedDeps {
  readonly queue: AppendQueue;
  readonly writer: Pick<WriterLife, 'isRunning' | 'post'>;
  readonly clock: Clock;
  /** Makes the key of this hour; durable when it resolves. */
  readonly createKey: () => Promise<EpochKey>;
  /** Whether what waits belongs into the next shard. */
  readonly isShardOver: () => boolean;
  /** Ends the shard and begins the next; says whether it could. Nothing is sent meanwhile but by `putAlone`. */
  readonly goOn: () => Promise<boolean>;
  /** What `putAlone` answers while there is no writer. */
  readonly refuse: () => Promise<never>;
  readonly onPushed: () => void;
  readonly onPending: (records: number, bytes: number) => void;
  /** MUST give the writer up. */
  readonly onFailure: (why: string) => void;
}

export function createWriterFeed(deps: WriterFeedDeps): WriterFeed {
  const { queue, writer, clock } = deps;
  let epoch: EpochKey | null = null;
  let isEpochTold = false;
  let isRotating = false;
  let isHandingOver = false;
  let isFlushDue = false;

  function push(entry: AuditEntry): Promise<Receipt> {
    const receipt = queue.push(entry);
    scheduleFlush();
    deps.onPushed();
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
    while (writer.isRunning() && !isHandingOver && queue.isBatchDue()) {
      if (!isRotating && deps.isShardOver()) {
        goOn();
        return;
      }
      if (epoch === null || !isEpochOf(epoch, clock.nowMs())) {
        rotate();
        return;
      }
      tellEpoch(epoch);
      const batch = queue.nextBatch(epoch.id);
      if (batch !== null) writer.post({ kind: 'batch', batch });
    }
    deps.onPending(queue.records(), queue.bytes());
  }

  function tellEpoch({ id, key }: EpochKey): void {
    if (!isEpochTold) writer.post({ kind: 'epoch', id, key });
    isEpochTold = true;
  }

  /** The next shard takes what waits. */
  function goOn(): void {
    isHandingOver = true;
    void deps.goOn().then((isOn) => {
      isHandingOver = false;
      if (isOn) flush();
    });
  }

  async function putAlone(entry: AuditEntry): Promise<Receipt> {
    if (epoch === null || !isEpochOf(epoch, clock.nowMs())) {
      epoch = await deps.createKey();
      isEpochTold = false;
    }
    if (!writer.isRunning()) return deps.refuse();
    tellEpoch(epoch);
    const { batch, receipt } = queue.alone(entry, epoch.id);
    if (batch !== null) writer.post({ kind: 'batch', batch });
    deps.onPushed();
    return receipt;
  }

  function rotate(): void {
    if (isRotating) return;
    isRotating = true;
    deps.createKey().then(
      (next) => {
        isRotating = false;
        epoch = next;
        isEpochTold = false;
        flush();
      },
      (error: unknown) => {
        isRotating = false;
        deps.onFailure(`no epoch key: ${Fault.from(error).message}`);
      },
    );
  }

  return {
    push,
    putAlone,
    flush,
    restart: (nextSequence, origin) => {
      queue.restart(nextSequence, origin);
      isEpochTold = false;
    },
    epoch: () => epoch,
  };
}
