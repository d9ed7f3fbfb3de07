import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/**
 * A thread that does nothing but sleep for a millisecond again and again: by how much it wakes late is what the machine takes from
 * everybody, whatever they do.
 */
export interface IdleThread {
  /** Ends it. Milliseconds by which it woke late, most often 0; null where no thread could be started. */
  stop(): Promise<readonly number[]>;
}

const code = `
const { parentPort, workerData } = require('node:worker_threads');
const late = new Float32Array(workerData.wakesMax);
const over = new Int32Array(workerData.over);
let count = 0;
for (let due = performance.now() + 1; Atomics.load(over, 0) === 0; due = performance.now() + 1) {
  Atomics.wait(over, 0, 0, 1);
  if (count < late.length) late[count++] = Math.max(0, performance.now() - due);
}
parentPort.postMessage(late.subarray(0, count));
`;

export function startIdleThread(forSeconds: number): IdleThread {
  const over = new SharedArrayBuffer(4);
  const worker = new Worker(code, { eval: true, workerData: { over, wakesMax: (forSeconds + 60) * 1_000 } });
  return {
    stop: () =>
      new Promise((resolve, reject) => {
        worker.once('message', (late: Float32Array) => resolve([...late]));
        worker.once('error', reject);
        const cell = new Int32Array(over);
        Atomics.store(cell, 0, 1);
        Atomics.notify(cell, 0);
      }),
  };
}

/** Ticks of all processors since the start, and those of them that the host gave to others while we wanted to run. Null but on Linux. */
export function stolenTicks(): { readonly all: number; readonly stolen: number } | null {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
    const ticks = line.trim().split(/ +/).slice(1, 9).map(Number);
    return { all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0 };
  } catch {
    return null;
  }
}
