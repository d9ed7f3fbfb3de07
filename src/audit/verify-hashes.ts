import { hash } from 'node:crypto';

/** Hashes, 32 bytes each, side by side: at most the 256 of a tile. */
export type Row = Buffer;

export const hashBytes = 32;
/** Hashes of a full tile, and leaves of a full bundle. */
export const tileWidth = 256;

/** RFC 6962 section 2.1, a tile at a time. What it returns is the caller's. */
export interface TreeHasher {
  /** The hashes of leaves that stand one behind the other, each behind two bytes of length, and up to its end. */
  leaves(bytes: Buffer, ends: readonly number[]): Row;
  /** The root of a perfect subtree: the hashes are a power of two many. */
  fold(row: Row): Buffer;
  /** The root of a tree by its right edge. Row n has hashes of subtrees of 256 to the power of n leaves, and stands left of the one before it. */
  root(rows: readonly Row[]): Buffer;
}

/**
 * A hash of two blocks costs less than buffers for what goes in and comes out. So inputs are hashed where they lie, with their prefix
 * written over the byte before them, and outputs are gathered as text, a character a byte, until the row is whole.
 */
export function createTreeHasher(): TreeHasher {
  const work = Buffer.alloc(1 + tileWidth * hashBytes);
  // Each pair of hashes with the byte before it, where the prefix goes: the last one of a pair that has been hashed already.
  const pairs = Array.from({ length: tileWidth / 2 }, (_, i) => work.subarray(i * 64, i * 64 + 65));

  function fold(row: Row): Buffer {
    row.copy(work, 1);
    for (let width = row.length / 64; width >= 1; width /= 2) {
      let hashes = '';
      for (const pair of pairs.slice(0, width)) {
        pair[0] = 1;
        hashes += sha256(pair);
      }
      work.write(hashes, 1, 'latin1');
    }
    return Buffer.from(work.subarray(1, 1 + hashBytes));
  }

  /** The root over these perfect subtrees with what lies to their right, of smaller subtrees, hung on as RFC 6962 splits. */
  function mergeRight(row: Row, right: Buffer | null): Buffer | null {
    const subtrees: Buffer[] = [];
    for (let at = 0; at < row.length; ) {
      const bytes = 2 ** Math.floor(Math.log2(row.length - at));
      subtrees.push(fold(row.subarray(at, at + bytes)));
      at += bytes;
    }
    let root = right;
    for (const subtree of subtrees.reverse()) root = root === null ? subtree : fold(Buffer.concat([subtree, root]));
    return root;
  }

  return {
    leaves: hashLeaves,
    fold,
    root: (rows) => {
      let root: Buffer | null = null;
      for (const row of rows) root = mergeRight(row, root);
      return root ?? Buffer.from(sha256(Buffer.alloc(0)), 'latin1');
    },
  };
}

function hashLeaves(bytes: Buffer, ends: readonly number[]): Row {
  let hashes = '';
  let at = 0;
  for (const end of ends) {
    const prefix = at + 1;
    const length = bytes.readUInt8(prefix);
    bytes[prefix] = 0;
    hashes += sha256(new Uint8Array(bytes.buffer, bytes.byteOffset + prefix, end - prefix));
    bytes[prefix] = length;
    at = end;
  }
  return Buffer.from(hashes, 'latin1');
}

function sha256(data: Uint8Array): string {
  return hash('sha256', data, 'binary');
}
