import { Fault } from '../lib/fault.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { ApprovalStore } from './store.ts';

export interface Sweeper {
  /** Resolves when no sweep is under way any more. */
  close(): Promise<void>;
}

/**
 * Sweeps the store again and again, `everyMs` after the last sweep ended (default: 1 s), and then calls `afterwards`. Every
 * replica may run one. A sweep that fails is logged once per outage and tried again.
 */
export function startSweeper(
  store: Pick<ApprovalStore, 'sweep'>,
  log: Log,
  everyMs = 1_000,
  afterwards: () => Promise<void> = async () => {},
): Sweeper {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let isClosed = false;
  let isFailing = false;

  const sweep = async (): Promise<void> => {
    try {
      const { settled } = await store.sweep();
      if (settled > 0) log.warn('approval transitions finished for another', { count: settled });
      await afterwards();
      isFailing = false;
    } catch (thrown) {
      const fault = Fault.from(thrown);
      if (!isFailing) log.error('approval sweep failed', { code: fault.code, reason: fault.message });
      isFailing = true;
    }
    schedule();
  };
  const schedule = (): void => {
    if (isClosed) return;
    timer = setTimeout(() => {
      running = sweep();
    }, everyMs);
    timer.unref();
  };

  schedule();
  return {
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
