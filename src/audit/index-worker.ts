import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import { startThread } from '../lib/thread.ts';
import type { IndexedRecord, IndexPage, RecordIndex, RecordQuery } from './record-index.ts';

export type IndexCall =
  | { readonly kind: 'catchUp' }
  | { readonly kind: 'find'; readonly query: RecordQuery }
  | { readonly kind: 'byId'; readonly id: string }
  | { readonly kind: 'ofKinds'; readonly kinds: readonly string[] }
  | { readonly kind: 'forget'; readonly first: number; readonly last: number }
  | { readonly kind: 'close' };

/** What the thread says to a call, of the call's own kind. */
export type IndexAnswer =
  | { readonly kind: 'catchUp'; readonly next: number }
  | { readonly kind: 'find'; readonly page: IndexPage }
  | { readonly kind: 'byId'; readonly record: IndexedRecord | null }
  | { readonly kind: 'ofKinds'; readonly records: readonly IndexedRecord[] }
  | { readonly kind: 'forget' }
  | { readonly kind: 'close' };

export type FromIndex =
  | { readonly kind: 'open' }
  | { readonly kind: 'answer'; readonly number: number; readonly answer: IndexAnswer }
  | { readonly kind: 'fault'; readonly number: number; readonly message: string };

interface Waiting {
  resolve(answer: IndexAnswer): void;
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

  worker.on('message', (message: FromIndex) => {
    if (message.kind === 'open') return;
    const call = waiting.get(message.number);
    waiting.delete(message.number);
    if (message.kind === 'fault') call?.reject(new Fault('audit_unavailable', message.message));
    else call?.resolve(message.answer);
  });
  const lose = (cause: unknown): void => {
    lost ??= new Fault('audit_unavailable', 'the index of the record is not there', cause);
    for (const call of waiting.values()) call.reject(lost);
    waiting.clear();
  };
  worker.on('error', lose);
  worker.on('exit', (code) => lose(new Error(`its thread ended with code ${code}`)));
  const opened = new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('exit', () => reject(lost));
  });

  async function ask<K extends IndexCall['kind']>(call: IndexCall & { readonly kind: K }): Promise<AnswerTo<K>> {
    if (lost !== null) throw lost;
    calls += 1;
    const number = calls;
    const answer = await new Promise<IndexAnswer>((resolve, reject) => {
      waiting.set(number, { resolve, reject });
      worker.postMessage({ number, call });
    });
    invariant(answersTo(answer, call.kind), 'the thread answers in the kind of the call');
    return answer;
  }

  await opened;
  return {
    catchUp: async () => (await ask({ kind: 'catchUp' })).next,
    find: async (query) => (await ask({ kind: 'find', query })).page,
    byId: async (id) => (await ask({ kind: 'byId', id })).record,
    ofKinds: async (kinds) => (await ask({ kind: 'ofKinds', kinds })).records,
    forget: async (first, last) => {
      await ask({ kind: 'forget', first, last });
    },
    close: async () => {
      if (lost !== null) return;
      await ask({ kind: 'close' });
      await worker.terminate();
    },
  };
}

type AnswerTo<K extends IndexAnswer['kind']> = Extract<IndexAnswer, { readonly kind: K }>;

function answersTo<K extends IndexAnswer['kind']>(answer: IndexAnswer, kind: K): answer is AnswerTo<K> {
  return answer.kind === kind;
}
