import { parentPort, workerData } from 'node:worker_threads';
import { createQuestioner } from './opa-wasm.ts';
import type { FromThread, ThreadData, ToThread } from './policy-host.ts';

/** The thread of `createPolicyThread`: takes a question in pieces, and answers it when it is told the phase. */
const { wasm, data, bounds }: ThreadData = workerData;
const port = parentPort;
if (port === null) throw new Error('this module is the entry of a thread');
const questioner = createQuestioner(wasm, data, bounds);
let pieces: string[] = [];

port.on('message', (message: ToThread) => {
  if ('piece' in message) {
    pieces.push(message.piece);
    return;
  }
  const question = pieces.join('');
  pieces = [];
  void questioner.ask(message.phase, question).then((reply: FromThread) => port.postMessage(reply));
});
