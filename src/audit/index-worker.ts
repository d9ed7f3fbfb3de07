import { Fault } from '../lib/fault.ts';
import { startThread } from '../lib/thread.ts';
import type { RecordIndex, RecordQuery } from './record-index.ts';

export type IndexCall =
  | { readonly kind: 'catchUp' }
  | { readonly kind: 'find'; readonly query: RecordQuery }
  | { readonly kind: 'byId'; readonly id: string }
  | { readonly kind: 'ofKinds'; readonly kinds: readonly string[] }
  | { readonly kind: 'forget'; readonly first: number; readonly last: number }
  | { readonly kind: 'close' };

export type FromIndex =
  | { readonly kind: 'open' }
  | { readonly kind: 'answer'; readonly number: number; readonly value: unknown }
  | { readonly kind: 'fault'; readonly number: number; readonly message: string };

interface Waiting {
  resolve(value: unknown): void;
  reject(fault: Fault): void;
}

/**
 * The index in a thread of its own: it reads and parses every record, and must not hold up an exchange for it. When the thread is lost
 * every call rejects with Fault `audit_unavailable`; what it indexed is made again from the log.
 */
export async function openIndexInThread(directory: string, log: string): Promise<RecordIndex> {
  const waiting = new Map<number, Waiting>();
  const worker = startThread(import.meta.url, 'index-thread', { workerData: { directory, log } });
  let calls = 0;
  let lost: Fault | null = null;
  const opened = new Promise<unknown>((resolve, reject) => void waiting.set(calls, { resolve, reject }));

  worker.on('message', (message: FromIndex) => {
    const number = message.kind === 'open' ? 0 : message.number;
    const call = waiting.get(number);
    waiting.delete(number);
    if (message.kind === 'fault') call?.reject(new Fault('audit_unavailable', message.message));
    else call?.resolve(message.kind === 'open' ? null : message.value);
  });
  const lose = (cause: unknown): void => {
    lost ??= new Fault('audit_unavailable', 'the index of the record is not there', cause);
    for (const call of waiting.values()) call.reject(lost);
    waiting.clear();
  };
  worker.on('error', lose);
  worker.on('exit', (code) => lose(new Error(`its thread ended with code ${code}`)));

  /** The thread answers each call with what the index's method of this name returns. */
  function ask<T>(call: IndexCall): Promise<T> {
    if (lost !== null) return Promise.reject(lost);
    calls += 1;
    const number = calls;
    return new Promise<T>((resolve, reject) => {
      waiting.set(number, { resolve: (value) => resolve(value as T), reject });
      worker.postMessage({ number, call });
    });
  }

  await opened;
  return {
    catchUp: () => ask({ kind: 'catchUp' }),
    find: (query) => ask({ kind: 'find', query }),
    byId: (id) => ask({ kind: 'byId', id }),
    ofKinds: (kinds) => ask({ kind: 'ofKinds', kinds }),
    forget: (first, last) => ask({ kind: 'forget', first, last }),
    close: async () => {
      if (lost !== null) return;
      await ask({ kind: 'close' });
      await worker.terminate();
    },
  };
}
