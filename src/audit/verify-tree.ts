import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { Head } from './verify.ts';
import { listOptional, type ProblemList, readOptional, sha256 } from './verify-problems.ts';

export interface CheckedTree {
  /** The leaves of a bundle of 256, as far as the checkpoint covers them; null when they cannot be read. */
  bundle(index: number): Promise<readonly Buffer[] | null>;
  /** RFC 6962 root of the first `size` leaves, from the entries; null when they cannot be read. */
  rootAt(size: number): Promise<Buffer | null>;
  /** The same of several sizes in one pass; sizes that cannot be read are not there. */
  rootsAt(sizes: readonly number[]): Promise<ReadonlyMap<number, Buffer>>;
}

/**
 * Computes the whole tree from its entries and compares every tile on the way, and the root. Reads C2SP tlog-tiles: width
 * 256, partial tiles `.p/<width>`, entries behind big-endian lengths.
 */
export async function checkTree(directory: string, head: Head, problems: ProblemList): Promise<CheckedTree> {
  const bundle = bundleReader(directory, head.size);
  const tree: CheckedTree = {
    bundle,
    rootAt: (size) => treeOver(bundle, size, async () => undefined),
    rootsAt: (sizes) => rootsOver(bundle, sizes),
  };
  if (head.root.length === 0) return tree;
  const root = await treeOver(bundle, head.size, async (level, index, hashes) => {
    await checkTile(directory, level, index, hashes, problems);
    if (level === 0) await checkOldBundles(directory, index, (await bundle(index)) ?? [], problems);
  });
  if (root === null) {
    problems.add('tree', 'tile/entries', 'entries that the checkpoint covers are missing or malformed');
  } else if (!root.equals(head.root)) {
    problems.add('tree', 'checkpoint', 'its root is not that of the entries');
  }
  return tree;
}

/** The root over the first `size` leaves; each tile passes by `onTile`, full or the last of its level. */
async function treeOver(
  bundle: CheckedTree['bundle'],
  size: number,
  onTile: (level: number, index: number, hashes: readonly Buffer[]) => Promise<void>,
): Promise<Buffer | null> {
  /** Hashes of level n whose tile is not full yet, and how many of its tiles were. */
  const open: Buffer[][] = [];
  const full: number[] = [];
  for (let first = 0; first < size; first += 256) {
    const leaves = (await bundle(first / 256))?.slice(0, size - first);
    if (leaves === undefined || leaves.length !== Math.min(256, size - first)) return null;
    open[0] = leaves.map(hashLeaf);
    for (let level = 0, hashes = open[level]; hashes?.length === 256; hashes = open[level]) {
      await onTile(level, full[level] ?? 0, hashes);
      full[level] = (full[level] ?? 0) + 1;
      open[level] = [];
      level += 1;
      open[level] = [...(open[level] ?? []), fold(hashes)];
    }
  }
  for (const [level, hashes] of open.entries()) {
    if (hashes.length > 0) await onTile(level, full[level] ?? 0, hashes);
  }
  return rootOfLevels(open);
}

/** Roots over the first leaves, for each of these numbers of them. */
async function rootsOver(
  bundle: CheckedTree['bundle'],
  sizes: readonly number[],
): Promise<ReadonlyMap<number, Buffer>> {
  const roots = new Map<number, Buffer>();
  const wanted = [...new Set(sizes)].sort((a, b) => a - b);
  const open: Buffer[][] = [];
  let at = wanted[0] === 0 ? 1 : 0;
  if (at === 1) roots.set(0, sha256(Buffer.alloc(0)));
  for (let first = 0; at < wanted.length; first += 256) {
    const leaves = (await bundle(first / 256))?.map(hashLeaf);
    if (leaves === undefined) break;
    for (let size = wanted[at]; size !== undefined && size <= first + 256; size = wanted[at]) {
      if (size - first > leaves.length) return roots;
      roots.set(size, rootOfLevels([leaves.slice(0, size - first), ...open.slice(1)]));
      at += 1;
    }
    if (leaves.length < 256) break;
    open[0] = leaves;
    for (let level = 0, hashes = open[level]; hashes?.length === 256; hashes = open[level]) {
      open[level] = [];
      level += 1;
      open[level] = [...(open[level] ?? []), fold(hashes)];
    }
  }
  return roots;
}

async function checkTile(
  directory: string,
  level: number,
  index: number,
  hashes: readonly Buffer[],
  problems: ProblemList,
): Promise<void> {
  const full = `tile/${level}/${indexPath(index)}`;
  const path = hashes.length === 256 ? full : `${full}.p/${hashes.length}`;
  const want = Buffer.concat(hashes);
  // A log that goes on meanwhile may have filled this tile, and removed the partial one.
  const found = (await readOptional(join(directory, path))) ?? (await readOptional(join(directory, full)));
  if (found === null) problems.add('tree', path, 'the tile is missing');
  else if (!found.subarray(0, found.length > want.length && path !== full ? want.length : undefined).equals(want)) {
    problems.add('tree', path, 'the tile does not hold the hashes of its leaves');
  }
  await checkPartials(directory, full, hashes.length, (width) => want.subarray(0, width * 32), problems);
}

