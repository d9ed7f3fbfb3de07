import { Worker } from 'node:worker_threads';

/**
 * Two threads that never sleep, for a second: how many cores they get between them (2.0: all that there is), and the longest that one
 * of them stood still, in milliseconds. A shared host gives less than it shows, and not all of what it takes counts as stolen.
 */
export async function busyPair(): Promise<{ readonly cores: number; readonly longestPauseMs: number }> {
  const worker = new Worker(new URL('./busy-spinner.js', import.meta.url));
  await new Promise((resolve) => worker.once('online', resolve));
  const started = performance.now();
  const cpu = process.cpuUsage();
  const longestPauseMs = spin(1_000);
  const { user, system } = process.cpuUsage(cpu);
  const tookMs = performance.now() - started;
  await worker.terminate();
  return { cores: (user + system) / 1000 / tookMs, longestPauseMs };
}

/** Busy for so long. Returns the longest time between two looks at the clock. */
export function spin(forMs: number): number {
  const start = performance.now();
  let longest = 0;
  for (let last = start; last - start < forMs; ) {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}
