import type { Worker } from 'node:worker_threads';
import { startThread } from '../../lib/thread.ts';
import type { Log, Metrics } from '../../telemetry/telemetry.ts';
import type { AuditKeys } from '../keys.ts';
import { answerUnwrap, type UnwrapAnswer, type UnwrapQuestion } from './keys-across.ts';
import type { ShippingOptions } from './ship-all.ts';
import type { SinkStatus } from './shipper.ts';

export type ToSinks = { readonly kind: 'stop'; readonly drainMs: number } | UnwrapAnswer;

export type FromSinks = { readonly kind: 'status'; readonly sinks: readonly SinkStatus[] } | UnwrapQuestion;

export interface SinksHost {
  /** Sends what is published by now and the last checkpoint, for at most so long. The cursors keep the rest. Idempotent. */
  stop(drainMs: number): Promise<void>;
}

interface SinksHostDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Asked for the keys of records whose prompts go along, and never otherwise. */
  readonly keys: Pick<AuditKeys, 'unwrap'>;
}

/** Wait before a thread that has ended is started again. */
const restartMs = 5_000;

/**
 * Runs all sinks in a thread of their own: what they read, render and send never holds up an exchange. They read the log's
 * files, and share nothing else with the service. A thread that ends is started again where its cursors stand.
 */
export function startSinks(options: ShippingOptions, observe: SinksHostDeps): SinksHost {
  let worker: Worker | null = null;
  let isStopping = false;
  let timer: NodeJS.Timeout | null = null;
  let exited: Promise<void> = Promise.resolve();
  const failing = new Map<string, string>();

  function start(): void {
    const thread = startThread(import.meta.url, 'sinks-thread', { workerData: options });
    worker = thread;
    exited = new Promise((resolve) => {
      thread.on('exit', (code) => {
        worker = null;
        resolve();
        if (isStopping) return;
        observe.log.error('audit sinks stopped', { reason: `their thread ended with code ${code}` });
        timer = setTimeout(start, restartMs);
        timer.unref();
      });
    });
    thread.on('message', (message: FromSinks) => {
      if (message.kind === 'status') for (const status of message.sinks) note(status);
      else void answerUnwrap(observe.keys, message).then((answer) => post(thread, answer));
    });
    thread.on('error', (error) => {
      observe.log.error('audit sinks failed', { reason: error instanceof Error ? error.message : String(error) });
    });
  }

  function note(status: SinkStatus): void {
    observe.metrics.auditSink(status);
    const before = failing.get(status.sink);
    if (status.failing === null) {
      if (before !== undefined) observe.log.info('audit sink delivers again', { sink: status.sink });
      failing.delete(status.sink);
    } else if (before !== status.failing) {
      failing.set(status.sink, status.failing);
      observe.log.warn('audit sink fails', { sink: status.sink, reason: status.failing, count: status.lagRecords });
    }
  }

  start();
  let stopping: Promise<void> | null = null;
  return {
    stop: (drainMs) => {
      stopping ??= (async () => {
        isStopping = true;
        if (timer !== null) clearTimeout(timer);
        const last = worker;
        if (last === null) return;
        post(last, { kind: 'stop', drainMs });
        const late = setTimeout(() => void last.terminate(), drainMs + 5_000);
        await exited;
        clearTimeout(late);
      })();
      return stopping;
    },
  };
}

function post(thread: Worker, message: ToSinks): void {
  thread.postMessage(message);
}
