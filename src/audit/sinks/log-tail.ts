import { readFile } from 'node:fs/promises';
import { layout } from '../layout.ts';
import { type ReadOptions, readRecords, type StoredRecord } from '../read.ts';

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

/** A log read from a place on, as far as it is published. */
export interface LogTail {
  /**
   * The next record that the published checkpoint covers, or null when `until` (monotonic, as `performance.now`) has come
   * or the tail was closed. With `isLast`, null as soon as everything published was given.
   */
  next(untilMs: number, isLast: () => boolean): Promise<StoredRecord | null>;
  /** Puts the last record back. */
  putBack(record: StoredRecord): void;
  /** What the checkpoint covers, as far as it was seen. */
  covered(): number;
  close(): Promise<void>;
}

/**
 * Follows a log from the record `from` on. Only records under a signed checkpoint are given: they are durable, their place
 * is final, and no recovery can take them back.
 */
export function openLogTail(directory: string, from: number, pollMs: number): LogTail {
  const stop = new AbortController();
  const options: ReadOptions = { from, follow: true, signal: stop.signal, pollMs };
  const records = readRecords(directory, options);
  let pending: Promise<IteratorResult<StoredRecord, void>> | null = null;
  let held: StoredRecord | null = null;
  let covered = 0;
  let given = from;

  async function next(untilMs: number, isLast: () => boolean): Promise<StoredRecord | null> {
    for (;;) {
      if (held !== null && held.sequence < covered) {
        const record = held;
        held = null;
        given = record.sequence + 1;
        return record;
      }
      if (held !== null || given >= covered) covered = (await readPublished(directory))?.size ?? covered;
      if (held !== null && held.sequence < covered) continue;
      const leftMs = untilMs - performance.now();
      if (stop.signal.aborted || leftMs <= 0 || (isLast() && given >= covered)) return null;
      const pauseMs = Math.min(leftMs, pollMs);
      if (held !== null || given >= covered) await pause(pauseMs, stop.signal);
      else await read(pauseMs);
    }
  }

  /** Waits for the next record, but no longer than that. */
  async function read(ms: number): Promise<void> {
    pending ??= records.next();
    const enough = new AbortController();
    const timer = pause(ms, stop.signal, enough.signal);
    const result = await Promise.race([pending, timer]);
    // With a reason of its own: else the engine makes an error object each time.
    enough.abort(null);
    if (result === undefined) return;
    pending = null;
    if (!result.done) held = result.value;
    else await pause(ms, stop.signal);
  }

  return {
    next,
    putBack: (record) => {
      held = record;
      given = record.sequence;
    },
    covered: () => covered,
    close: async () => {
      stop.abort();
      // Nobody waits for that record any more, whatever became of reading it.
      await pending?.catch(() => undefined);
      await records.return(undefined);
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
