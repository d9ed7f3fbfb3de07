import { parentPort, workerData } from 'node:worker_threads';
import { createPooledRandom } from '../lib/ids.ts';
import { invariant } from '../lib/invariant.ts';
import { blockingFs } from './fs-port.ts';
import { startWriterHost } from './writer-host.ts';
import type { ToWriter } from './writer-protocol.ts';

// Entry of the writer's thread. Its data is the WriterInit that thread-writer.ts passes.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const host = startWriterHost(blockingFs, createPooledRandom(), workerData, (message) => {
  port.postMessage(message);
  // Nothing is left to do: closing the port lets the thread end by itself.
  if (message.kind === 'closed' || message.kind === 'failed') port.close();
});
// One message a turn. A port hands over a thousand in one if they come while it does, and tiles would never get theirs.
const waiting: ToWriter[] = [];
port.on('message', (message: ToWriter) => {
  if (waiting.push(message) === 1) setImmediate(receiveNext);
});

function receiveNext(): void {
  const message = waiting.shift();
  if (waiting.length > 0) setImmediate(receiveNext);
  if (message !== undefined) host.receive(message);
}
