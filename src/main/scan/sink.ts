/** Where a command's output goes, at the reader's pace. */
export interface Sink {
  /** Resolves when more may be written. */
  write(text: string | Uint8Array): Promise<void>;
  /** True when the reader has gone (`| head`): there is no use in reading on. */
  isClosed(): boolean;
}

export function createSink(stream: NodeJS.WriteStream): Sink {
  let isClosed = false;
  let resume: (() => void) | null = null;
  const goOn = (): void => {
    resume?.();
    resume = null;
  };
  stream.on('drain', goOn);
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    isClosed = true;
    goOn();
  });
  return {
    write: (text) => {
      if (isClosed || text.length === 0 || stream.write(text)) return Promise.resolve();
      return new Promise((resolve) => {
        resume = resolve;
      });
    },
    isClosed: () => isClosed,
  };
}
