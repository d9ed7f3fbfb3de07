import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { delivered, type Sink } from './sink.ts';

/**
 * JSON lines at the end of a file; delivered when they are fsynced. A file that was renamed or removed (by a rotator) is
 * made anew with the next batch. A crash in the middle of a line leaves a part of one, which is closed by a newline.
 */
export function createFileSink(path: string): Sink {
  let file: FileHandle | null = null;

  async function opened(): Promise<FileHandle> {
    if (file !== null && !(await isStill(file, path))) {
      await file.close();
      file = null;
    }
    if (file !== null) return file;
    await mkdir(dirname(path), { recursive: true });
    file = await open(path, 'a+', 0o600);
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(1), 0, size === 0 ? 0 : 1, Math.max(0, size - 1));
    if (size > 0 && buffer[0] !== 10) await file.appendFile('\n');
    return file;
  }

  return {
    deliver: async (events) => {
      const target = await opened();
      await target.appendFile(events.map((event) => `${event.json}\n`).join(''));
      await target.datasync();
      return delivered;
    },
    close: async () => {
      await file?.close();
      file = null;
    },
  };
}

async function isStill(file: FileHandle, path: string): Promise<boolean> {
  try {
    const at = await open(path, 'r');
    try {
      return (await at.stat({ bigint: true })).ino === (await file.stat({ bigint: true })).ino;
    } finally {
      await at.close();
    }
  } catch {
    return false;
  }
}
