import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FsPort } from '../../src/audit/fs-port.ts';
import { errno } from './audit-fs.ts';

/** What a disk holds: path to content. */
export type Image = ReadonlyMap<string, Buffer>;

/** A number from 0 to below `below`: what the power loss spares is decided by it. */
export type Chance = (below: number) => number;

export interface VolatileFs {
  readonly fs: FsPort;
  /** All versions of this file that anyone could have read, in order. */
  versions(path: string): readonly Buffer[];
  isDown(): boolean;
  /** The next sync of a file fails as Linux does: what was written reads well, is taken for clean, and is not on the disk. */
  failNextSync(): void;
  /** What is found after the power has come back. */
  crash(chance: Chance): Image;
}

interface File {
  /** What a sync has put on the disk. */
  durable: Buffer;
  current: Buffer;
  /** Written since, in order: each survives whole, in part or not at all. */
  pending: { readonly offset: number; readonly bytes: Buffer }[];
  /** Clean in memory and not on the disk: a later sync does not write it. */
  lost: { readonly start: number; readonly end: number }[];
}

interface NameChange {
  readonly removed: readonly string[];
  readonly added: { readonly path: string; readonly file: File } | null;
}

const sectorBytes = 512;

/**
 * A file system in memory whose power fails at the `failAt`-th change. Bytes not synced survive by chance, sector by sector;
 * names not synced survive in order, as a journal keeps them, up to some point by chance, each directory for itself.
 */
