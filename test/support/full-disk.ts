import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A place for files that stops taking more, and takes more again. */
export interface FullDisk {
  readonly name: string;
  readonly folder: string;
  /** `pid`: the process whose writes are to fail. */
  fill(pid: number): void;
  free(pid: number): void;
  remove(): void;
}

/**
 * The file system as it is, and a kernel that lets the process write not a byte more to any file (RLIMIT_FSIZE: every write fails with
 * EFBIG). Needs no rights, so it works everywhere where `prlimit` is.
 */
export function limitedDisk(): FullDisk {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'));
  const limit = (pid: number, bytes: string) =>
    void execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
  return {
    name: 'refuses every write',
    folder,
    fill: (pid) => limit(pid, '1'),
    free: (pid) => limit(pid, 'unlimited'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A file system of its own, filled up to the floor of free space below which the log takes nothing. Null without the right to mount. */
export function smallDisk(): FullDisk | null {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1100m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return null;
  }
  const ballast = join(folder, 'ballast');
  return {
    name: 'has little space left',
    folder,
    fill: () => {
      execFileSync('fallocate', ['-l', '200m', ballast]);
      if (statfsSync(folder).bavail * statfsSync(folder).bsize > 1024 ** 3) throw new Error('the disk is not full');
    },
    free: () => rmSync(ballast),
    remove: () => {
      execFileSync('umount', [folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
