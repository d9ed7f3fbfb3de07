import type { PartialAnswer } from '../audit/entry.ts';
import type { Scan } from '../detect/finding.ts';
import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import { createAnswerWatch } from '../llm/answer-facts.ts';
import { isKnownEncoding } from '../llm/content-encoding.ts';
import { type Conversation, emptyConversation } from '../llm/conversation.ts';
import { createMinter } from '../mask/placeholder.ts';
import { compilePlan } from '../mask/plan.ts';
import type { Restorer } from '../mask/restorables.ts';
import type { FindingCount } from '../mask/tally.ts';
import type { Decision, PolicyInput } from '../policy/decision.ts';
import { buildPolicyInput } from '../policy/input.ts';
import { type AnswerBody, createAnswerBody, type Released } from './answer-body.ts';
import { createCapture } from './capture.ts';
import type { JudgedExchange } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { AbortCause, HeaderChanges, Reply, ResponseEnd, ResponseHead, ResponsePhase } from './exchange.ts';
import { type AnswerRelease, createHeldAnswer, type HeldAnswer } from './held-answer.ts';
import { outcomeEntry, subjectMember } from './records.ts';
import { denied, faultRefusal, type Refusal, replyOf } from './replies.ts';
import { placeholderScope } from './session.ts';

/** The response phase as the exchange keeps it: it can also be cut off, and records that. */
export interface RecordedResponse extends ResponsePhase {
  recordCut(why: AbortCause): Promise<void>;
}

const nothing: Buffer = Buffer.alloc(0);

/**
 * The response half of an exchange. One decision when the headers of the answer are known (its masking plan governs text that has not
 * arrived yet); then the body as it flows, or whole where only the whole can be judged or where policy holds it; then the
 * durable outcome, and only after it the last byte. Never throws here: what goes wrong becomes a refusal.
 */
export function createResponsePhase(
  deps: ExchangeDeps,
  judged: JudgedExchange,
  head: ResponseHead,
  onEnd: () => void,
): RecordedResponse {
  const opened = deps.clock.monoNs();
  const contentType = head.headers.get('content-type') ?? '';
  const capture = createCapture(judged.decision.capture);
  const watch = createAnswerWatch();
  let decision: Decision | null = null;
  let body: AnswerBody | null = null;
  let restorer: Restorer | null = null;
  let refusal: Refusal | null = null;
  let held: HeldAnswer | null = null;
  const gone = new AbortController();
  let firstByteNs: bigint | null = null;
  let bytesReceived = 0;
  let bytesReleased = 0;
  let isRecorded = false;

  try {
    const asked = deps.clock.monoNs();
    decision = judged.policy.evaluate(policyInput(deps, judged, head, null));
    deps.metrics.latency('policy', Number(deps.clock.monoNs() - asked) / 1e9);
    if (decision.action === 'hold') body = held = heldAnswer();
    else if (decision.action === 'allow') {
      restorer = judged.restorables?.forAnswer(decision.redact) ?? null;
      body = answerRelease(deps, judged, head, decision, restorer).body;
    } else refusal = denied(decision);
  } catch (thrown) {
    refusal = failed(thrown);
  }
  // What is held until it is whole needs no such care: nothing of it is with the caller before its outcome is durable.
  const partial = body === null || body.mode === 'whole' ? null : partialAnswer(deps, judged, contentType);
  if (partial !== null) capture.follow(partial);

  /** Policy wants to see the answer whole, or people to. */
  function heldAnswer(): HeldAnswer {
    return createHeldAnswer(deps, judged, head, {
      bodyBytesMax: bodyBytesMax(deps),
      decide: async (conversation, scans) =>
        judged.policy.decide(policyInput(deps, judged, head, { conversation, scans })),
      release: (final) => answerRelease(deps, judged, head, final, judged.restorables?.forAnswer(final.redact) ?? null),
      signal: gone.signal,
    });
  }

  function failed(thrown: unknown): Refusal {
    const fault = Fault.from(thrown);
    deps.metrics.failure(fault.code);
    deps.metrics.decision('response', 'fault');
    deps.log.error('response failed closed', {
      exchange: judged.id,
      code: fault.code,
      reason: fault.message,
    });
    return faultRefusal(fault);
  }

  /** Refuses what follows: the first reason stays. */
  function refuse(thrown: unknown): Refusal {
    refusal ??= failed(thrown);
    return refusal;
  }

  async function record(ended: string): Promise<void> {
    if (isRecorded) return;
    isRecorded = true;
    onEnd();
    const found = body?.counts() ?? [];
    const final = held?.judged();
    const { output, released, isTruncated } = capture.taken();
    await deps.audit
      .append(
        outcomeEntry(deps, {
          context: judged,
          session: judged.session,
          ended,
          code: refusal?.code ?? null,
          status: head.status,
          contentType,
          contentEncoding: knownEncoding(head),
          policyRevision: judged.policy.revision,
          decision: final?.decision ?? decision,
          approval: final?.approval ?? null,
          found,
          restored: (final?.restorer ?? restorer)?.counts() ?? [],
          uninspected: body?.uninspected() ?? [],
          omitted: body?.omitted() ?? [],
          answer: firstByteNs === null ? null : watch.facts(),
          firstByteNs,
          forwardedNs: judged.forwardedNs,
          bytesReceived,
          bytesReleased,
          output,
          released,
          outputTruncated: isTruncated,
        }),
      )
      .catch((thrown: unknown) => {
        partial?.end(false);
        throw thrown;
      });
    partial?.end(true);
    count(deps, found);
  }

  function reply(): Reply | null {
    return refusal ? replyOf(refusal, judged.dialect, judged.id) : null;
  }

  function release(piece: Released): Buffer {
    bytesReleased += piece.wire.length;
    capture.release(piece);
    watch.push(piece.masked);
    return piece.wire;
  }

  return {
    mode: refusal || !body ? 'reply' : body.mode,
    headers: refusal || !body ? noChanges(judged) : body.headers,
    reply: reply(),
    push: (piece, isLast = false) => {
      firstByteNs ??= deps.clock.nowNs();
      bytesReceived += piece.length;
      invariant(body && !refusal, 'a refused answer takes no body');
      capture.receive(piece);
      return release(body.push(piece, isLast));
    },
    finish: async (): Promise<ResponseEnd> => {
      let tail: Buffer = nothing;
      if (body && !refusal) {
        const rest = await body.finish();
        if (rest.ok) tail = release(rest.value);
        else refusal = rest.error;
      }
      const wasHeld = held?.judged()?.decision.action === 'hold';
      deps.metrics.decision('response', wasHeld ? 'hold' : refusal ? 'deny' : 'allow');
      await record(refusal ? 'refused' : 'complete');
      deps.metrics.latency('response', Number(deps.clock.monoNs() - opened) / 1e9);
      return {
        tail,
        headers: body?.headers ?? noChanges(judged),
        reply: reply(),
      };
    },
    failureTail: (fault) => {
      const { dialect } = judged;
      if (body?.mode !== 'stream' || body.framing === null || body.framing === 'text') return null;
      const proven = release(body.proven());
      const place = { framing: body.framing, isFirst: bytesReleased === 0 };
      const last = dialect.errorEvent({ ...refuse(fault), exchange: judged.id }, place);
      return Buffer.concat([proven, body.breakOff(last)]);
    },
    failureReply: (fault) => replyOf(refuse(fault), judged.dialect, judged.id),
    recordCut: (why) => {
      gone.abort();
      return record(refusal ? 'fault' : why);
    },
  };
}