/** Partial tiles of earlier checkpoints may be missing, but what is there must be the beginning of the tile. */
async function checkPartials(
  directory: string,
  full: string,
  widthMax: number,
  want: (width: number) => Buffer,
  problems: ProblemList,
): Promise<void> {
  for (const { name } of await listOptional(join(directory, `${full}.p`))) {
    const width = Number(name);
    // Wider than what the checkpoint covers: of a checkpoint that is about to come.
    if (!Number.isInteger(width) || width > widthMax) continue;
    const found = await readOptional(join(directory, `${full}.p`, name));
    if (found !== null && !found.equals(want(width))) {
      problems.add('tree', `${full}.p/${name}`, 'the partial tile is not the beginning of the tile');
    }
  }
}

/** The tree of an earlier checkpoint must be the beginning of this one. */
export async function checkGrowth(old: Head, head: Head, tree: CheckedTree, problems: ProblemList): Promise<void> {
  if (old.size > head.size) {
    problems.add(
      'tree',
      'checkpoint',
      `it covers ${head.size} records, the earlier one ${old.size}: the log was rolled back`,
    );
    return;
  }
  const root = await tree.rootAt(old.size);
  if (root === null || !root.equals(old.root)) {
    problems.add('tree', 'earlier checkpoint', `the first ${old.size} records are not those that it covers`);
  }
}

async function checkOldBundles(
  directory: string,
  index: number,
  leaves: readonly Buffer[],
  problems: ProblemList,
): Promise<void> {
  const want = (width: number): Buffer =>
    Buffer.concat(leaves.slice(0, width).flatMap((leaf) => [bigEndian(leaf.length), leaf]));
  await checkPartials(directory, `tile/entries/${indexPath(index)}`, leaves.length, want, problems);
}

/** Reads bundles; the last one stays at hand. */
function bundleReader(directory: string, size: number): CheckedTree['bundle'] {
  let loaded = -1;
  let leaves: readonly Buffer[] | null = null;
  return async (index) => {
    if (index === loaded) return leaves;
    const width = Math.min(256, size - index * 256);
    const full = join(directory, `tile/entries/${indexPath(index)}`);
    // A log that goes on meanwhile may have filled this bundle, and removed the partial one.
    const bytes = (width < 256 ? await readOptional(`${full}.p/${width}`) : null) ?? (await readOptional(full));
    const entries = bytes === null ? null : splitEntries(bytes);
    loaded = index;
    leaves = entries === null || entries.length < width ? null : entries.slice(0, width);
    return leaves;
  };
}

function bigEndian(length: number): Buffer {
  return Buffer.of(length >> 8, length & 0xff);
}

function splitEntries(bytes: Buffer): Buffer[] | null {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 2 > bytes.length) return null;
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) return null;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** RFC 6962 section 2.1, over levels of subtrees of 256 to the power of their level, each at most 255 wide. */
function rootOfLevels(levels: readonly (readonly Buffer[])[]): Buffer {
  let root: Buffer | null = null;
  for (const hashes of levels) {
    if (hashes.length === 0) continue;
    root = mergeRight(hashes, root);
  }
  return root ?? sha256(Buffer.alloc(0));
}

/** The root over these perfect subtrees with what lies to their right, of smaller subtrees, hung on as RFC 6962 splits. */
function mergeRight(hashes: readonly Buffer[], right: Buffer | null): Buffer {
  const subtrees: Buffer[] = [];
  let rest = hashes;
  while (rest.length > 0) {
    const width = 2 ** Math.floor(Math.log2(rest.length));
    subtrees.push(fold(rest.slice(0, width)));
    rest = rest.slice(width);
  }
  let root = right;
  for (const subtree of subtrees.reverse()) root = root === null ? subtree : hashPair(subtree, root);
  return root ?? sha256(Buffer.alloc(0));
}

/** Root of a perfect subtree; the hashes are a power of two many. Neighbours stand side by side, so pairs need no buffers of their own. */
function fold(hashes: readonly Buffer[]): Buffer {
  const row = Buffer.concat(hashes);
  const pair = Buffer.alloc(65, 1);
  for (let width = hashes.length; width > 1; width /= 2) {
    for (let i = 0; i < width; i += 2) {
      row.copy(pair, 1, i * 32, i * 32 + 64);
      row.write(sha256Text(pair), i * 16, 'latin1');
    }
  }
  return Buffer.from(row.subarray(0, 32));
}

// Copied by hand: Buffer.concat costs as much as the hash.
function hashLeaf(leaf: Buffer): Buffer {
  const input = Buffer.allocUnsafe(1 + leaf.length);
  input[0] = 0;
  input.set(leaf, 1);
  return Buffer.from(sha256Text(input), 'latin1');
}

function hashPair(left: Buffer, right: Buffer): Buffer {
  const input = Buffer.allocUnsafe(65);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 33);
  return Buffer.from(sha256Text(input), 'latin1');
}

/** A character a byte: a buffer that the hash itself makes costs as much as the hash. */
function sha256Text(data: Uint8Array): string {
  return hash('sha256', data, 'binary');
}

/** C2SP tlog-tiles: groups of three digits, all but the last marked by x. */
function indexPath(index: number): string {
  const groups: string[] = [];
  for (let rest = index; ; rest = Math.floor(rest / 1000)) {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
    if (rest < 1000) break;
  }
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
}
