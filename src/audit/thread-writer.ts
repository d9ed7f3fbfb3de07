import { startThread } from '../lib/thread.ts';
import type { StartWriter } from './writer-protocol.ts';

/** Runs the writer in a worker thread, so that sealing, hashing and the disk never hold up the event loop. */
export const startThreadWriter: StartWriter = (init, onMessage, onExit) => {
  const worker = startThread(import.meta.url, 'writer-thread', { workerData: init });
  let isTold = false;
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      resolve();
      if (!isTold) onExit(new Error(`the audit writer's thread ended with code ${code}`));
    });
  });
  worker.on('message', onMessage);
  worker.on('error', (error) => {
    if (isTold) return;
    isTold = true;
    onExit(error instanceof Error ? error : new Error(String(error)));
  });
  return {
    post: (message) => {
      if (message.kind === 'batch') worker.postMessage(message, [ownBuffer(message.batch)]);
      else worker.postMessage(message);
    },
    terminate: async () => {
      isTold = true;
      void worker.terminate();
      await exited;
    },
  };
};

/** A slice of Node's pool cannot be transferred: posting it throws. */
function ownBuffer(batch: Uint8Array): ArrayBuffer {
  if (batch.buffer instanceof ArrayBuffer) return batch.buffer;
  throw new Error('a batch has a buffer of its own');
}
