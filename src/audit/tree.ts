import { hash } from 'node:crypto';
import { invariant } from '../lib/invariant.ts';

/** Leaves and hashes of a tile (C2SP tlog-tiles). */
export const tileWidth = 256;
export const hashBytes = 32;

const emptyRoot: Buffer = hash('sha256', '', 'buffer');

/** RFC 6962 section 2.1: SHA-256(0x00 ‖ leaf). */
export function hashLeaf(leaf: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + leaf.length);
  input[0] = 0;
  input.set(leaf, 1);
  return hash('sha256', input, 'buffer');
}

/** RFC 6962 section 2.1: SHA-256(0x01 ‖ left ‖ right). */
export function hashChildren(left: Uint8Array, right: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + 2 * hashBytes);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + hashBytes);
  return hash('sha256', input, 'buffer');
}

/** `tile/<level>/<index>[.p/<width>]`; a level of `entries` holds the leaves themselves. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  return `tile/${level}/${tileIndexPath(index)}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** 1234067 → `x001/x234/067`. */
function tileIndexPath(index: number): string {
  let rest = Math.floor(index / 1000);
  let path = String(index % 1000).padStart(3, '0');
  while (rest > 0) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
    rest = Math.floor(rest / 1000);
  }
  return path;
}

/** A leaf as it stands in an entries bundle: big-endian length, bytes. */
export function bundleEntry(leaf: Uint8Array): Buffer {
  const entry = Buffer.allocUnsafe(2 + leaf.length);
  entry.writeUInt16BE(leaf.length);
  entry.set(leaf, 2);
  return entry;
}

/** The widths of the right edge's partial tiles, level 0 first, for a tree of this size. */
export function edgeWidths(size: number): { readonly level: number; readonly index: number; readonly width: number }[] {
  const edge: { level: number; index: number; width: number }[] = [];
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / tileWidth)) {
    edge.push({ level, index: Math.floor(count / tileWidth), width: count % tileWidth });
  }
  return edge;
}

export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly bytes: Buffer;
}

/** A growing tree of which only the right edge is kept: at most 255 hashes a level. */
export interface TreeEdge {
  readonly size: number;
  /** Adds a leaf's hash; returns the tiles that it filled, lowest level first. */
  push(leafHash: Uint8Array): readonly FullTile[];
  /** RFC 6962 tree head. */
  root(): Buffer;
  /** The partial tiles of the right edge, lowest level first; levels whose last tile is full are left out. */
  partials(): readonly FullTile[];
}

/** `levels[n]` holds the hashes of the partial tile at level n; its length is what `edgeWidths` says. */
export function createTreeEdge(size: number, levels: readonly (readonly Buffer[])[]): TreeEdge {
  const edge: Buffer[][] = levels.map((level) => [...level]);
  let count = size;

  function partialsOf(): FullTile[] {
    return edgeWidths(count).flatMap(({ level, index, width }) => {
      const hashes = edge[level] ?? [];
      invariant(hashes.length === width, 'the edge holds exactly the hashes of the partial tiles');
      return width === 0 ? [] : [{ level, index, bytes: Buffer.concat(hashes) }];
    });
  }

  return {
    get size() {
      return count;
    },
    push: (leafHash) => {
      const filled: FullTile[] = [];
      let carried: Buffer | null = Buffer.from(leafHash);
      count += 1;
      for (let level = 0, through = count; carried !== null; level++, through = Math.floor(through / tileWidth)) {
        let hashes = edge[level];
        if (hashes === undefined) {
          hashes = [];
          edge[level] = hashes;
        }
        hashes.push(carried);
        carried = null;
        if (hashes.length === tileWidth) {
          filled.push({ level, index: through / tileWidth - 1, bytes: Buffer.concat(hashes) });
          carried = perfectRoot(hashes);
          edge[level] = [];
        }
      }
      return filled;
    },
    root: () => rootOf(edge),
    partials: partialsOf,
  };
}

/** Folds the perfect subtrees of the right edge, smallest first. */
function rootOf(edge: readonly (readonly Buffer[])[]): Buffer {
  let root: Buffer | null = null;
  for (const hashes of edge) {
    for (const subtree of perfectSubtrees(hashes).reverse()) {
      root = root === null ? subtree : hashChildren(subtree, root);
    }
  }
  return root ?? emptyRoot;
}

/** The roots of the largest perfect subtrees over neighbouring hashes, left to right. */
function perfectSubtrees(hashes: readonly Buffer[]): Buffer[] {
  const roots: Buffer[] = [];
  let at = 0;
  for (let width = tileWidth / 2; width >= 1; width /= 2) {
    if (hashes.length - at >= width) {
      roots.push(perfectRoot(hashes.slice(at, at + width)));
      at += width;
    }
  }
  return roots;
}

function perfectRoot(hashes: readonly Buffer[]): Buffer {
  let row = hashes;
  while (row.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i + 1 < row.length; i += 2) above.push(hashChildren(row[i] ?? emptyRoot, row[i + 1] ?? emptyRoot));
    row = above;
  }
  const [root] = row;
  invariant(root !== undefined, 'a perfect subtree has at least one leaf');
  return root;
}
