import type { Worker } from 'node:worker_threads';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { startThread } from '../lib/thread.ts';
import { createTurns } from '../lib/turns.ts';
import type { Phase } from './decision.ts';
import type { EngineBounds } from './opa-wasm.ts';

/** To the thread: the question in pieces, then the phase that it is about. */
export type ToThread = { readonly piece: string } | { readonly phase: Phase };

/** From the thread: the engine's result, or why there is none, safe to tell. */
export type FromThread = { readonly result: string } | { readonly trap: string };

/** What the thread is started with. */
export interface ThreadData {
  readonly wasm: Uint8Array;
  readonly data: JsonObject;
  readonly bounds: EngineBounds;
}

export interface PolicyThread {
  /** The engine's result set as JSON. Questions are answered one by one. Rejects with Fault `policy_failed`. */
  ask(phase: Phase, pieces: Iterable<string>): Promise<string>;
}

/** See `limits`. */
export interface ThreadBounds extends EngineBounds {
  readonly policyThreadMs: number;
  readonly policyThreadIdleMs: number;
  readonly policyQuestionsMax: number;
}

/**
 * Answers large questions beside the event loop: an evaluation cannot be interrupted, and one over megabytes takes seconds. The question
 * is handed over piece by piece, with a turn of the loop after each. A thread that takes longer than `policyThreadMs` is ended, and the
 * next question gets a new one; so is one that had nothing to do for `policyThreadIdleMs`. More than `policyQuestionsMax` questions at
 * the same time are `policy_failed`.
 */
export function createPolicyThread(data: ThreadData, bounds: ThreadBounds): PolicyThread {
  let thread: Worker | null = null;
  let idle: NodeJS.Timeout | null = null;
  const inTurn = createTurns({
    waitingMax: bounds.policyQuestionsMax,
    overflow: () => new Fault('policy_failed', 'too many large questions wait'),
  });

  async function answer(phase: Phase, pieces: Iterable<string>): Promise<string> {
    if (idle !== null) clearTimeout(idle);
    thread ??= started();
    const asked = thread;
    const reply = replyOf(asked);
    // Whoever waits for the reply comes after the pieces; a thread that dies meanwhile is no unhandled rejection.
    reply.catch(() => {});
    try {
      for (const piece of pieces) {
        asked.postMessage({ piece } satisfies ToThread);
        await new Promise((resolve) => setImmediate(resolve));
      }
      asked.postMessage({ phase } satisfies ToThread);
      // The clock starts here: how long the pieces took is up to everybody else.
      const answered = await within(bounds.policyThreadMs, reply);
      if ('trap' in answered) throw new Fault('policy_failed', answered.trap);
      return answered.result;
    } catch (thrown) {
      // What it was told so far must not become part of the next question.
      end(asked);
      throw Fault.from(thrown, 'policy_failed');
    } finally {
      idle = setTimeout(() => end(asked), bounds.policyThreadIdleMs);
      idle.unref();
    }
  }

  function started(): Worker {
    const worker = startThread(import.meta.url, 'policy-thread', { workerData: data });
    // Nothing is lost when the process ends under it.
    worker.unref();
    worker.on('error', () => end(worker));
    worker.on('exit', () => end(worker));
    return worker;
  }

  function end(worker: Worker): void {
    if (thread === worker) thread = null;
    void worker.terminate();
  }

  return {
    ask: (phase, pieces) => inTurn(() => answer(phase, pieces)),
  };
}

/** The next message of the thread; rejects when it ends before. */
function replyOf(worker: Worker): Promise<FromThread> {
  return new Promise((resolve, reject) => {
    const onMessage = (reply: FromThread): void => settle(() => resolve(reply));
    const onExit = (): void => settle(() => reject(new Fault('policy_failed', 'the thread of the policy ended')));
    const settle = (outcome: () => void): void => {
      worker.off('message', onMessage);
      worker.off('exit', onExit);
      outcome();
    };
    worker.on('message', onMessage);
    worker.on('exit', onExit);
  });
}

async function within<T>(ms: number, result: Promise<T>): Promise<T> {
  const clock: { timer?: NodeJS.Timeout } = {};
  const late = new Promise<never>((_, reject) => {
    clock.timer = setTimeout(() => reject(new Fault('policy_failed', tooLong)), ms);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(clock.timer);
  }
}

const tooLong = 'the policy took longer than it may on a question of this size';
