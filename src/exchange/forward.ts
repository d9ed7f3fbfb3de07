import { type Subject, withoutEmail } from '../identity/subject.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { JsonObject } from '../lib/json.ts';
import { encodeBody } from '../llm/content-encoder.ts';
import type { Conversation } from '../llm/conversation.ts';
import type { Restorables } from '../mask/restorables.ts';
import type { Decision, PinnedPolicy } from '../policy/decision.ts';
import type { JudgedExchange } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestPhaseOptions, RequestVerdict } from './exchange.ts';
import { sealHandover } from './handover.ts';
import { openExchange } from './open-exchange.ts';
import type { RequestFacts } from './records.ts';
import { upstreamHeaders } from './upstream-headers.ts';

/** The verdict that lets an exchange go on; its record is durable by now. */
export async function forward(
  deps: ExchangeDeps,
  facts: RequestFacts,
  subject: Subject,
  conversation: Conversation,
  policy: PinnedPolicy,
  decision: Decision,
  restorables: Restorables | null,
  options: RequestPhaseOptions,
): Promise<RequestVerdict> {
  // The spread comes last: what is added behind one costs two microseconds a member (V8).
  const judged: JudgedExchange = {
    subject,
    session: facts.session,
    conversation,
    policy,
    decision,
    restorables,
    forwardedNs: deps.clock.nowNs(),
    ...facts.context,
  };
  return {
    kind: 'forward',
    body: facts.sent && (await encoded(deps, facts, facts.sent)),
    headers: upstreamHeaders(deps.settings, facts.context.head.headers, facts.sent !== null),
    exchange: openExchange(deps, judged, options.isFollowed ?? options.canRewrite),
    handover: options.canRewrite ? {} : handoverOf(deps, facts, subject, conversation, policy, decision),
  };
}

function encoded(deps: ExchangeDeps, facts: RequestFacts, body: Buffer): Promise<Buffer> | Buffer {
  const encoding = facts.context.route.header('content-encoding');
  return deps.settings.encoding.requests === 'same' ? encodeBody(body, encoding) : body;
}

function handoverOf(
  deps: ExchangeDeps,
  facts: RequestFacts,
  subject: Subject,
  { dialect, operation, model, stream }: Conversation,
  policy: PinnedPolicy,
  { capture }: Decision,
): JsonObject {
  return sealHandover(deps.keys.handover, {
    exchangeId: facts.context.id,
    session: facts.session,
    bodyDigest: sha256Hex(facts.original ?? Buffer.alloc(0)),
    subject: { ...withoutEmail(subject) },
    policyRevision: policy.revision,
    capture,
    asked: { dialect, operation, model, stream },
    decidedAtMs: deps.clock.nowMs(),
  });
}
