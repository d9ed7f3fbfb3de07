import type { FsPort } from '../../src/audit/fs-port.ts';
import { startWriterHost } from '../../src/audit/writer-host.ts';
import type { FromWriter, StartWriter } from '../../src/audit/writer-protocol.ts';
import { createPooledRandom } from '../../src/lib/ids.ts';

/** The writer in this thread, on any file system. Messages travel in both directions as they do between threads: later. */
export function inlineWriter(fs: FsPort, filter: (message: FromWriter) => boolean = () => true): StartWriter {
  return (init, onMessage) => {
    let isOver = false;
    const host = startWriterHost(fs, createPooledRandom(), init, (message) => {
      setImmediate(() => {
        if (!isOver && filter(message)) onMessage(message);
      });
    });
    return {
      post: (message) => {
        setImmediate(() => {
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
