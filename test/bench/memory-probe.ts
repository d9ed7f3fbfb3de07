// Preloaded into every thread of a benchmark (`node --expose-gc --import …`): each answers the question what is alive in it.
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { channelName, type ProbeMessage } from './alive.ts';

const collect: unknown = Reflect.get(globalThis, 'gc');
const channel = new BroadcastChannel(channelName);
channel.unref();
channel.onmessage = (event: unknown) => {
  const data: unknown = Reflect.get(Object(event), 'data');
  if (data !== 'look' || typeof collect !== 'function') return;
  collect();
  // What the first one only marked as dead is freed by the second.
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const answer: ProbeMessage = { threadId, heapBytes: heapUsed, bufferBytes: arrayBuffers };
  channel.postMessage(answer);
};
