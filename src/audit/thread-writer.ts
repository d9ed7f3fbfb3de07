import { Worker } from 'node:worker_threads';
import type { StartWriter, WriterInit } from './writer-protocol.ts';

/** Runs the writer in a worker thread, so that sealing, hashing and the disk never hold up the event loop. */
export const startThreadWriter: StartWriter = (init, onMessage, onExit) => {
  const worker = startWorker(init);
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

function ownBuffer(batch: Uint8Array): ArrayBuffer {
  if (batch.buffer instanceof ArrayBuffer && batch.byteLength === batch.buffer.byteLength) return batch.buffer;
  throw new Error('a batch has a buffer of its own');
}

const isSource = import.meta.url.endsWith('.ts');

/** From source (tests, development) the thread strips types by tsx first, unless this Node does it by itself. */
function startWorker(workerData: WriterInit): Worker {
  const entry = new URL(isSource ? './writer-thread.ts' : './writer-thread.js', import.meta.url);
  if (!isSource || Reflect.get(process.features, 'typescript')) return new Worker(entry, { workerData });
  const tsx = import.meta.resolve('tsx/esm/api');
  const bootstrap = `import(${JSON.stringify(tsx)}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(entry.href)});
  });`;
  return new Worker(bootstrap, { eval: true, workerData });
}