/** As far as it can be taken off again: what the header says is the provider's, and no text of its own goes on record. */
function knownEncoding(head: ResponseHead): string | null {
  const encoding = head.headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  return encoding !== '' && encoding !== 'identity' && isKnownEncoding(encoding) ? encoding : null;
}

function partialAnswer(deps: ExchangeDeps, judged: JudgedExchange, contentType: string): PartialAnswer | null {
  const { id: exchange, session, subject } = judged;
  const mediaType = contentType || 'application/octet-stream';
  return deps.audit.partial?.({ exchange, session, mediaType, ...subjectMember(deps, subject) }) ?? null;
}

/** `arrived`: the answer's text, once it is there; what the request was stays known before. */
function policyInput(
  deps: ExchangeDeps,
  judged: JudgedExchange,
  head: ResponseHead,
  arrived: { readonly conversation: Conversation; readonly scans: readonly Scan[] } | null,
): PolicyInput {
  return buildPolicyInput({
    phase: 'response',
    exchange: {
      id: judged.id,
      session: judged.session,
      receivedNs: judged.receivedNs,
    },
    subject: judged.subject,
    head: judged.head,
    policyHeaders: deps.settings.policyHeaders,
    conversation: arrived?.conversation ?? { ...emptyConversation, ...about(judged) },
    scans: arrived?.scans ?? [],
    status: head.status,
    isComplete: arrived !== null,
  });
}

function about(judged: JudgedExchange): Pick<typeof emptyConversation, 'dialect' | 'operation' | 'model' | 'stream'> {
  const { dialect, operation, model, stream } = judged.conversation;
  return { dialect, operation, model, stream };
}

function answerRelease(
  deps: ExchangeDeps,
  judged: JudgedExchange,
  head: ResponseHead,
  decision: Decision,
  restorer: Restorer | null,
): AnswerRelease {
  const scope = placeholderScope(deps.settings.maskingScope, judged.subject, judged.session, judged.id);
  const { key, others } = deps.keys.placeholder.of(judged.subject.tenant, scope, []);
  const minter = createMinter({
    key,
    otherKeys: others,
    scope,
    entities: deps.entities,
    ...(restorer ? { isKept: restorer.knows } : {}),
  });
  const body = createAnswerBody({
    route: judged.route,
    head,
    dialect: judged.dialect,
    detector: deps.detector,
    plan: compilePlan(decision.redact, decision.omit),
    minter,
    restorer,
    recoding: deps.settings.encoding.answers,
    bodyBytesMax: bodyBytesMax(deps),
    exchangeId: judged.id,
    onHeldBack: deps.metrics.streamHoldBack,
  });
  return { body, restorer, minter };
}

function bodyBytesMax(deps: ExchangeDeps): number {
  return Math.min(deps.settings.bodyBytesMax, limits.bodyBytesMax);
}

function noChanges(judged: JudgedExchange): HeaderChanges {
  return { set: new Map([['x-countersign-exchange', judged.id]]), remove: [] };
}

function count(deps: ExchangeDeps, found: readonly FindingCount[]): void {
  for (const { entity, method, count } of found) {
    deps.metrics.findings('response', entity, count);
    if (method !== null) deps.metrics.masked('response', method, count);
  }
}
