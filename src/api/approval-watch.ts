import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalStore } from '../approval/store.ts';
import { Change, type WatchRequest, type WatchResponse } from '../gen/countersign/approval/v1/approval.ts';
import type { Clock } from '../lib/clock.ts';
import { limits } from '../lib/limits.ts';
import { approvalMessage } from './approval-message.ts';

export interface Watched {
  readonly store: ApprovalStore;
  readonly clock: Clock;
  /** Null: all that `accepts` lets through. */
  readonly id: string | null;
  readonly accepts: (approval: Approval) => boolean;
  /** Ends the watch: the client is gone, the server drains, the time is over. */
  readonly signal: AbortSignal;
  /** How often everything is read again although no hint came. */
  readonly pollMs: number;
}

/**
 * Sends what matches now and then each change of it, in the pace of the client: changes that come while it is slow are
 * remembered by id only, and when even these are too many, everything is read again. Resolves when `signal` ends it.
 */
export async function watchApprovals(
  call: ServerWritableStream<WatchRequest, WatchResponse>,
  watched: Watched,
): Promise<void> {
  const { store, clock, id, accepts, signal, pollMs } = watched;
  const changed = createChanges(id);
  const stop = store.subscribe(changed.hear);
  const sent = new Map<string, number>();

  const send = async (approval: Approval, change: Change): Promise<void> => {
    if (!accepts(approval) || sent.get(approval.id) === approval.version) return;
    // Forgetting costs a repetition, never a change.
    if (sent.size >= limits.approvalWatchQueueMax) sent.clear();
    sent.set(approval.id, approval.version);
    if (!call.write({ change, approval: approvalMessage(approval, clock.nowMs()), resumeToken: '' }))
      await drained(call, signal);
  };
  const sendAll = async (change: Change): Promise<void> => {
    if (id !== null) {
      const approval = await store.get(id);
      if (approval !== null) await send(approval, change);
      return;
    }
    for (const state of ['pending', 'approved'] as const) {
      let after: string | null = null;
      do {
        const page = await store.list({ state, accepts, pageSize: limits.approvalPageMax, after });
        for (const approval of page.approvals) await send(approval, change);
        after = page.next;
      } while (after !== null && !signal.aborted);
    }
  };

  try {
    await sendAll(Change.CHANGE_CURRENT);
    while (!signal.aborted) {
      const next = await changed.next(pollMs, signal);
      if (next === 'all') {
        // What was final before a gap is not among the open ones any more: ask for what was sent, too.
        for (const known of [...sent.keys()]) await sendOne(known);
        await sendAll(Change.CHANGE_UPDATED);
      } else for (const one of next) await sendOne(one);
    }
  } finally {
    stop();
  }

  async function sendOne(one: string): Promise<void> {
    if (signal.aborted) return;
    const approval = await store.get(one);
    if (approval !== null) await send(approval, Change.CHANGE_UPDATED);
  }
}

interface Changes {
  readonly hear: Parameters<ApprovalStore['subscribe']>[0];
  /** The ids that changed since the last call, as soon as there is one; `all` when they were too many or the poll is due. */
  next(ms: number, signal: AbortSignal): Promise<readonly string[] | 'all'>;
}

function createChanges(only: string | null): Changes {
  const ids = new Set<string>();
  let isGap = false;
  let wake: () => void = () => {};
  return {
    hear: (hint) => {
      if (hint.kind === 'resync' || ids.size >= limits.approvalWatchQueueMax) isGap = true;
      else if (only === null || hint.id === only) ids.add(hint.id);
      else return;
      wake();
    },
    next: async (ms, signal) => {
      let isPoll = false;
      if (ids.size === 0 && !isGap && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(() => {
            isPoll = true;
            wake();
          }, ms);
          wake = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          signal.addEventListener('abort', wake, { once: true });
        });
        wake = () => {};
      }
      const changed = [...ids];
      ids.clear();
      if (!isGap && !isPoll) return changed;
      isGap = false;
      return 'all';
    },
  };
}

async function drained(call: ServerWritableStream<WatchRequest, WatchResponse>, signal: AbortSignal): Promise<void> {
  // An abort ends the waiting, too; the caller looks at the signal.
  if (!signal.aborted) await once(call, 'drain', { signal }).catch(() => undefined);
}
