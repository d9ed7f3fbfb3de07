/** What has been opened, to be closed in the opposite order. */
export interface Opened {
  add(close: () => Promise<void>): void;
  /** Closes all of it, whatever of it fails; then throws the first failure. */
  close(): Promise<void>;
}

export function createOpened(): Opened {
  const closers: (() => Promise<void>)[] = [];
  return {
    add: (close) => void closers.push(close),
    close: async () => {
      const failures: unknown[] = [];
      for (const close of closers.splice(0).reverse()) await close().catch((thrown) => failures.push(thrown));
      if (failures.length > 0) throw failures[0];
    },
  };
}
