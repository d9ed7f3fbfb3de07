import { parentPort, workerData } from 'node:worker_threads';
import { createPooledRandom } from '../lib/ids.ts';
import { invariant } from '../lib/invariant.ts';
import { nodeFs } from './fs-port.ts';
import { startWriterHost } from './writer-host.ts';

// Entry of the writer's thread. Its data is the WriterInit that thread-writer.ts passes.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const host = startWriterHost(nodeFs, createPooledRandom(), workerData, (message) => {
  port.postMessage(message);
  // Nothing is left to do: closing the port lets the thread end by itself.
  if (message.kind === 'closed' || message.kind === 'failed') port.close();
});
port.on('message', host.receive);
