import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalStore } from '../approval/store.ts';
import {
  type Approval as ApprovalMessage,
  Change,
  type WatchRequest,
  type WatchResponse,
} from '../gen/countersign/approval/v1/approval.ts';
import { limits } from '../lib/limits.ts';

export interface Watched {
  readonly store: ApprovalStore;
  /** What the watcher reads of an approval. */
  readonly shown: (approval: Approval) => ApprovalMessage;
  /** Null: all that `accepts` lets through. */
  readonly id: string | null;
  readonly accepts: (approval: Approval) => boolean;
  /** Where a watch before ended; anything that is no position of this store: from the beginning. */
  readonly resumeToken: string;
  /** Ends the watch: the client is gone, the server drains, the time is over. */
  readonly signal: AbortSignal;
  /** How often changes are looked for although no hint came. */
  readonly pollMs: number;
}

/**
 * Sends what matches now (or, resumed, nothing of it), then each change of it in the order of the store's positions, in the
 * pace of the client. A position is remembered, not a queue: a slow client or a lost hint delays, and whoever comes back
 * with a token is sent what it missed. Resolves when `signal` ends it.
 */
export async function watchApprovals(
  call: ServerWritableStream<WatchRequest, WatchResponse>,
  watched: Watched,
): Promise<void> {
  const { store, shown, id, accepts, signal, pollMs } = watched;
  const bell = createBell(store, id, signal);

  const send = async (change: Change, approval: Approval | undefined, resumeToken: string): Promise<void> => {
    const message = approval === undefined ? undefined : shown(approval);
    if (!call.write({ change, approval: message, resumeToken })) await drained(call, signal);
  };
  const sendIfAccepted = async (change: Change, approval: Approval | null, resumeToken: string): Promise<void> => {
    if (approval !== null && accepts(approval)) await send(change, approval, resumeToken);
  };
  const sendCurrent = async (): Promise<void> => {
    if (id !== null) return sendIfAccepted(Change.CHANGE_CURRENT, await store.get(id), '');
    for (const state of ['pending', 'approved'] as const) {
      let after: string | null = null;
      do {
        const page = await store.list({ state, accepts, pageSize: limits.approvalPageMax, after });
        for (const approval of page.approvals) await send(Change.CHANGE_CURRENT, approval, '');
        after = page.next;
      } while (after !== null && !signal.aborted);
    }
  };

  try {
    const last = await store.lastChange();
    const resumed = positionOf(watched.resumeToken);
    // A position that is yet to come is of a store that has lost its data since.
    const isResumed = resumed !== null && resumed <= last;
    let position = isResumed ? resumed : last;
    if (!isResumed) await sendCurrent();
    let isSynced = false;
    while (!signal.aborted) {
      const changes = await store.changes(position, limits.approvalWatchQueueMax);
      for (const { id: changed, at } of changes) {
        if (signal.aborted) return;
        if (id === null || id === changed) {
          await sendIfAccepted(Change.CHANGE_UPDATED, await store.get(changed), tokenOf(at));
        }
        position = at;
      }
      if (changes.length > 0) continue;
      if (!isSynced) await send(Change.CHANGE_SYNCED, undefined, tokenOf(position));
      isSynced = true;
      await bell.rung(pollMs);
    }
  } finally {
    bell.close();
  }
}

function tokenOf(position: number): string {
  return `p${position}`;
}

function positionOf(token: string): number | null {
  const digits = /^p(\d{1,16})$/.exec(token)?.[1];
  return digits === undefined ? null : Number(digits);
}

interface Bell {
  /** Resolves at a hint, after `ms`, or at the end of the watch; at once when a hint came since the last call. */
  rung(ms: number): Promise<void>;
  close(): void;
}

function createBell(store: ApprovalStore, only: string | null, signal: AbortSignal): Bell {
  let isRung = false;
  let wake: () => void = () => {};
  const ring = () => {
    isRung = true;
    wake();
  };
  const stop = store.subscribe((hint) => {
    if (hint.kind === 'resync' || only === null || hint.id === only) ring();
  });
  signal.addEventListener('abort', ring, { once: true });
  return {
    rung: async (ms) => {
      if (!isRung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      isRung = false;
      wake = () => {};
    },
    close: () => {
      stop();
      signal.removeEventListener('abort', ring);
    },
  };
}

async function drained(call: ServerWritableStream<WatchRequest, WatchResponse>, signal: AbortSignal): Promise<void> {
  // An abort ends the waiting, too; the caller looks at the signal.
  if (!signal.aborted) await once(call, 'drain', { signal }).catch(() => undefined);
}
