import { spawnSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { BroadcastChannel, threadId } from 'node:worker_threads';

export const channelName = 'bench-memory';

export interface ProbeMessage {
  readonly threadId: number;
  readonly heapBytes: number;
  readonly bufferBytes: number;
}

/**
 * Goes on in a process of its own in which every thread can be asked for its memory (memory-probe.ts). Returns in that process; the first
 * one ends here.
 */
export function inProbedProcess(): void {
  if (process.execArgv.includes('--expose-gc')) return;
  const probe = new URL('./memory-probe.js', import.meta.url).href;
  const { status } = spawnSync(
    process.execPath,
    ['--expose-gc', '--import', probe, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: 'inherit' },
  );
  process.exit(status ?? 1);
}

/** Has every thread collect its garbage, and says what is alive in each: `0: 12.3 + 4.5`, heap and buffers in MB. */
export async function aliveByThread(): Promise<string> {
  const channel = new BroadcastChannel(channelName);
  const found = new Map<number, ProbeMessage>();
  channel.onmessage = (event: unknown) => {
    const data: unknown = Reflect.get(Object(event), 'data');
    if (isProbeMessage(data)) found.set(data.threadId, data);
  };
  channel.postMessage('look');
  // Threads that are at work answer between two turns; how many there are nobody knows.
  await wait(500);
  channel.close();
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return [...found.values()]
    .sort((a, b) => a.threadId - b.threadId)
    .map(
      (each) =>
        `${each.threadId === threadId ? 'loop' : `thread ${each.threadId}`} ${mb(each.heapBytes)} + ${mb(each.bufferBytes)}`,
    )
    .join(', ');
}

function isProbeMessage(data: unknown): data is ProbeMessage {
  return typeof data === 'object' && data !== null && 'heapBytes' in data;
}