export function createVolatileFs(image: Image, failAt: number): VolatileFs {
  const durableNames = new Map<string, File>();
  for (const [path, bytes] of image) durableNames.set(path, { durable: bytes, current: bytes, pending: [], lost: [] });
  const names = new Map(durableNames);
  const nameChanges = new Map<string, NameChange[]>();
  const versions = new Map<string, Buffer[]>();
  const open = new Map<number, File>();
  let changes = 0;
  let nextFd = 100;
  let isSyncToFail = false;

  const isDown = (): boolean => changes > failAt;

  function change(): void {
    changes += 1;
    if (isDown()) throw errno('power is out');
  }

  function look(): void {
    if (isDown()) throw errno('power is out');
  }

  function at(path: string): File {
    const file = names.get(path);
    if (file === undefined) throw errno('ENOENT');
    return file;
  }

  function opened(fd: number): File {
    const file = open.get(fd);
    if (file === undefined) throw errno('EBADF');
    return file;
  }

  function rename(parent: string, made: NameChange): void {
    for (const path of made.removed) names.delete(path);
    if (made.added) {
      names.set(made.added.path, made.added.file);
      versions.set(made.added.path, [...(versions.get(made.added.path) ?? []), made.added.file.current]);
    }
    nameChanges.set(parent, [...(nameChanges.get(parent) ?? []), made]);
  }

  function createFile(path: string): File {
    const file: File = { durable: Buffer.alloc(0), current: Buffer.alloc(0), pending: [], lost: [] };
    rename(dirname(path), { removed: [], added: { path, file } });
    return file;
  }

  function write(file: File, offset: number, bytes: Buffer): void {
    const current = Buffer.alloc(Math.max(file.current.length, offset + bytes.length));
    file.current.copy(current);
    bytes.copy(current, offset);
    file.current = current;
    file.pending.push({ offset, bytes });
    file.lost = file.lost.filter(({ start, end }) => start < offset || end > offset + bytes.length);
  }

  function sync(file: File): void {
    change();
    if (isSyncToFail) {
      isSyncToFail = false;
      file.lost.push(...file.pending.map(({ offset, bytes }) => ({ start: offset, end: offset + bytes.length })));
      file.pending = [];
      throw errno('EIO');
    }
    file.durable = Buffer.from(file.current);
    for (const { start, end } of file.lost) file.durable.fill(0, start, end);
    file.pending = [];
  }

  function syncNames(parent: string): void {
    change();
    for (const made of nameChanges.get(parent) ?? []) apply(durableNames, made);
    nameChanges.delete(parent);
  }

  const fs: FsPort = {
    create: (path) => {
      change();
      if (names.has(path)) throw errno('EEXIST');
      nextFd += 1;
      open.set(nextFd, createFile(path));
      return nextFd;
    },
    write: (fd, bytes) => {
      change();
      const file = opened(fd);
      write(file, file.current.length, Buffer.from(bytes));
      return bytes.length;
    },
    fdatasync: (fd) => sync(opened(fd)),
    fdatasyncLater: async (fd) => {
      const file = opened(fd);
      // Long enough for others to come meanwhile.
      for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
      sync(file);
    },
    fsync: (fd) => sync(opened(fd)),
    close: (fd) => {
      open.delete(fd);
    },
    syncDirectory: syncNames,
    writeDurable: async (path, bytes) => {
      change();
      const file = names.get(path) ?? createFile(path);
      // Opening for writing empties it; that it was empty for a moment can survive too.
      file.current = Buffer.alloc(0);
      file.durable = Buffer.alloc(0);
      file.pending = [];
      file.lost = [];
      write(file, 0, Buffer.from(bytes));
      sync(file);
    },
    rename: async (from, to) => {
      change();
      rename(dirname(to), { removed: [from], added: { path: to, file: at(from) } });
    },
    makeDirectory: async () => look(),
    syncDirectoryLater: async (path) => syncNames(path),
    removeTree: async (path) => {
      change();
      for (const name of [...names.keys()].filter((name) => name.startsWith(`${path}/`))) {
        rename(dirname(name), { removed: [name], added: null });
      }
    },
    identify: (target) => {
      look();
      const file = typeof target === 'number' ? open.get(target) : names.get(target);
      return file === undefined ? null : { inode: 1n, links: 1, bytes: file.current.length };
    },
    freeBytes: () => Number.MAX_SAFE_INTEGER,
    list: (path) => {
      look();
      const within = [...names.keys()].filter((name) => dirname(name) === path);
      return within.map((name) => name.slice(path.length + 1)).sort();
    },
    read: (path) => {
      look();
      return names.get(path)?.current ?? null;
    },
    truncate: (path, length) => {
      const file = at(path);
      file.current = file.current.subarray(0, length);
      file.pending = [];
      file.lost = file.lost.filter(({ start }) => start < length);
      sync(file);
    },
    rewrite: (path, position, bytes) => {
      change();
      const file = at(path);
      write(file, position, Buffer.from(bytes));
      sync(file);
    },
    remove: (path) => {
      change();
      rename(dirname(path), { removed: [path], added: null });
    },
    touch: () => look(),
  };

  return {
    fs,
    failNextSync: () => {
      isSyncToFail = true;
    },
    versions: (path) => versions.get(path) ?? [],
    isDown,
    crash: (chance) => {
      const left = new Map(durableNames);
      for (const made of nameChanges.values()) {
        for (const survivor of made.slice(0, chance(made.length + 1))) apply(left, survivor);
      }
      return new Map([...left].map(([path, file]) => [path, survivingContent(file, chance)]));
    },
  };
}

/** Puts what the disk holds into a real directory. */
export function materialise(image: Image, from: string, to: string): void {
  for (const [path, bytes] of image) {
    const target = join(to, path.slice(from.length));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
  }
}

function apply(names: Map<string, File>, made: NameChange): void {
  for (const path of made.removed) names.delete(path);
  if (made.added) names.set(made.added.path, made.added.file);
}

function survivingContent(file: File, chance: Chance): Buffer {
  let content = Buffer.from(file.durable);
  for (const { offset, bytes } of file.pending) {
    const fate = chance(3);
    if (fate === 0) continue;
    const end = offset + (fate === 1 ? bytes.length : chance(bytes.length + 1));
    const grown = Buffer.alloc(Math.max(content.length, end));
    content.copy(grown);
    for (let at = offset; at < end; at = nextSector(at)) {
      // Whole, or sectors at random: those that were lost read as zeroes.
      if (fate === 1 || chance(2) === 0) bytes.copy(grown, at, at - offset, Math.min(nextSector(at), end) - offset);
    }
    content = grown;
  }
  return content;
}

function nextSector(at: number): number {
  return (Math.floor(at / sectorBytes) + 1) * sectorBytes;
}
