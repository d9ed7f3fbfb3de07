import type { KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { type FsPort, replaceFile } from './fs-port.ts';
import { layout } from './layout.ts';
import { checkpointBody, signNote } from './note.ts';
import { bundleEntry, hashBytes, type TreeEdge, tilePath, tileWidth } from './tree.ts';

/** A durable record's place in the tree. */
export interface Leaf {
  readonly bytes: Buffer;
  readonly hash: Buffer;
}

/** Those of many records, as bundles and tiles have them. */
export interface Leaves {
  /** Entries of a bundle, back to back. */
  readonly entries: Buffer;
  readonly hashes: Buffer;
}

export function packLeaves(leaves: readonly Leaf[]): Leaves {
  return {
    entries: Buffer.concat(leaves.map(({ bytes }) => bundleEntry(bytes))),
    hashes: Buffer.concat(leaves.map(({ hash }) => hash)),
  };
}

export interface Checkpointer {
  /** Takes leaves whose records are durable, in order. A checkpoint that covers them follows within the interval. */
  add(leaves: Leaves): void;
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
  const bundle = createBundle(options.bundle);
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

  function add({ entries, hashes }: Leaves): void {
    let entryAt = 0;
    for (let at = 0; at < hashes.length; at += hashBytes) {
      entryAt = bundle.take(entries, entryAt);
      for (const tile of tree.push(hashes.subarray(at, at + hashBytes))) keepFull(tile.level, tile.index, tile.bytes);
      if (bundle.width() < tileWidth) continue;
      keepFull('entries', tree.size / tileWidth - 1, bundle.bytes());
      bundle.clear();
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
    if (bundle.width() > 0) {
      const path = tilePath('entries', Math.floor(tree.size / tileWidth), bundle.width());
      files.push({ path: layout.tile(directory, path), bytes: bundle.bytes() });
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

/** The entries of the right edge, in a buffer that is used again for the next bundle. */
interface Bundle {
  /** Takes the entry at `at`. Returns where it ends. */
  take(entries: Buffer, at: number): number;
  width(): number;
  /** A copy. */
  bytes(): Buffer;
  clear(): void;
}

function createBundle(first: readonly Buffer[]): Bundle {
  let buffer = Buffer.concat(first);
  let used = buffer.length;
  let width = first.length;
  return {
    take: (entries, at) => {
      const end = at + 2 + entries.readUInt16BE(at);
      if (used + end - at > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(used + end - at, buffer.length * 2, leastBundleBytes));
        buffer.copy(larger, 0, 0, used);
        buffer = larger;
      }
      used += entries.copy(buffer, used, at, end);
      width += 1;
      return end;
    },
    width: () => width,
    bytes: () => Buffer.from(buffer.subarray(0, used)),
    clear: () => {
      used = 0;
      width = 0;
    },
  };
}

const leastBundleBytes = 32 * 1024;

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
