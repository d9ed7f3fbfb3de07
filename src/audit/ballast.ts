import { dirname } from 'node:path';
import type { RandomBytes } from '../lib/ids.ts';
import type { FsPort } from './fs-port.ts';

/**
 * Room that is kept for the log's end. Below the floor of free space nothing more is recorded, but others may go on and fill the disk:
 * then this file goes, so that the last records and the last signed head have a place.
 */
export interface Ballast {
  /** Takes up the room, where it does not yet and the disk has plenty. In small steps; resolves when it is taken or cannot be. Never throws. */
  hold(): Promise<void>;
  /** Gives it up if the disk has less left than that. Whether it did. Never throws. */
  dropIfNeeded(): boolean;
}

export interface BallastOptions {
  readonly fs: FsPort;
  /** The file; its folder exists. */
  readonly path: string;
  readonly bytes: number;
  /** Free bytes that must be left beside it. */
  readonly spareBytes: number;
  readonly random: RandomBytes;
}

const stepBytes = 256 * 1024;

export function createBallast({ fs, path, bytes, spareBytes, random }: BallastOptions): Ballast {
  /** `hold` is at work; it stops when this is false. */
  let isHolding = false;

  async function hold(): Promise<void> {
    if (isHolding) return;
    isHolding = true;
    try {
      if (fs.identify(path)?.bytes === bytes || fs.freeBytes(dirname(path)) < spareBytes + bytes) return;
      remove();
      if (!(await fill())) remove();
    } catch {
      // The disk has other troubles then, and whoever writes the log will tell of them.
      quietly(remove);
    } finally {
      isHolding = false;
    }
  }

  async function fill(): Promise<boolean> {
    // What cannot be compressed, so that no file system makes nothing of it.
    const step = random(stepBytes);
    const fd = fs.create(path);
    try {
      for (let written = 0; written < bytes; ) {
        const next = step.subarray(0, bytes - written);
        if (fs.write(fd, next) !== next.length) return false;
        written += next.length;
        await new Promise((resolve) => setImmediate(resolve));
        if (!isHolding) return false;
      }
      await fs.fdatasyncLater(fd);
      return isHolding;
    } finally {
      fs.close(fd);
    }
  }

  function remove(): void {
    if (fs.identify(path) !== null) fs.remove(path);
  }

  return {
    hold,
    dropIfNeeded: () => {
      try {
        if (fs.freeBytes(dirname(path)) >= bytes || fs.identify(path) === null) return false;
        isHolding = false;
        remove();
        return true;
      } catch {
        return false;
      }
    },
  };
}

function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // Nothing is left to do.
  }
}
