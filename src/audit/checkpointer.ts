import type { KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { type FsPort, replaceFile } from './fs-port.ts';
import { layout } from './layout.ts';
import { checkpointBody, signNote } from './note.ts';
import { bundleEntry, type TreeEdge, tilePath, tileWidth } from './tree.ts';

/** A durable record's place in the tree. */
export interface Leaf {
  readonly bytes: Buffer;
  readonly hash: Buffer;
}

export interface Checkpointer {
  /** Takes leaves whose records are durable, in order. A checkpoint that covers them follows within the interval. */
  add(leaves: readonly Leaf[]): void;
  /** Publishes a checkpoint of the tree as it is. */
  publish(): Promise<void>;
  /** Publishes all that was added, and no more afterwards. */
  close(): Promise<void>;
  /** Begins nothing any more. Resolves when nothing is under way. */
  abandon(): Promise<void>;
}

export interface CheckpointerOptions {
  readonly fs: FsPort;
  readonly directory: string;
  readonly origin: string;
  readonly signingKey: KeyObject;
  readonly publicKey: Uint8Array;
  readonly intervalMs: number;
  /** The tree up to now, and the entries of its last, partial bundle. */
  readonly tree: TreeEdge;
  readonly bundle: readonly Buffer[];
  /** Size of the checkpoint on disk. */
  readonly published: number;
  onPublished(size: number): void;
  onFailure(error: unknown): void;
}

interface PendingFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/**
 * Writes tiles and signed checkpoints in the background. Several files at once, so that their syncs share what the file system's journal
 * does, and a checkpoint needs few turns of a thread that commits batches meanwhile. Order, so that a crash can never make the log sign two trees:
 * records durable, tiles fsynced, their directories fsynced, `checkpoint.tmp` fsynced, renamed, directory fsynced.
 */
export function createCheckpointer(options: CheckpointerOptions): Checkpointer {
  const { fs, directory, tree } = options;
  let published = options.published;
  let bundle = [...options.bundle];
  /** Files of the published tree's right edge. They MUST NOT be written again: a kill in the middle of it would take them away. */
  let edge = pathsOf(tree.size === published ? edgeFiles() : []);
  /** Directories that are there and durable, but for those of partial tiles. */
  const made = new Set<string>();
  /** Directories of partial tiles that may be there. */
  const partials = new Set([...edge].map((path) => dirname(path)));
  let filled: PendingFile[] = [];
  /** Those of them that a full tile has superseded. */
  let superseded: string[] = [];
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;

  function add(leaves: readonly Leaf[]): void {
    for (const leaf of leaves) {
      bundle.push(bundleEntry(leaf.bytes));
      for (const tile of tree.push(leaf.hash)) keepFull(tile.level, tile.index, tile.bytes);
      if (bundle.length === tileWidth) {
        keepFull('entries', tree.size / tileWidth - 1, Buffer.concat(bundle));
        bundle = [];
      }
    }
    schedule();
  }

  function keepFull(level: number | 'entries', index: number, bytes: Buffer): void {
    const path = layout.tile(directory, tilePath(level, index, tileWidth));
    filled.push({ path, bytes });
    if (partials.delete(`${path}.p`)) superseded.push(`${path}.p`);
  }

  function schedule(): void {
    if (isStopped || timer !== null || running !== null || tree.size === published) return;
    timer = setTimeout(() => {
      timer = null;
      void publish().then(schedule, (error: unknown) => {
        if (isStopped) return;
        isStopped = true;
        options.onFailure(error);
      });
    }, options.intervalMs);
  }

  function publish(): Promise<void> {
    running = publishOnce().finally(() => {
      running = null;
    });
    return running;
  }

  async function publishOnce(): Promise<void> {
    const size = tree.size;
    const body = checkpointBody({ origin: options.origin, size, root: tree.root() });
    const nextEdge = edgeFiles();
    const full = filled;
    const files = [...full, ...nextEdge.filter(({ path }) => !edge.has(path))];
    for (const { path } of nextEdge) partials.add(dirname(path));
    const obsolete = superseded;
    filled = [];
    superseded = [];

    const directories = new Set(files.map(({ path }) => dirname(path)));
    await eachOf(
      [...directories].filter((path) => !made.has(path)),
      fs.makeDirectory,
    );
    await eachOf(files, ({ path, bytes }) => fs.writeDurable(path, bytes));
    await eachOf([...directories], fs.syncDirectoryLater);
    for (const { path } of full) made.add(dirname(path));

    const note = signNote(body, options.origin, options.signingKey, options.publicKey);
    await replaceFile(fs, layout.checkpoint(directory), Buffer.from(note));
    published = size;
    edge = pathsOf(nextEdge);
    options.onPublished(size);
    for (const partial of obsolete) await fs.removeTree(partial);
  }

  function edgeFiles(): PendingFile[] {
    const files = tree.partials().map((tile) => ({
      path: layout.tile(directory, tilePath(tile.level, tile.index, tile.bytes.length / 32)),
      bytes: tile.bytes,
    }));
    if (bundle.length > 0) {
      const path = tilePath('entries', Math.floor(tree.size / tileWidth), bundle.length);
      files.push({ path: layout.tile(directory, path), bytes: Buffer.concat(bundle) });
    }
    return files;
  }

  function halt(): void {
    isStopped = true;
    if (timer !== null) clearTimeout(timer);
    timer = null;
  }

  return {
    add,
    publish,
    close: async () => {
      halt();
      if (running !== null) await running;
      if (tree.size !== published) await publish();
    },
    abandon: async () => {
      halt();
      // Its failure was told, or does not matter any more.
      await running?.catch(() => undefined);
    },
  };
}

/** One less than Node's threads for files, which what an acknowledgement waits for may need as well. */
const filesAtOnce = 3;

/** Does something to each, a few at a time. Once one fails no other is begun; rejects when nothing is under way any more. */
async function eachOf<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (const item of rest) {
      if (hasFailed) return;
      await act(item).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      });
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: filesAtOnce }, lane));
  const failed = lanes.find((ended) => ended.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function pathsOf(files: readonly PendingFile[]): ReadonlySet<string> {
  return new Set(files.map(({ path }) => path));
}
