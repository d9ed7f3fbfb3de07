import { availableParallelism } from 'node:os';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { startThread } from '../lib/thread.ts';
import type { Epoch } from './batch-sealer.ts';
import type { SealerInit, ToSealer } from './sealing-thread.ts';
import type { FromWriter, StartWriter, ToWriter } from './writer-protocol.ts';
import type { HelperPort, WriterData } from './writer-thread.ts';

/**
 * Runs the writer in a worker thread, so that sealing, hashing and the disk never hold up the event loop. When batches come faster than
 * it is done with them, a second thread seals those for which the writer has no time, and hands them over to it. That one is started
 * when it first happens, and only where there is a core for it.
 */
export const startThreadWriter: StartWriter = (init, onMessage, onExit) => {
  let isTold = false;
  const ends: Promise<void>[] = [];
  /** How many batches writer and helper have sealed so far. */
  const sealed = new Int32Array(new SharedArrayBuffer(8));
  const data: WriterData = { init, sealed };
  const worker = watched(startThread(import.meta.url, 'writer-thread', { workerData: data }));
  let helper: Worker | null = null;
  let isHelperReady = false;
  let epoch: Epoch | null = null;
  /** How many were given to each. */
  let toWriter = 0;
  let toHelper = 0;

  function watched(thread: Worker): Worker {
    ends.push(
      new Promise((resolve) => {
        thread.on('exit', (code) => {
          resolve();
          ended(new Error(`the audit writer's thread ended with code ${code}`));
        });
      }),
    );
    thread.on('error', (error) => ended(error instanceof Error ? error : new Error(String(error))));
    return thread;
  }

  function ended(error: Error): void {
    if (isTold) return;
    isTold = true;
    onExit(error);
  }

  worker.on('message', (message: FromWriter) => {
    // It ends by itself then, and who helped it with it.
    if (message.kind === 'closed' || message.kind === 'failed') endHelper();
    onMessage(message);
  });

  function postBatch(batch: Uint8Array): void {
    const buffer = ownBuffer(batch);
    // The counts may be of a moment ago: they only say who has less to do. After two thousand million they begin anew.
    const forWriter = (toWriter - Atomics.load(sealed, 0)) | 0;
    const forHelper = (toHelper - Atomics.load(sealed, 1)) | 0;
    const isHelped = batch.length >= helpedBytesMin && forWriter >= unsealedMin && forHelper <= forWriter;
    if (isHelped) startHelper();
    if (helper !== null && isHelperReady && isHelped) {
      toHelper += 1;
      const message: ToSealer = { kind: 'batch', batch };
      helper.postMessage(message, [buffer]);
      const place: ToWriter = { kind: 'elsewhere' };
      worker.postMessage(place);
    } else {
      toWriter += 1;
      const message: ToWriter = { kind: 'batch', batch };
      worker.postMessage(message, [buffer]);
    }
  }

  function startHelper(): void {
    if (helper !== null || availableParallelism() < 2) return;
    const { port1, port2 } = new MessageChannel();
    const port: HelperPort = { kind: 'helper', port: port1 };
    worker.postMessage(port, [port1]);
    const sealerInit: SealerInit = { origin: init.origin, port: port2, sealed };
    const started = watched(
      startThread(import.meta.url, 'sealing-thread', { workerData: sealerInit, transferList: [port2] }),
    );
    helper = started;
    if (epoch !== null) tellEpoch(started, epoch);
    started.once('message', () => {
      isHelperReady = true;
    });
  }

  function tellEpoch(to: Worker, next: Epoch): void {
    const message: ToSealer = { kind: 'epoch', epoch: next };
    to.postMessage(message);
  }

  function endHelper(): void {
    isTold = true;
    void helper?.terminate();
  }

  return {
    post: (message) => {
      if (message.kind === 'batch') {
        postBatch(message.batch);
        return;
      }
      if (message.kind === 'epoch') {
        epoch = { id: message.id, key: message.key };
        if (helper !== null) tellEpoch(helper, epoch);
      }
      worker.postMessage(message);
    },
    terminate: async () => {
      isTold = true;
      void worker.terminate();
      void helper?.terminate();
      await Promise.all(ends);
    },
  };
};

/** About a millisecond of sealing. To hand over less would cost more than it saves. */
const helpedBytesMin = 64 * 1024;
/** As many batches in front of a writer are a backlog. With fewer it is soon done, and a second thread would only take time from others. */
const unsealedMin = 2;

/** A slice of Node's pool cannot be transferred: posting it throws. */
function ownBuffer(batch: Uint8Array): ArrayBuffer {
  if (batch.buffer instanceof ArrayBuffer) return batch.buffer;
  throw new Error('a batch has a buffer of its own');
}
