import { readFile } from 'node:fs/promises';
import { Fault } from '../../lib/fault.ts';
import type { RandomBytes } from '../../lib/ids.ts';
import type { FsPort } from '../fs-port.ts';
import { layout, segmentFirst } from '../layout.ts';
import { type Shard, shardAt, shardOrigin, shardsIn } from '../shards.ts';
import { backOffMs } from './back-off.ts';
import { openCursor } from './cursor.ts';
import { pause, readPublished } from './log-tail.ts';
import type { Shipper, ShipperLimits } from './shipper.ts';

/** Where whole files go and stay. */
export interface ObjectStore {
  /** Resolves when the store has the object durably: `there` when it had it before. Throws when it cannot be said. */
  put(key: string, bytes: Buffer, mediaType: string, signal: AbortSignal): Promise<'stored' | 'there'>;
  close(): Promise<void>;
}

export interface SegmentShipperOptions {
  readonly name: string;
  readonly log: string;
  readonly origin: string;
  readonly state: string;
  readonly store: ObjectStore;
  readonly limits: ShipperLimits;
  readonly fs: FsPort;
  readonly random: RandomBytes;
  readonly nowMs: () => number;
}

/**
 * Copies a log's segments, which hold ciphertext and manifests, to an object store: each once it is closed (by size, by
 * hour, or by the end of a run) and covered by the checkpoint, and the checkpoint itself every minute and at the end. Keys
 * are `<origin>/segments/<file>` and `<origin>/checkpoints/<size>`, of a shard under its own name. Its cursor counts records, as every
 * sink's does.
 */
export async function startSegmentShipper(options: SegmentShipperOptions): Promise<Shipper> {
  const { name, limits, fs, nowMs } = options;
  const cursor = await openCursor(fs, options.state, name);
  const abort = new AbortController();
  const state = {
    delivered: 0,
    published: 0,
    bytes: 0,
    sinceMs: null as number | null,
    failing: null as string | null,
  };
  let isDraining = false;
  let isKilled = false;
  let checkpointDueMs = performance.now() + limits.checkpointMs;

  async function run(): Promise<void> {
    for (;;) {
      // Before the log is read: what was published by the time of the word is still sent.
      const isEnding = isDraining;
      const sent = await shipClosed();
      if (abort.signal.aborted) return;
      const isOver = !sent && isEnding;
      if (isOver || performance.now() >= checkpointDueMs) await shipCheckpoint();
      if (isOver || abort.signal.aborted) return;
      if (!sent) await pause(limits.pollMs, abort.signal);
    }
  }

  /** One segment that is closed and covered; false when there is none. */
  async function shipClosed(): Promise<boolean> {
    const { shard, following } = await place();
    const published = await readPublished(shard.folder);
    state.published = published?.size ?? 0;
    const firsts = fs
      .list(layout.segments(shard.folder))
      .map(segmentFirst)
      .filter((first) => first !== null)
      .sort((a, b) => a - b);
    // A shard that has ended is closed, its last segment too.
    if (following !== null) firsts.push(state.published);
    const { next } = cursor.position();
    const index = firsts.findIndex((first, i) => first >= next || (firsts[i + 1] ?? 0) > next);
    const first = firsts[index];
    const end = firsts[index + 1];
    if (first === undefined || end === undefined || end > state.published) {
      return following !== null && next >= state.published && (await turnTo(following));
    }
    const path = layout.segment(shard.folder, first);
    const bytes = await readFile(path);
    state.sinceMs ??= nowMs();
    state.bytes = bytes.length;
    if (!(await put(`segments/${path.split('/').at(-1)}`, bytes, 'application/octet-stream'))) return false;
    state.sinceMs = null;
    state.bytes = 0;
    cursor.move({ next: end });
    return true;
  }

  /** The shard that the cursor is in, and the one that follows, once that has a published record. */
  async function place(): Promise<{ readonly shard: Shard; readonly following: Shard | null }> {
    const shard = shardAt(options.log, cursor.position().shard ?? '');
    const following = shardsIn(fs, options.log).find(({ number }) => number > shard.number) ?? null;
    const hasBegun = following !== null && ((await readPublished(following.folder))?.size ?? 0) > 0;
    return { shard, following: hasBegun ? following : null };
  }

  async function turnTo(following: Shard): Promise<boolean> {
    await shipCheckpoint();
    if (abort.signal.aborted) return false;
    cursor.move({ shard: following.name, next: 0, checkpoint: 0 });
    return true;
  }

  async function shipCheckpoint(): Promise<void> {
    checkpointDueMs = performance.now() + limits.checkpointMs;
    const published = await readPublished(shardAt(options.log, cursor.position().shard ?? '').folder);
    if (published === null || published.size <= cursor.position().checkpoint) return;
    const key = `checkpoints/${String(published.size).padStart(16, '0')}`;
    if (await put(key, Buffer.from(published.note), 'text/plain')) cursor.move({ checkpoint: published.size });
  }

  /** Until it is there; false when the end came before. */
  async function put(key: string, bytes: Buffer, mediaType: string): Promise<boolean> {
    for (let attempt = 0; !abort.signal.aborted; attempt += 1) {
      const deadline = new AbortController();
      const giveUp = (): void => deadline.abort();
      const timer = setTimeout(giveUp, limits.deadlineMs);
      abort.signal.addEventListener('abort', giveUp, { once: true });
      try {
        const origin = shardOrigin(options.origin, { name: cursor.position().shard ?? '' });
        await options.store.put(`${origin}/${key}`, bytes, mediaType, deadline.signal);
        state.failing = null;
        state.delivered += 1;
        return true;
      } catch (thrown) {
        state.failing = Fault.from(thrown).message;
        await pause(backOffMs(attempt, null, options.random), abort.signal);
      } finally {
        clearTimeout(timer);
        abort.signal.removeEventListener('abort', giveUp);
      }
    }
    return false;
  }

  const flushing = setInterval(() => {
    cursor.flush().catch((thrown: unknown) => {
      state.failing = `its cursor cannot be written: ${Fault.from(thrown).message}`;
    });
  }, limits.flushMs);
  flushing.unref();
  const running = run().catch((thrown: unknown) => {
    state.failing = `it has ended: ${Fault.from(thrown).message}`;
  });

  async function end(): Promise<void> {
    abort.abort();
    await running;
    clearInterval(flushing);
    if (!isKilled) await cursor.flush();
    await options.store.close();
  }

  let stopping: Promise<void> | null = null;
  return {
    status: () => ({
      sink: name,
      lagRecords: Math.max(0, state.published - cursor.position().next),
      lagBytes: state.bytes,
      lagSeconds: state.sinceMs === null ? 0 : Math.max(0, (nowMs() - state.sinceMs) / 1000),
      delivered: state.delivered,
      deadLetters: 0,
      missed: 0,
      failing: state.failing,
    }),
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
