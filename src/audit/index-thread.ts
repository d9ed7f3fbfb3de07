import { parentPort, workerData } from 'node:worker_threads';
import { Fault } from '../lib/fault.ts';
import { invariant, unreachable } from '../lib/invariant.ts';
import type { FromIndex, IndexAnswer, IndexCall } from './index-worker.ts';
import { openLevelIndex } from './level-index.ts';
import type { RecordIndex } from './record-index.ts';

// Entry of the index's thread. Its data is what index-worker.ts passes. Answers may come in another order than their calls.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const { directory, log }: { readonly directory: string; readonly log: string } = workerData;
const index = await openLevelIndex(directory, log);

port.on('message', ({ number, call }: { readonly number: number; readonly call: IndexCall }) => {
  answerOf(index, call).then(
    (answer) => tell({ kind: 'answer', number, answer }),
    (thrown: unknown) => tell({ kind: 'fault', number, message: Fault.from(thrown).message }),
  );
});
tell({ kind: 'open' });

function tell(message: FromIndex): void {
  port?.postMessage(message);
}

async function answerOf(from: RecordIndex, call: IndexCall): Promise<IndexAnswer> {
  switch (call.kind) {
    case 'catchUp':
      return { kind: 'catchUp', next: await from.catchUp() };
    case 'find':
      return { kind: 'find', page: await from.find(call.query) };
    case 'byId':
      return { kind: 'byId', record: await from.byId(call.id) };
    case 'ofKinds':
      return { kind: 'ofKinds', records: await from.ofKinds(call.kinds) };
    case 'forget':
      await from.forget(call.first, call.last);
      return { kind: 'forget' };
    case 'close':
      await from.close();
      return { kind: 'close' };
    default:
      return unreachable(call);
  }
}
