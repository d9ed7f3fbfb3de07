import type { Approval } from '../approval/approval.ts';
import type { Scan } from '../detect/finding.ts';
import { err, type Result } from '../lib/result.ts';
import { inSlices, type Sliced } from '../lib/slices.ts';
import { type Conversation, emptyConversation } from '../llm/conversation.ts';
import type { Minter } from '../mask/placeholder.ts';
import type { Restorer } from '../mask/restorables.ts';
import type { Decision } from '../policy/decision.ts';
import type { AnswerBody, Released } from './answer-body.ts';
import type { JudgedExchange } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { ResponseHead } from './exchange.ts';
import { awaitAnswerApproval } from './hold.ts';
import { inspect } from './inspect.ts';
import { readAnswer } from './read-answer.ts';
import { denied, type Refusal, unreadableResponse } from './replies.ts';

/** How an answer goes out once it may: by the plan of the decision on its text. */
export interface AnswerRelease {
  readonly body: AnswerBody;
  readonly restorer: Restorer | null;
  readonly minter: Minter;
}

export interface HeldAnswerOptions {
  readonly bodyBytesMax: number;
  /** Asks policy once more, now with the answer's text. */
  readonly decide: (conversation: Conversation, scans: readonly Scan[]) => Promise<Decision>;
  readonly release: (decision: Decision) => AnswerRelease;
  /** The client is gone: ends the wait, never the record. */
  readonly signal: AbortSignal;
}

/** To the phase a body like any other, of mode `whole`. */
export interface HeldAnswer extends AnswerBody {
  /** What the record needs; null before it came to that. */
  judged(): {
    readonly decision: Decision;
    readonly restorer: Restorer | null;
    readonly approval: Approval | null;
  } | null;
}

const empty = Buffer.alloc(0);
const nothing: Released = { wire: empty, bytes: empty, masked: empty };

/**
 * An answer that policy wants held: kept back whole, whatever it is, read, and judged once more by what it says. Then it is
 * released, refused, or waits for people. The only way out is the call that it came by: it is kept in memory for as long as
 * that waits, and nowhere else.
 */
export function createHeldAnswer(
  deps: ExchangeDeps,
  exchange: JudgedExchange,
  head: ResponseHead,
  options: HeldAnswerOptions,
): HeldAnswer {
  const openedNs = deps.clock.monoNs();
  const pieces: Buffer[] = [];
  let bytes = 0;
  let uninspected: readonly string[] = [];
  let judged: ReturnType<HeldAnswer['judged']> = null;
  let out: AnswerBody | null = null;

  async function judge(body: Buffer): Promise<Result<Released, Refusal>> {
    const read = await readAnswer(exchange.route, head, exchange.dialect, body, options.bodyBytesMax);
    if (!read.ok) return err(unreadableResponse(read.error));
    const { plain, texts } = read.value;
    uninspected = texts.uninspected.map((part) => part.kind);
    const { dialect, operation, model, stream } = exchange.conversation;
    const conversation = { ...emptyConversation, dialect, operation, model, stream, ...texts };
    const scans = await inspect(deps.detector, conversation.segments);
    const decision = await options.decide(conversation, scans);
    judged = { decision, restorer: null, approval: null };
    if (decision.action === 'deny') return err(denied(decision));
    const release = options.release(decision);
    if (decision.action === 'hold') {
      const elapsedMs = Number(deps.clock.monoNs() - openedNs) / 1e6;
      const answer = { conversation, scans, plain, elapsedMs };
      const approved = await awaitAnswerApproval(deps, exchange, answer, decision, release.minter, options.signal);
      judged = { ...judged, approval: approved.ok ? approved.value : approved.error.approval };
      if (!approved.ok) return err(approved.error.refusal);
    }
    judged = { ...judged, restorer: release.restorer };
    out = release.body;
    return releaseAll(release.body, body);
  }

  return {
    mode: 'whole',
    framing: null,
    get headers() {
      return out?.headers ?? { set: new Map([['x-countersign-exchange', exchange.id]]), remove: [] };
    },
    push: (piece) => {
      bytes += piece.length;
      if (bytes <= options.bodyBytesMax) pieces.push(piece);
      return nothing;
    },
    finish: async () => {
      if (bytes <= options.bodyBytesMax) return judge(Buffer.concat(pieces.splice(0), bytes));
      const message = `it is larger than ${options.bodyBytesMax} bytes.`;
      return err(unreadableResponse({ kind: 'body_too_large', message }));
    },
    proven: () => nothing,
    breakOff: (last) => last,
    counts: () => out?.counts() ?? [],
    uninspected: () => out?.uninspected() ?? uninspected,
    omitted: () => out?.omitted() ?? [],
    judged: () => judged,
  };
}

/** The same bytes that would have flowed, in one piece. */
async function releaseAll(out: AnswerBody, body: Buffer): Promise<Result<Released, Refusal>> {
  const pieces = await inSlices(pushInTurns(out, body));
  const rest = await out.finish();
  if (!rest.ok) return rest;
  pieces.push(rest.value);
  const join = (part: keyof Released) => Buffer.concat(pieces.map((piece) => piece[part]));
  return { ok: true, value: { wire: join('wire'), bytes: join('bytes'), masked: join('masked') } };
}

/** Bytes that are masked between two turns. */
const turnBytes = 16_384;

function* pushInTurns(out: AnswerBody, body: Buffer): Sliced<Released[]> {
  const pieces: Released[] = [];
  for (let at = 0; at < body.length; at += turnBytes) {
    if (at > 0) yield;
    pieces.push(out.push(body.subarray(at, at + turnBytes)));
  }
  return pieces;
}
