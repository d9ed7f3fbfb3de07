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
  // By way of a string: a buffer that the hash itself makes costs as much as the hash.
  return Buffer.from(hash('sha256', input, 'binary'), 'latin1');
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

/** The hashes of a tile as far as they are known, one behind the other. */
interface EdgeTile {
  bytes: Buffer;
  width: number;
}

/** `levels[n]` holds the hashes of the partial tile at level n; their number is what `edgeWidths` says. */
export function createTreeEdge(size: number, levels: readonly (readonly Buffer[])[]): TreeEdge {
  const edge: EdgeTile[] = levels.map((hashes) => {
    const tile = emptyTile();
    for (const each of hashes) tile.bytes.set(each, tile.width++ * hashBytes);
    return tile;
  });
  const nodes = createNodeHasher();
  let count = size;

  function push(leafHash: Uint8Array): readonly FullTile[] {
    let filled = none;
    let carried: Uint8Array | null = leafHash;
    count += 1;
    for (let level = 0, through = count; carried !== null; level++, through = Math.floor(through / tileWidth)) {
      let tile = edge[level];
      if (tile === undefined) {
        tile = emptyTile();
        edge[level] = tile;
      }
      tile.bytes.set(carried, tile.width * hashBytes);
      tile.width += 1;
      carried = null;
      if (tile.width === tileWidth) {
        filled = [...filled, { level, index: through / tileWidth - 1, bytes: tile.bytes }];
        carried = nodes.perfectRoot(tile.bytes, 0, tileWidth);
        edge[level] = emptyTile();
      }
    }
    return filled;
  }

  /** Folds the perfect subtrees of the right edge, smallest first. */
  function root(): Buffer {
    let found: Buffer | null = null;
    for (const { bytes, width } of edge) {
      // From the right: the widths of the subtrees are the bits of the tile's.
      for (let span = 1, end = width; end > 0; span *= 2) {
        if ((end & span) === 0) continue;
        const subtree = nodes.perfectRoot(bytes, end - span, span);
        found = found === null ? subtree : hashChildren(subtree, found);
        end -= span;
      }
    }
    return found ?? emptyRoot;
  }

  function partials(): FullTile[] {
    return edgeWidths(count).flatMap(({ level, index, width }) => {
      const tile = edge[level];
      invariant((tile?.width ?? 0) === width, 'the edge holds exactly the hashes of the partial tiles');
      if (tile === undefined || width === 0) return [];
      return [{ level, index, bytes: Buffer.from(tile.bytes.subarray(0, width * hashBytes)) }];
    });
  }

  return {
    get size() {
      return count;
    },
    push,
    root,
    partials,
  };
}

const none: readonly FullTile[] = [];

function emptyTile(): EdgeTile {
  return { bytes: Buffer.alloc(tileWidth * hashBytes), width: 0 };
}

/** Hashes what stands side by side in a tile already: neither pairs nor rows are buffers of their own. */
function createNodeHasher(): { perfectRoot(hashes: Buffer, from: number, width: number): Buffer } {
  const row = Buffer.alloc(tileWidth * hashBytes);
  const pair = Buffer.alloc(1 + 2 * hashBytes, 1);
  return {
    perfectRoot: (hashes, from, width) => {
      hashes.copy(row, 0, from * hashBytes, (from + width) * hashBytes);
      for (let left = width; left > 1; left /= 2) {
        for (let i = 0; i < left; i += 2) {
          row.copy(pair, 1, i * hashBytes, (i + 2) * hashBytes);
          row.write(hash('sha256', pair, 'binary'), (i / 2) * hashBytes, 'latin1');
        }
      }
      return Buffer.from(row.subarray(0, hashBytes));
    },
  };
}
