import { join } from 'node:path';
import type { Head } from './verify.ts';
import { type Bundle, type BundleReader, createBundleReader, indexPath } from './verify-bundles.ts';
import { createTreeHasher, hashBytes, type Row, type TreeHasher, tileWidth } from './verify-hashes.ts';
import { listOptionalSync, type ProblemList, readOptionalSync } from './verify-problems.ts';

export interface CheckedTree {
  readonly bundle: BundleReader;
  /** RFC 6962 root of the first `size` leaves, from the entries; null when they cannot be read. */
  rootAt(size: number): Buffer | null;
  /** The same of several sizes in one pass; sizes that cannot be read are not there. */
  rootsAt(sizes: readonly number[]): ReadonlyMap<number, Buffer>;
}

/**
 * Computes the whole tree from its entries and compares every tile on the way, and the root. Reads C2SP tlog-tiles: width
 * 256, partial tiles `.p/<width>`, entries behind big-endian lengths. Holds its thread meanwhile: seconds for a million leaves.
 */
export function checkTree(directory: string, head: Head, problems: ProblemList): CheckedTree {
  const bundle = createBundleReader(directory, head.size);
  const hasher = createTreeHasher();
  const tree: CheckedTree = {
    bundle,
    rootAt: (size) => treeOver(bundle, hasher, size, () => undefined),
    rootsAt: (sizes) => rootsOver(bundle, hasher, sizes),
  };
  if (head.root.length === 0) return tree;
  const root = treeOver(bundle, hasher, head.size, (level, index, row) => {
    checkTile(directory, level, index, row, problems);
    if (level === 0) checkOldBundles(directory, index, bundle(index), problems);
  });
  if (root === null) {
    problems.add('tree', 'tile/entries', 'entries that the checkpoint covers are missing or malformed');
  } else if (!root.equals(head.root)) {
    problems.add('tree', 'checkpoint', 'its root is not that of the entries');
  }
  return tree;
}

/** Told of each tile, full or the last of its level. The row is good until it returns. */
type OnTile = (level: number, index: number, row: Row) => void;

/** The root over the first `size` leaves; each tile passes by `onTile`. */
function treeOver(bundle: BundleReader, hasher: TreeHasher, size: number, onTile: OnTile): Buffer | null {
  const frontier = createFrontier(hasher, onTile);
  let last: Row = noHashes;
  for (let first = 0; first < size; first += tileWidth) {
    const width = Math.min(tileWidth, size - first);
    const leaves = bundle(first / tileWidth);
    if (leaves === null || leaves.ends.length < width) return null;
    last = hasher.leaves(leaves.bytes, leaves.ends.slice(0, width));
    if (width < tileWidth) break;
    frontier.add(last);
    last = noHashes;
  }
  for (const [level, row] of frontier.rows(last).entries())
    if (row.length > 0) onTile(level, frontier.full(level), row);
  return hasher.root(frontier.rows(last));
}

/** Roots over the first leaves, for each of these numbers of them. */
function rootsOver(bundle: BundleReader, hasher: TreeHasher, sizes: readonly number[]): ReadonlyMap<number, Buffer> {
  const roots = new Map<number, Buffer>();
  const wanted = [...new Set(sizes)].sort((a, b) => a - b);
  const frontier = createFrontier(hasher, () => undefined);
  let at = wanted[0] === 0 ? 1 : 0;
  if (at === 1) roots.set(0, hasher.root([]));
  for (let first = 0; at < wanted.length; first += tileWidth) {
    const leaves = bundle(first / tileWidth);
    if (leaves === null) break;
    const row = hasher.leaves(leaves.bytes, leaves.ends);
    for (let size = wanted[at]; size !== undefined && size <= first + tileWidth; size = wanted[at]) {
      if (size - first > leaves.ends.length) return roots;
      roots.set(size, hasher.root(frontier.rows(row.subarray(0, (size - first) * hashBytes))));
      at += 1;
    }
    if (leaves.ends.length < tileWidth) break;
    frontier.add(row);
  }
  return roots;
}

