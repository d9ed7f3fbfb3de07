import { Fault } from '../../lib/fault.ts';
import { pause } from './log-tail.ts';
import type { Delivery, Sink, SinkEvent } from './sink.ts';

/** How a batch is brought to a sink, and who is told. */
export interface Sends {
  readonly sink: Sink;
  /** Longest wait for the receiver's word. */
  readonly deadlineMs: number;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
  /** Waits until an attempt may be made; what it gives back is told how it went: whether the receiver has given its word. */
  turn?(): Promise<(isHeard: boolean) => void>;
  /** How long to wait before the attempt after so many failed ones. */
  waitMs(attempt: number, wishedMs: number | null): number;
  onFailed(reason: string): void;
  onDelivered(count: number): void;
  /** MUST be durable before it resolves. */
  onDead(event: SinkEvent, reason: string): Promise<void>;
}

/**
 * Sends until every event is delivered or dead, however long that takes; false when the signal ended it before. A batch
 * that the receiver refuses is halved until what is at fault stands alone.
 */
export async function sendAll(events: readonly SinkEvent[], sends: Sends): Promise<boolean> {
  let left = events;
  for (let attempt = 0; left.length > 0; attempt += 1) {
    const endTurn = await sends.turn?.();
    const delivery = await attemptOnce(left, sends);
    endTurn?.(delivery.kind === 'refused' || (delivery.kind === 'settled' && delivery.retry.length === 0));
    if (sends.signal.aborted && delivery.kind !== 'settled') return false;
    if (delivery.kind === 'refused') return divide(left, delivery.reason, sends);
    if (delivery.kind === 'settled') {
      for (const { index, reason } of delivery.rejected) {
        const event = left[index];
        if (event !== undefined) await sends.onDead(event, reason);
      }
      const count = left.length - delivery.rejected.length - delivery.retry.length;
      if (count > 0 || delivery.retry.length === 0) {
        sends.onDelivered(count);
        attempt = 0;
      }
      left = delivery.retry.map((index) => left[index]).filter((event) => event !== undefined);
      if (left.length === 0) return true;
    } else {
      sends.onFailed(delivery.reason);
    }
    await pause(sends.waitMs(attempt, delivery.afterMs), sends.signal);
    if (sends.signal.aborted) return false;
  }
  return true;
}

async function divide(events: readonly SinkEvent[], reason: string, sends: Sends): Promise<boolean> {
  const [first] = events;
  if (events.length === 1 && first !== undefined) {
    await sends.onDead(first, reason);
    return true;
  }
  const half = Math.ceil(events.length / 2);
  return (await sendAll(events.slice(0, half), sends)) && (await sendAll(events.slice(half), sends));
}

async function attemptOnce(events: readonly SinkEvent[], sends: Sends): Promise<Delivery> {
  // Not AbortSignal.any: what it makes stays with the long-lived signal until that one is aborted.
  const attempt = new AbortController();
  const late = `no answer within ${sends.deadlineMs} ms`;
  const giveUp = (): void => attempt.abort();
  const timer = setTimeout(giveUp, sends.deadlineMs);
  sends.signal.addEventListener('abort', giveUp);
  if (sends.signal.aborted) giveUp();
  const gaveUp = new Promise<Delivery>((resolve) => {
    const fail = (): void => resolve({ kind: 'failed', reason: late, afterMs: null });
    if (attempt.signal.aborted) fail();
    else attempt.signal.addEventListener('abort', fail, { once: true });
  });
  const delivering = sends.sink
    .deliver(events, attempt.signal)
    .catch((thrown: unknown): Delivery => ({ kind: 'failed', reason: Fault.from(thrown).message, afterMs: null }));
  try {
    // A sink that does not heed its signal must not hold up the shutdown.
    return await Promise.race([delivering, gaveUp]);
  } finally {
    clearTimeout(timer);
    sends.signal.removeEventListener('abort', giveUp);
  }
}
