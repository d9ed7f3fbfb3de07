import type { FsPort } from '../../src/audit/fs-port.ts';
import { startWriterHost } from '../../src/audit/writer-host.ts';
import type { FromWriter, StartWriter } from '../../src/audit/writer-protocol.ts';
import { createPooledRandom } from '../../src/lib/ids.ts';

/**
 * The writer in this thread, on any file system. Messages travel in both directions as they do between threads: later. `isBusy`: what the
 * writer hears when it asks whether to go on while the disk syncs; null: the truth.
 */
export function inlineWriter(
  fs: FsPort,
  filter: (message: FromWriter) => boolean = () => true,
  isBusy: (() => boolean) | null = null,
): StartWriter {
  return (init, onMessage) => {
    let isOver = false;
    let underWay = 0;
    const tell = (message: FromWriter): void => {
      setImmediate(() => {
        if (!isOver && filter(message)) onMessage(message);
      });
    };
    const host = startWriterHost(fs, createPooledRandom(), init, tell, () => isBusy?.() ?? underWay > 0);
    return {
      post: (message) => {
        underWay += 1;
        setImmediate(() => {
          underWay -= 1;
          if (!isOver) host.receive(message);
        });
      },
      terminate: async () => {
        isOver = true;
        await host.stop();
      },
    };
  };
}

/** A file system of which a test can fail any call: what `before` throws is thrown, and the call is not made. */
export function interceptedFs(
  fs: FsPort,
  before: (call: string, args: readonly unknown[]) => void,
  overrides: Partial<FsPort> = {},
): FsPort {
  return new Proxy(
    { ...fs, ...overrides },
    {
      get: (target, name) => {
        const call: unknown = Reflect.get(target, name);
        if (typeof call !== 'function') return call;
        return (...args: readonly unknown[]): unknown => {
          before(String(name), args);
          return Reflect.apply(call, target, args);
        };
      },
    },
  );
}

export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
