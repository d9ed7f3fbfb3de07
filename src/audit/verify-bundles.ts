import { join } from 'node:path';
import { tileWidth } from './verify-hashes.ts';
import { readOptionalSync } from './verify-problems.ts';

/** Published leaves that stand together. */
export interface Bundle {
  /** As they stand in the file: each behind its length, two bytes, big-endian. */
  readonly bytes: Buffer;
  /** Where each ends. At most 256, and none that the checkpoint does not cover. */
  readonly ends: readonly number[];
}

/** The leaves of bundle `index` of a log, as far as a checkpoint covers them; null: they cannot be read. */
export type BundleReader = (index: number) => Bundle | null;

/** Reads the bundles of a log of `size` leaves; the last one stays at hand. */
export function createBundleReader(directory: string, size: number): BundleReader {
  let loaded = -1;
  let bundle: Bundle | null = null;
  return (index) => {
    if (index === loaded) return bundle;
    const width = Math.min(tileWidth, size - index * tileWidth);
    const full = join(directory, `tile/entries/${indexPath(index)}`);
    loaded = index;
    bundle = width < tileWidth ? read(`${full}.p/${width}`, width, width) : null;
    // A log that goes on meanwhile may have filled this bundle, and removed the partial one.
    bundle ??= read(full, tileWidth, width);
    return bundle;
  };
}

/** The first of a file's leaves, of which there must be exactly `count`: what stands behind them is vouched for by nothing. */
function read(path: string, count: number, width: number): Bundle | null {
  const bytes = readOptionalSync(path);
  const ends = bytes === null ? null : endsIn(bytes);
  return bytes === null || ends?.length !== count ? null : { bytes, ends: ends.slice(0, width) };
}

/** A leaf, by its place in the bundle; null: there is none. */
export function leafIn({ bytes, ends }: Bundle, place: number): Buffer | null {
  const end = ends[place];
  return end === undefined ? null : bytes.subarray((ends[place - 1] ?? 0) + 2, end);
}

/** C2SP tlog-tiles: groups of three digits, all but the last marked by x. */
export function indexPath(index: number): string {
  const groups: string[] = [];
  for (let rest = index; ; rest = Math.floor(rest / 1000)) {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
    if (rest < 1000) break;
  }
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
}

function endsIn(bytes: Buffer): number[] | null {
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 2 > bytes.length) return null;
    at += 2 + bytes.readUInt16BE(at);
    if (at > bytes.length) return null;
    ends.push(at);
  }
  return ends;
}
