import { readFile } from 'node:fs/promises';
import { nodeFs } from '../fs-port.ts';
import { layout } from '../layout.ts';
import { type ReadOptions, readRecordChunks, type StoredRecord } from '../read.ts';
import { shardAt, shardsIn } from '../shards.ts';

/** The last published checkpoint: what it covers, and the signed note itself. */
export interface PublishedCheckpoint {
  readonly size: number;
  readonly note: string;
}

/** Reads the signed head of a log; null when there is none yet. The signature is the verifier's business, not ours. */
export async function readPublished(directory: string): Promise<PublishedCheckpoint | null> {
  const note = await readFile(layout.checkpoint(directory), 'utf8').catch(() => null);
  const size = note === null ? undefined : /^[^\n]+\n(\d{1,15})\n/.exec(note)?.[1];
  return note === null || size === undefined ? null : { size: Number(size), note };
}

/** How many records are published in the shards that follow this one. */
export async function readLater(home: string, shard: string | undefined): Promise<number> {
  const { number: own } = shardAt(home, shard ?? '');
  let later = 0;
  for (const { number, folder } of shardsIn(nodeFs, home)) {
    if (number > own) later += (await readPublished(folder))?.size ?? 0;
  }
  return later;
}

/** A place in a log; `shard` as in `Position`. */
export interface LogPlace {
  readonly shard?: string;
  readonly next: number;
}

/** A log read from a place on, as far as it is published, from shard to shard. */
export interface LogTail {
  /**
   * The next record that the published checkpoint covers, or null when `until` (monotonic, as `performance.now`) has come
   * or the tail was closed. With `isLast`, null as soon as everything published was given.
   */
  next(untilMs: number, isLast: () => boolean): Promise<StoredRecord | null>;
  /** Whether the last null said that everything published was given, after `isLast` had been true. */
  isAtEnd(): boolean;
  /** Puts the record back that `next` gave last. */
  putBack(): void;
  /** What the checkpoint of this shard covers, as far as it was seen; 0 when another one is being read. */
  covered(shard: string | undefined): number;
  close(): Promise<void>;
}

/**
 * Follows a log from the record `from` on. Only records under a signed checkpoint are given: they are durable, their place
 * is final, and no recovery can take them back.
 */
export function openLogTail(home: string, from: LogPlace, pollMs: number): LogTail {
  const stop = new AbortController();
  let shard = shardAt(home, from.shard ?? '');
  let directory = shard.folder;
  let turned = new AbortController();
  let chunks = readRecordChunks(directory, { ...optionsNow(), from: from.next });
  let pending: Promise<IteratorResult<readonly StoredRecord[], void>> | null = null;
  let chunk: readonly StoredRecord[] = [];
  /** Place of the next record in the chunk. */
  let at = 0;
  let covered = 0;
  let given = from.next;
  let isAtEnd = false;

  async function next(untilMs: number, isLast: () => boolean): Promise<StoredRecord | null> {
    for (;;) {
      // Before the checkpoint is read: what was published by the time of the word is still given.
      const isEnding = isLast();
      const record = chunk[at];
      if (record !== undefined && record.sequence < covered) {
        at += 1;
        given = record.sequence + 1;
        return record;
      }
      if (record !== undefined || given >= covered) covered = (await readPublished(directory))?.size ?? covered;
      if (record !== undefined && record.sequence < covered) continue;
      if (record === undefined && given >= covered && (await turnOver())) continue;
      const leftMs = untilMs - performance.now();
      isAtEnd = isEnding && given >= covered;
      if (stop.signal.aborted || leftMs <= 0 || isAtEnd) return null;
      const pauseMs = Math.min(leftMs, pollMs);
      if (record !== undefined || given >= covered) await pause(pauseMs, stop.signal);
      else await read(pauseMs);
    }
  }

  function optionsNow(): ReadOptions {
    return { follow: true, signal: AbortSignal.any([stop.signal, turned.signal]), pollMs };
  }

  /** Goes on in the next shard once that has a published record: then nothing more comes to this one. */
  async function turnOver(): Promise<boolean> {
    const following = shardsIn(nodeFs, home).find(({ number }) => number > shard.number);
    if (following === undefined || ((await readPublished(following.folder))?.size ?? 0) === 0) return false;
    covered = (await readPublished(directory))?.size ?? covered;
    if (given < covered) return true;
    turned.abort();
    await pending?.catch(() => undefined);
    await chunks.return(undefined);
    pending = null;
    turned = new AbortController();
    shard = following;
    directory = following.folder;
    chunks = readRecordChunks(directory, optionsNow());
    chunk = [];
    at = 0;
    covered = 0;
    given = 0;
    return true;
  }

  /** Waits for the next records, but no longer than that. */
  async function read(ms: number): Promise<undefined> {
    pending ??= chunks.next();
    const enough = new AbortController();
    const timer = pause(ms, stop.signal, enough.signal);
    const result = await Promise.race([pending, timer]);
    // With a reason of its own: else the engine makes an error object each time.
    enough.abort(null);
    if (result === undefined) return;
    pending = null;
    if (result.done) return pause(ms, stop.signal);
    chunk = result.value;
    at = 0;
  }

  return {
    next,
    isAtEnd: () => isAtEnd,
    putBack: () => {
      at -= 1;
      given = chunk[at]?.sequence ?? given;
    },
    covered: (name) => ((name ?? '') === shard.name ? covered : 0),
    close: async () => {
      stop.abort();
      // Nobody waits for that record any more, whatever became of reading it.
      await pending?.catch(() => undefined);
      await chunks.return(undefined);
    },
  };
}

/** Resolves after so long, or when one of the signals is aborted. */
export function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<undefined> {
  return new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) {
      resolve(undefined);
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve(undefined);
    };
    const timer = setTimeout(done, ms);
    for (const signal of signals) signal.addEventListener('abort', done);
  });
}