/** The right edge of a tree that grows by 256 leaves: of each level above them the hashes whose tile is not full yet. */
interface Frontier {
  /** Takes the hashes of the next 256 leaves. */
  add(row: Row): void;
  /** The open rows from the lowest level on, of which the first is given: the hashes of the last leaves. */
  rows(leaves: Row): Row[];
  /** How many tiles of a level are full. */
  full(level: number): number;
}

function createFrontier(hasher: TreeHasher, onTile: OnTile): Frontier {
  /** By level above that of the leaves. */
  const rows: { readonly bytes: Buffer; length: number }[] = [];
  let leafTiles = 0;

  const full = (level: number): number => Math.floor(leafTiles / tileWidth ** level);

  function add(level: number, tile: Row): void {
    onTile(level, full(level) - 1, tile);
    const above = rows[level] ?? { bytes: Buffer.alloc(tileWidth * hashBytes), length: 0 };
    rows[level] = above;
    above.length += hasher.fold(tile).copy(above.bytes, above.length);
    if (above.length < above.bytes.length) return;
    add(level + 1, above.bytes);
    above.length = 0;
  }

  return {
    add: (row) => {
      leafTiles += 1;
      add(0, row);
    },
    rows: (leaves) => [leaves, ...rows.map(({ bytes, length }) => bytes.subarray(0, length))],
    full,
  };
}

const noHashes: Row = Buffer.alloc(0);

function checkTile(directory: string, level: number, index: number, want: Row, problems: ProblemList): void {
  const width = want.length / hashBytes;
  const full = `tile/${level}/${indexPath(index)}`;
  const path = width === tileWidth ? full : `${full}.p/${width}`;
  // A log that goes on meanwhile may have filled this tile, and removed the partial one.
  const found = readOptionalSync(join(directory, path)) ?? readOptionalSync(join(directory, full));
  if (found === null) problems.add('tree', path, 'the tile is missing');
  else if (!found.subarray(0, found.length > want.length && path !== full ? want.length : undefined).equals(want)) {
    problems.add('tree', path, 'the tile does not hold the hashes of its leaves');
  }
  checkPartials(directory, full, width, (beginning) => want.subarray(0, beginning * hashBytes), problems);
}

/** Partial tiles of earlier checkpoints may be missing, but what is there must be the beginning of the tile. */
function checkPartials(
  directory: string,
  full: string,
  widthMax: number,
  want: (width: number) => Buffer,
  problems: ProblemList,
): void {
  for (const name of listOptionalSync(join(directory, `${full}.p`))) {
    const width = Number(name);
    // Wider than what the checkpoint covers: of a checkpoint that is about to come.
    if (!Number.isInteger(width) || width > widthMax) continue;
    const found = readOptionalSync(join(directory, `${full}.p`, name));
    if (found !== null && !found.equals(want(width))) {
      problems.add('tree', `${full}.p/${name}`, 'the partial tile is not the beginning of the tile');
    }
  }
}

function checkOldBundles(directory: string, index: number, leaves: Bundle | null, problems: ProblemList): void {
  const want = (width: number): Buffer => leaves?.bytes.subarray(0, leaves.ends[width - 1] ?? 0) ?? noHashes;
  checkPartials(directory, `tile/entries/${indexPath(index)}`, leaves?.ends.length ?? 0, want, problems);
}

/** The tree of an earlier checkpoint must be the beginning of this one. */
export function checkGrowth(old: Head, head: Head, tree: CheckedTree, problems: ProblemList): void {
  if (old.size > head.size) {
    problems.add(
      'tree',
      'checkpoint',
      `it covers ${head.size} records, the earlier one ${old.size}: the log was rolled back`,
    );
    return;
  }
  const root = tree.rootAt(old.size);
  if (root === null || !root.equals(old.root)) {
    problems.add('tree', 'earlier checkpoint', `the first ${old.size} records are not those that it covers`);
  }
}
