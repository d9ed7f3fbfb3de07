import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../lib/clock.ts';
import { createPooledRandom } from '../../lib/ids.ts';
import { invariant } from '../../lib/invariant.ts';
import { nodeFs } from '../fs-port.ts';
import { shipAll } from './ship-all.ts';
import type { ToSinks } from './sinks-host.ts';

// Entry of the thread in which all sinks run. Its data is the ShippingOptions that sinks-host.ts passes.
const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const shipping = await shipAll(workerData, {
  fs: nodeFs,
  random: createPooledRandom(),
  nowMs: systemClock.nowMs,
  nowNs: systemClock.nowNs,
});
const tell = (): void => port.postMessage({ kind: 'status', sinks: shipping.status() });
const telling = setInterval(tell, 1_000);
port.on('message', (message: ToSinks) => {
  clearInterval(telling);
  void shipping.stop(message.drainMs).finally(() => {
    tell();
    // Nothing is left to do: closing the port lets the thread end by itself.
    port.close();
  });
});
