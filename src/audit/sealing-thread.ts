import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { createPooledRandom } from '../lib/ids.ts';
import { invariant } from '../lib/invariant.ts';
import { createBatchSealer, type Epoch, ownBuffers } from './batch-sealer.ts';

/** Messages to this thread, which answers each batch on `port`, sealed, in order. */
export type ToSealer =
  | { readonly kind: 'epoch'; readonly epoch: Epoch }
  | { readonly kind: 'batch'; readonly batch: Uint8Array };

export interface SealerInit {
  readonly origin: string;
  /** To the writer's thread. */
  readonly port: MessagePort;
  /** The second of these counts the batches that were sealed here. */
  readonly sealed: Int32Array;
}

// Entry of the thread that seals beside the writer's when there is much to seal. Its data is the SealerInit that thread-writer.ts passes.
const parent = parentPort;
invariant(parent !== null, 'this file is the entry of a worker thread');
const { origin, port, sealed: count }: SealerInit = workerData;
const sealer = createBatchSealer(origin, createPooledRandom());

parent.on('message', (message: ToSealer) => {
  if (message.kind === 'epoch') {
    sealer.setEpoch(message.epoch);
    return;
  }
  const { batch } = message;
  const sealed = sealer.seal(Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength));
  Atomics.add(count, 1, 1);
  port.postMessage(sealed, ownBuffers(sealed));
});
// From now on it answers without delay.
parent.postMessage('ready');
