import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { NewId, RandomBytes } from '../lib/ids.ts';
import { limits } from '../lib/limits.ts';
import { createBatchBuilder } from './batch.ts';
import type { AuditEntry, Receipt } from './entry.ts';
import { createManifestWriter, type NamedBody } from './manifest.ts';
import { saltBytes } from './seal.ts';

/** Entries between their append and their durability: waiting to be sent to the writer, or with it. */
export interface AppendQueue {
  /** Room for this entry, counted in bytes? */
  hasRoomFor(entry: AuditEntry): boolean;
  /** Takes an entry; the promise is settled by `settle` or `rejectAll`, or when the entry cannot be put on record. */
  push(entry: AuditEntry): Promise<Receipt>;
  /** A packed batch for the writer; null when nothing waits, or the writer has as much as it should. */
  nextBatch(epoch: string): Buffer | null;
  isBatchDue(): boolean;
  /** An entry in a batch of its own, before all that waits: for the writer at once. */
  alone(entry: AuditEntry, epoch: string): { readonly batch: Buffer | null; readonly receipt: Promise<Receipt> };
  /** Everything up to this sequence number is durable. Returns the seconds that each entry took. */
  settle(sequence: number): readonly number[];
  /** Gives up all that is not durable, and returns it. */
  rejectAll(fault: Fault): readonly AuditEntry[];
  /** Sequence numbers go on from here, in the log of this name. */
  restart(nextSequence: number, origin: string): void;
  /** When the oldest entry was pushed, monotonic; null when there is none. */
  oldestNs(): bigint | null;
  /** Sequence number of the first record that is not durable. */
  durable(): number;
  records(): number;
  bytes(): number;
}

export interface AppendQueueOptions {
  /** The log's name, until `restart` gives another. */
  readonly origin: string;
  readonly boot: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly newId: NewId;
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

/** About fifteen milliseconds of sealing: whoever waits for an earlier batch, and the signed head, get their turn after it. */
const batchBytesMax = 1024 * 1024;
/** One with the writer's disk, one that it seals, one on its way: the writer never waits for us, and groups grow with the load. */
const batchesInFlightMax = 3;

export function createAppendQueue(options: AppendQueueOptions): AppendQueue {
  const { clock, random, newId } = options;
  let builder = createBatchBuilder(createManifestWriter(options));
  let nextSequence = 0;
  let pending: Waiting[] = [];
  let bytes = 0;
  const inFlight = createFifo<Waiting>();
  /** Last sequence number of each batch that the writer has. */
  let batches: number[] = [];

  function push(entry: AuditEntry): Promise<Receipt> {
    const size = sizeOf(entry);
    bytes += size;
    return new Promise((resolve, reject) => {
      const stamp = { id: newId(), wallNs: clock.nowNs(), monoNs: clock.monoNs() };
      pending.push({ entry, bytes: size, ...stamp, sequence: -1, resolve, reject });
    });
  }

  function nextBatch(epoch: string): Buffer | null {
    while (isBatchDue()) {
      takeRecords(epoch);
      const batch = builder.take();
      if (batch === null) continue;
      batches.push(nextSequence - 1);
      return batch;
    }
    return null;
  }

  function alone(entry: AuditEntry, epoch: string): { batch: Buffer | null; receipt: Promise<Receipt> } {
    const rest = pending;
    pending = [];
    const receipt = push(entry);
    takeRecords(epoch);
    pending = rest;
    const batch = builder.take();
    if (batch !== null) batches.push(nextSequence - 1);
    return { batch, receipt };
  }

  function isBatchDue(): boolean {
    return pending.length > 0 && batches.length < batchesInFlightMax;
  }

  function takeRecords(epoch: string): void {
    let batchBytes = 0;
    let taken = 0;
    for (const waiting of pending) {
      if (taken > 0 && batchBytes + waiting.bytes > batchBytesMax) break;
      taken += 1;
      batchBytes += waiting.bytes;
    }
    const batch = taken === pending.length ? pending : pending.slice(0, taken);
    pending = taken === pending.length ? [] : pending.slice(taken);
    builder.begin(batchBytes);
    for (const waiting of batch) if (addRecord(waiting, epoch)) inFlight.push(waiting);
  }

  /** False when the entry cannot be put on record; it takes no sequence number then. */
  function addRecord(waiting: Waiting, epoch: string): boolean {
    const { entry, id, wallNs, monoNs } = waiting;
    try {
      const bodies = boundedBodies(entry);
      builder.add(entry, bodies, { id, epoch, sequence: nextSequence, nonce: random(32), wallNs, monoNs });
      waiting.sequence = nextSequence;
      nextSequence += 1;
      return true;
    } catch (error) {
      bytes -= waiting.bytes;
      waiting.reject(new Fault('internal', 'an audit entry cannot be put on record', error));
      return false;
    }
  }

  function settle(sequence: number): readonly number[] {
    const nowNs = clock.monoNs();
    const seconds: number[] = [];
    for (let next = inFlight.peek(); next !== undefined && next.sequence <= sequence; next = inFlight.peek()) {
      inFlight.shift();
      bytes -= next.bytes;
      seconds.push(Number(nowNs - next.monoNs) / 1e9);
      next.resolve({ id: next.id, sequence: BigInt(next.sequence) });
    }
    batches = batches.filter((last) => last > sequence);
    return seconds;
  }

  function rejectAll(fault: Fault): readonly AuditEntry[] {
    const rejected = [...inFlight.clear(), ...pending];
    pending = [];
    batches = [];
    bytes = 0;
    for (const waiting of rejected) waiting.reject(fault);
    return rejected.map((waiting) => waiting.entry);
  }

  return {
    hasRoomFor: (entry) => bytes + sizeOf(entry) <= options.bytesMax,
    push,
    nextBatch,
    isBatchDue,
    alone,
    settle,
    rejectAll,
    restart: (next, origin) => {
      nextSequence = next;
      builder = createBatchBuilder(createManifestWriter({ origin, boot: options.boot }));
    },
    oldestNs: () => (inFlight.peek() ?? pending[0])?.monoNs ?? null,
    durable: () => inFlight.peek()?.sequence ?? nextSequence,
    records: () => pending.length + inFlight.size(),
    bytes: () => bytes,
  };
}

/** What an entry takes besides its bodies, roughly. */
const entryBytes = 2_048;

function sizeOf(entry: AuditEntry): number {
  let size = entryBytes;
  for (const name in entry.bodies) size += saltBytes + (entry.bodies[name]?.bytes.length ?? 0);
  return size;
}

/** The bodies by name. Throws a RangeError at what the batch format cannot hold; far above anything an exchange makes. */
function boundedBodies(entry: AuditEntry): readonly NamedBody[] {
  if (entry.exchange.length > 1_024) throw new RangeError('the exchange id is too long');
  if (entry.subjectKey && entry.subjectKey.key.length !== 32) throw new RangeError('a subject key has 32 bytes');
  const bodies: NamedBody[] = [];
  for (const [name, { mediaType, bytes }] of Object.entries(entry.bodies)) {
    if (name.length > 255 || mediaType.length > limits.headerValueBytesMax) {
      throw new RangeError('a name or media type of a body is too long');
    }
    bodies.push({ name, mediaType, bytes });
  }
  if (bodies.length > 32) throw new RangeError('there are too many bodies');
  return bodies.sort((a, b) => (a.name < b.name ? -1 : 1));
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
