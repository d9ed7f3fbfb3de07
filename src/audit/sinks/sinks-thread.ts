import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../lib/clock.ts';
import { createPooledRandom } from '../../lib/ids.ts';
import { invariant } from '../../lib/invariant.ts';
import { nodeFs } from '../fs-port.ts';
import { createKeysAcross } from './keys-across.ts';
import { shipAll } from './ship-all.ts';
import type { FromSinks, ToSinks } from './sinks-host.ts';

// Entry of the thread in which all sinks run. Its data is the ShippingOptions that sinks-host.ts passes.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const post = (message: FromSinks): void => port.postMessage(message);
const keys = createKeysAcross(post);
let stop: ((drainMs: number) => void) | null = null;
let toldMs: number | null = null;
port.on('message', (message: ToSinks) => {
  if (message.kind === 'unwrapped') keys.onAnswer(message);
  else if (stop === null) toldMs = message.drainMs;
  else stop(message.drainMs);
});
const shipping = await shipAll(workerData, {
  fs: nodeFs,
  random: createPooledRandom(),
  nowMs: systemClock.nowMs,
  nowNs: systemClock.nowNs,
  unwrap: keys.unwrap,
});
const tell = (): void => post({ kind: 'status', sinks: shipping.status() });
const telling = setInterval(tell, 1_000);
stop = (drainMs) => {
  clearInterval(telling);
  void shipping.stop(drainMs).finally(() => {
    tell();
    // Nothing is left to do: closing the port lets the thread end by itself.
    port.close();
  });
};
if (toldMs !== null) stop(toldMs);
