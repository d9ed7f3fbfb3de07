import { Fault } from '../lib/fault.ts';
import { type Shard, shardOrigin } from './shards.ts';
import type { FromWriter, StartWriter, ToWriter, WriterHandle, WriterInit } from './writer-protocol.ts';

export type Ready = Extract<FromWriter, { kind: 'ready' }>;
export type OpenIntents = Ready['openIntents'];

/**
 * The lives of a log's writers, one after the other. Only the one in place is heard: one that was given up may hang in the kernel, and
 * write and speak once the kernel lets go. So their ends are kept, all of them.
 */
export interface WriterLife {
  /**
   * Starts a writer for this shard and resolves when it has read the shard's end. Rejects when it cannot, or when it is given up before.
   * There MUST be none in place that may write.
   */
  launch(place: Shard, openIntents: OpenIntents): Promise<Ready>;
  isRunning(): boolean;
  /** To the writer in place; lost when there is none. */
  post(message: ToWriter): void;
  /** Has the last checkpoint published. Says which intents are left without outcome; null: it could not be done in time. */
  close(): Promise<OpenIntents | null>;
  /** Hears the writer no more and ends it. */
  retire(): void;
  /** Likewise, and whoever waits for its launch or close waits no longer. */
  giveUp(fault: Fault): void;
  /** Resolves when every writer that is not in place surely writes no more. */
  ended(): Promise<unknown>;
  /** Ends the last one too. Whether all of them surely write no more; false: that could not be said in time. */
  endAll(): Promise<boolean>;
}

export interface WriterLifeDeps {
  readonly startWriter: StartWriter;
  /** The log's name, without a shard's. */
  readonly origin: string;
  /** What does not depend on the shard. */
  readonly init: Omit<WriterInit, 'directory' | 'origin' | 'openIntents'>;
  /** How long `close` and `endAll` wait at most. */
  readonly closeMsMax: number;
  /** Before `launch` resolves. */
  readonly onReady: (ready: Ready, place: Shard) => void;
  readonly onReport: (report: WriterReport) => void;
  /** MUST give the writer up. */
  readonly onFailure: (why: string, isDamaged: boolean) => void;
}

/** What a writer says while it is at work. */
export type WriterReport = Extract<FromWriter, { kind: 'durable' | 'published' | 'space' }>;

export function createWriterLife(deps: WriterLifeDeps): WriterLife {
  let writer: WriterHandle | null = null;
  let ending: Promise<unknown> = Promise.resolve();
  /** Records that callers were told are durable, by the folder that they are in. */
  const acknowledged = new Map<string, number>();
  /** Ends the wait for a writer that was told to close. */
  let closed: ((openIntents: OpenIntents | null) => void) | null = null;
  /** Ends the wait for a writer that was started. */
  let giveUpLaunch: ((fault: Fault) => void) | null = null;

  function launch(place: Shard, openIntents: OpenIntents): Promise<Ready> {
    const init = { ...deps.init, directory: place.folder, origin: shardOrigin(deps.origin, place), openIntents };
    return new Promise((resolve, reject) => {
      giveUpLaunch = reject;
      const handle: WriterHandle = deps.startWriter(
        init,
        (message) => {
          if (message.kind === 'failed') reject(new Fault('audit_unavailable', message.message));
          if (handle !== writer) return;
          if (message.kind === 'ready') takeOver(message, place, resolve, reject);
          else hear(message, place);
        },
        (error) => {
          reject(error);
          if (handle === writer) deps.onFailure(error.message, false);
        },
      );
      writer = handle;
    });
  }

  function takeOver(ready: Ready, place: Shard, resolve: (ready: Ready) => void, reject: (fault: Fault) => void): void {
    const durable = acknowledged.get(place.folder) ?? 0;
    if (ready.nextSequence < durable) {
      const why = `the audit log is damaged: of ${durable} acknowledged records ${ready.nextSequence} are left`;
      reject(new Fault('audit_unavailable', why));
      deps.onFailure(why, true);
      return;
    }
    deps.onReady(ready, place);
    resolve(ready);
  }

  function hear(message: Exclude<FromWriter, Ready>, place: Shard): void {
    switch (message.kind) {
      case 'failed':
        deps.onFailure(message.message, message.isDamaged);
        return;
      case 'closed':
        closed?.(message.openIntents);
        return;
      case 'durable':
        acknowledged.set(place.folder, message.sequence + 1);
        deps.onReport(message);
        return;
      case 'published':
      case 'space':
        deps.onReport(message);
        return;
    }
  }

  async function close(): Promise<OpenIntents | null> {
    if (writer === null) return null;
    let left: OpenIntents | null = null;
    const published = new Promise<void>((resolve) => {
      closed = (openIntents) => {
        left = openIntents;
        resolve();
      };
    });
    writer.post({ kind: 'close' });
    await within(deps.closeMsMax, published);
    return left;
  }

  function retire(): void {
    const last = writer;
    writer = null;
    ending = Promise.all([ending, last?.terminate()]);
  }

  return {
    launch,
    isRunning: () => writer !== null,
    post: (message) => writer?.post(message),
    close,
    retire,
    giveUp: (fault) => {
      retire();
      closed?.(null);
      giveUpLaunch?.(fault);
    },
    ended: () => ending,
    endAll: () => {
      retire();
      return within(deps.closeMsMax, ending);
    },
  };
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
