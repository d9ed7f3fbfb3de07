import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** What the writer asks of a file system: narrow, so that a test can fail one call at a time. */
export interface FsPort {
  /** Creates a file for appending. Fails with EEXIST when it is there: the fence against a second writer. */
  create(path: string): number;
  /** Appends. Returns the bytes written, which on a full disk can be fewer than asked, without an error. */
  write(fd: number, bytes: Uint8Array): number;
  fdatasync(fd: number): void;
  /** As `fdatasync`, without blocking. */
  fdatasyncLater(fd: number): Promise<void>;
  fsync(fd: number): void;
  close(fd: number): void;
  /** Makes names created in or removed from a directory durable. */
  syncDirectory(path: string): void;
  /** Writes a whole file and fsyncs it; its name is not durable until its directory is synced. */
  writeDurable(path: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Creates the directory (and its parents) if need be; durable on return. */
  makeDirectory(path: string): Promise<void>;
  /** As `syncDirectory`, without blocking. */
  syncDirectoryLater(path: string): Promise<void>;
  removeTree(path: string): Promise<void>;
  /** Identity of an open file, or of what stands at a path; null when nothing does. `links` is 0 once it was removed. */
  identify(target: number | string): { readonly inode: bigint; readonly links: number; readonly bytes: number } | null;
  freeBytes(path: string): number;
  /** Names in a directory, sorted; empty when there is none, or something else. */
  list(path: string): readonly string[];
  read(path: string): Buffer | null;
  /** Cuts a file at `length`, fsynced. */
  truncate(path: string, length: number): void;
  /** Writes the same bytes in place and fsyncs, so that pages whose write-back failed unnoticed are written again. */
  rewrite(path: string, position: number, bytes: Uint8Array): void;
  remove(path: string): void;
  /** Sets the modification time to now. */
  touch(path: string): void;
}

/** The real one. */
export const nodeFs: FsPort = {
  create: (path) => fs.openSync(path, 'ax', 0o600),
  write: (fd, bytes) => fs.writeSync(fd, bytes),
  fdatasync: (fd) => fs.fdatasyncSync(fd),
  fdatasyncLater: promisify(fs.fdatasync),
  fsync: (fd) => fs.fsyncSync(fd),
  close: (fd) => fs.closeSync(fd),
  syncDirectory: (path) => withFile(path, 'r', () => undefined),
  writeDurable: async (path, bytes) => {
    const file = await fs.promises.open(path, 'w', 0o600);
    try {
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten !== bytes.length) throw shortWrite(path, bytesWritten, bytes.length);
      await file.sync();
    } finally {
      await file.close();
    }
  },
  rename: (from, to) => fs.promises.rename(from, to),
  makeDirectory: async (path) => {
    const first = await fs.promises.mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let made = path; made.length >= first.length; made = dirname(made))
      await nodeFs.syncDirectoryLater(dirname(made));
  },
  syncDirectoryLater: async (path) => {
    const directory = await fs.promises.open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  removeTree: (path) => fs.promises.rm(path, { recursive: true, force: true }),
  identify: (target) => {
    const stat =
      typeof target === 'number'
        ? fs.fstatSync(target, { bigint: true })
        : fs.statSync(target, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : { inode: stat.ino, links: Number(stat.nlink), bytes: Number(stat.size) };
  },
  freeBytes: (path) => {
    const { bavail, bsize } = fs.statfsSync(path);
    return bavail * bsize;
  },
  list: (path) =>
    fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? fs.readdirSync(path).sort() : [],
  read: (path) => (fs.existsSync(path) ? fs.readFileSync(path) : null),
  truncate: (path, length) => withFile(path, 'r+', (fd) => fs.ftruncateSync(fd, length)),
  rewrite: (path, position, bytes) =>
    withFile(path, 'r+', (fd) => {
      const written = fs.writeSync(fd, bytes, 0, bytes.length, position);
      if (written !== bytes.length) throw shortWrite(path, written, bytes.length);
    }),
  remove: (path) => fs.unlinkSync(path),
  touch: (path) => {
    const now = new Date();
    fs.utimesSync(path, now, now);
  },
};

/**
 * The real one for a thread that may block and whose turns are long. A file written waits for one turn, the one after its sync, where
 * `nodeFs` waits for four: a writer under load would never catch up with its tiles.
 */
export const blockingFs: FsPort = {
  ...nodeFs,
  writeDurable: async (path, bytes) => {
    const fd = fs.openSync(path, 'w', 0o600);
    try {
      const written = fs.writeSync(fd, bytes);
      if (written !== bytes.length) throw shortWrite(path, written, bytes.length);
      await fsyncLater(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
  syncDirectoryLater: async (path) => {
    const fd = fs.openSync(path, 'r');
    try {
      await fsyncLater(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};

const fsyncLater: (fd: number) => Promise<void> = promisify(fs.fsync);

/** Puts a whole file at `path`, durably, so that a crash leaves the one before it or this one, never a part. */
export async function replaceFile(fs: FsPort, path: string, bytes: Uint8Array): Promise<void> {
  await fs.writeDurable(`${path}.tmp`, bytes);
  await fs.rename(`${path}.tmp`, path);
  await fs.syncDirectoryLater(dirname(path));
}

export function shortWrite(path: string, written: number, wanted: number): Error {
  return Object.assign(new Error(`short write to ${path}: ${written} of ${wanted} bytes`), { code: 'ENOSPC' });
}

function withFile(path: string, flags: string, act: (fd: number) => void): void {
  const fd = fs.openSync(path, flags);
  try {
    act(fd);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
