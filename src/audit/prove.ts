import { readFile } from 'node:fs/promises';
import { layout } from './layout.ts';
import { hashBytes, hashChildren, tilePath, tileWidth } from './tree.ts';

/** Makes proofs from the published tiles of a log; whoever gets one needs nothing else of the log. */
export interface Prover {
  /** RFC 6962 section 2.1.1: the hashes beside the way from a leaf to the root of the first `size` leaves. */
  inclusion(index: number, size: number): Promise<Buffer[]>;
  /** RFC 6962 section 2.1.2: that the first `size` leaves begin with the first `oldSize`. */
  consistency(oldSize: number, size: number): Promise<Buffer[]>;
  /** Root of the first `size` leaves. */
  root(size: number): Promise<Buffer>;
}

/** `published` is the size of the checkpoint: no tile beyond it is read. Throws when tiles are missing. */
export function createProver(directory: string, published: number): Prover {
  const tiles = new Map<string, Buffer>();

  /** Hashes of a tile, as far as the published tree has them. */
  async function tile(level: number, index: number): Promise<Buffer> {
    const inTree = Math.floor(published / tileWidth ** level) - index * tileWidth;
    const width = Math.min(tileWidth, inTree);
    const key = `${level}/${index}`;
    const known = tiles.get(key);
    if (known !== undefined) return known;
    const full = layout.tile(directory, tilePath(level, index, tileWidth));
    const partial = layout.tile(directory, tilePath(level, index, width));
    // A log that goes on meanwhile may have filled this tile, and removed the partial one.
    const bytes = await readFile(partial).catch(() => readFile(full));
    if (tiles.size >= tilesMax) tiles.clear();
    tiles.set(key, bytes);
    return bytes;
  }

  /** Hash of the perfect subtree of 2^height leaves that is the `index`th of its height. */
  async function node(height: number, index: number): Promise<Buffer> {
    const level = Math.floor(height / 8);
    const below = height % 8;
    const first = index * 2 ** below;
    const bytes = await tile(level, Math.floor(first / tileWidth));
    const at = (first % tileWidth) * hashBytes;
    let row: Buffer[] = [];
    for (let i = 0; i < 2 ** below; i += 1) row.push(bytes.subarray(at + i * hashBytes, at + (i + 1) * hashBytes));
    while (row.length > 1) {
      const above: Buffer[] = [];
      for (let i = 0; i < row.length; i += 2) above.push(hashChildren(row[i] ?? empty, row[i + 1] ?? empty));
      row = above;
    }
    return row[0] ?? empty;
  }

  /** MTH of the leaves from `low` up to `high`, which begin at a multiple of the power of two that is not below their number. */
  async function range(low: number, high: number): Promise<Buffer> {
    const count = high - low;
    const half = largestPowerBelow(count);
    if (half * 2 === count || count === 1) {
      const height = Math.log2(count);
      return node(height, low / count);
    }
    return hashChildren(await range(low, low + half), await range(low + half, high));
  }

  async function path(index: number, low: number, high: number): Promise<Buffer[]> {
    if (high - low === 1) return [];
    const middle = low + largestPowerBelow(high - low);
    if (index < middle) return [...(await path(index, low, middle)), await range(middle, high)];
    return [...(await path(index, middle, high)), await range(low, middle)];
  }

  /** SUBPROOF of RFC 6962; `isWhole`: the old tree is this subtree, so that its root is known to the verifier. */
  async function subproof(oldSize: number, low: number, high: number, isWhole: boolean): Promise<Buffer[]> {
    const count = high - low;
    if (oldSize === count) return isWhole ? [] : [await range(low, high)];
    const half = largestPowerBelow(count);
    const middle = low + half;
    if (oldSize <= half) return [...(await subproof(oldSize, low, middle, isWhole)), await range(middle, high)];
    return [...(await subproof(oldSize - half, middle, high, false)), await range(low, middle)];
  }

  return {
    inclusion: (index, size) => path(index, 0, size),
    consistency: async (oldSize, size) => (oldSize === 0 || oldSize === size ? [] : subproof(oldSize, 0, size, true)),
    root: (size) => range(0, size),
  };
}

const tilesMax = 256;
const empty: Buffer = Buffer.alloc(hashBytes);

/** The largest power of two that is below `count`; 1 for 1. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}
