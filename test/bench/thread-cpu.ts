import { readdirSync, readFileSync } from 'node:fs';

/** CPU of this process by thread, in microseconds: what Linux counts for each. Empty elsewhere. */
export type ThreadCpu = ReadonlyMap<number, number>;

export function threadCpu(): ThreadCpu {
  const found = new Map<number, number>();
  try {
    for (const id of readdirSync('/proc/self/task')) {
      const [runNs = '0'] = readFileSync(`/proc/self/task/${id}/schedstat`, 'latin1').split(' ');
      found.set(Number(id), Number(runNs) / 1_000);
    }
  } catch {
    // No such place, or a thread that ended meanwhile.
  }
  return found;
}

/** What the event loop, the busiest other thread and all others have used in between. */
export function cpuBetween(
  before: ThreadCpu,
  after: ThreadCpu,
): { readonly eventLoop: number; readonly busiest: number; readonly others: number } {
  const used = [...after].map(([id, us]) => ({ id, us: us - (before.get(id) ?? 0) }));
  const eventLoop = used.find(({ id }) => id === process.pid)?.us ?? 0;
  const rest = used.filter(({ id }) => id !== process.pid).map(({ us }) => us);
  const busiest = Math.max(0, ...rest);
  return { eventLoop, busiest, others: rest.reduce((sum, us) => sum + us, -busiest) };
}
