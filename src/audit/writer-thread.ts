import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { createPooledRandom } from '../lib/ids.ts';
import { invariant } from '../lib/invariant.ts';
import { blockingFs } from './fs-port.ts';
import { startWriterHost } from './writer-host.ts';
import type { ToWriter } from './writer-protocol.ts';

// Entry of the writer's thread. Its data is the WriterInit that thread-writer.ts passes.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
/** One message a turn. A port hands over a thousand in one if they come while it does, and tiles would never get theirs. */
const waiting: ToWriter[] = [];
const host = startWriterHost(
  blockingFs,
  createPooledRandom(),
  workerData,
  (message) => {
    port.postMessage(message);
    // Nothing is left to do: closing the port lets the thread end by itself.
    if (message.kind === 'closed' || message.kind === 'failed') port.close();
  },
  () => {
    // What has come while this turn ran; no event has told of it yet.
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      take(next.message);
    return waiting.length > 0;
  },
);
port.on('message', take);

let isTurnDue = false;

function take(message: ToWriter): void {
  waiting.push(message);
  scheduleTurn();
}

function scheduleTurn(): void {
  if (isTurnDue || waiting.length === 0) return;
  isTurnDue = true;
  setImmediate(() => {
    isTurnDue = false;
    const message = waiting.shift();
    if (message !== undefined) host.receive(message);
    scheduleTurn();
  });
}
