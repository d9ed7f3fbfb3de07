import { sha256 } from './verify-problems.ts';

/** RFC 6962 section 2.1. */
export function leafHash(leaf: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.of(0), leaf]));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.of(1), left, right]));
}

/** Most hashes of a proof: one a level of the largest tree. */
export const proofHashesMax = 63;

/** RFC 9162 section 2.1.3.2: whether the leaf at `index` of a tree of `size` belongs to `root`. */
export function isIncluded(index: number, size: number, leaf: Buffer, proof: readonly Buffer[], root: Buffer): boolean {
  if (index < 0 || index >= size) return false;
  let fn = BigInt(index);
  let sn = BigInt(size - 1);
  let hash = leaf;
  for (const sibling of proof) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      hash = nodeHash(sibling, hash);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && hash.equals(root);
}

/** RFC 9162 section 2.1.4.2: whether the tree of `size` grew from the one of `oldSize`. */
export function isConsistent(
  oldSize: number,
  oldRoot: Buffer,
  size: number,
  root: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (oldSize > size) return false;
  if (oldSize === size) return proof.length === 0 && oldRoot.equals(root);
  // Every tree grew from the empty one.
  if (oldSize === 0) return proof.length === 0;
  const isPower = (BigInt(oldSize) & BigInt(oldSize - 1)) === 0n;
  const path = (isPower ? [oldRoot, ...proof] : [...proof]).reverse();
  const first = path.pop();
  if (first === undefined) return false;
  let fn = BigInt(oldSize - 1);
  let sn = BigInt(size - 1);
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  let before = first;
  let after = first;
  while (path.length > 0) {
    const hash = path.pop();
    if (hash === undefined || sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      before = nodeHash(hash, before);
      after = nodeHash(hash, after);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      after = nodeHash(after, hash);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && before.equals(oldRoot) && after.equals(root);
}
