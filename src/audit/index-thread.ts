import { parentPort, workerData } from 'node:worker_threads';
import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import type { FromIndex, IndexCall } from './index-worker.ts';
import { openLevelIndex } from './level-index.ts';
import type { RecordIndex } from './record-index.ts';

// Entry of the index's thread. Its data is what index-worker.ts passes. Answers may come in another order than their calls.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const { directory, log }: { readonly directory: string; readonly log: string } = workerData;
const index = await openLevelIndex(directory, log);

port.on('message', ({ number, call }: { readonly number: number; readonly call: IndexCall }) => {
  answer(index, call).then(
    (value) => tell({ kind: 'answer', number, value }),
    (thrown: unknown) => tell({ kind: 'fault', number, message: Fault.from(thrown).message }),
  );
});
tell({ kind: 'open' });

function tell(message: FromIndex): void {
  port?.postMessage(message);
}

function answer(from: RecordIndex, call: IndexCall): Promise<unknown> {
  switch (call.kind) {
    case 'catchUp':
      return from.catchUp();
    case 'find':
      return from.find(call.query);
    case 'byId':
      return from.byId(call.id);
    case 'ofKinds':
      return from.ofKinds(call.kinds);
    case 'forget':
      return from.forget(call.first, call.last);
    case 'close':
      return from.close();
  }
}
