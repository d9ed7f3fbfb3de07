import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * A process that does nothing but sleep for a millisecond again and again: by how much it wakes late is what the machine takes from
 * everybody, whatever they do. A process, so that its own time is not taken for that of what is measured.
 */
export interface IdleProcess {
  /** Ends it. Milliseconds by which it woke late, most often 0. */
  stop(): Promise<readonly number[]>;
}

export function startIdleProcess(): IdleProcess {
  const child = fork(fileURLToPath(new URL('./idle-sleeper.js', import.meta.url)), { execArgv: [] });
  const late = new Promise<readonly number[]>((resolve, reject) => {
    child.once('message', (message) => resolve(Array.isArray(message) ? message : []));
    child.once('error', reject);
    child.once('exit', () => resolve([]));
  });
  return {
    stop: () => {
      child.send('stop');
      return late;
    },
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
