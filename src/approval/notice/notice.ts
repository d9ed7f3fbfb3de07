import type { Approval } from '../approval.ts';
import { isForced } from '../state-machine.ts';

export const noticeEvents = ['created', 'decided', 'expired', 'revoked', 'cancelled', 'break_glass'] as const;

/** What people are told of. A consumption and a seat of a quorum that is filled are no news. */
export type NoticeEvent = (typeof noticeEvents)[number];

/** What a requester is told of unless it is said otherwise: what its own calls and withdrawals have not told it already. */
export const requesterEvents: readonly NoticeEvent[] = ['decided', 'break_glass', 'expired', 'revoked'];

/** Something that happened to an approval. */
export interface Notice {
  /** The same for the same transition, however often and by whichever replica it is told: receivers drop what they have seen. */
  readonly id: string;
  readonly event: NoticeEvent;
  readonly atMs: number;
  /** When it is no news any more, and is not sent. */
  readonly untilMs: number;
  readonly approval: Approval;
}

/** News about a decision is worth this much time; what asks for one, as long as one can be made. */
export const newsMs: number = 24 * 3_600_000;

/** The notice about a transition; null when it is none that people are told of. */
export function noticeOf(approval: Approval, before: Approval | null, nowMs: number): Notice | null {
  const event = eventOf(approval, before);
  if (event === null) return null;
  const untilMs = event === 'created' ? approval.pendingUntilMs : nowMs + newsMs;
  // No full stop in it: a signature is over `id.timestamp.body`.
  return { id: `msg_${approval.id}_${approval.version}`, event, atMs: nowMs, untilMs, approval };
}

function eventOf(approval: Approval, before: Approval | null): NoticeEvent | null {
  if (before === null) return 'created';
  if (approval.state === before.state) return null;
  switch (approval.state) {
    case 'approved':
      return isForced(approval) ? 'break_glass' : 'decided';
    case 'rejected':
      return 'decided';
    case 'expired':
    case 'revoked':
    case 'cancelled':
      return approval.state;
    case 'pending':
    case 'consumed':
      return null;
  }
}
