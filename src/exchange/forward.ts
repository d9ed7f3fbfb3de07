import type { Subject } from '../identity/subject.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Conversation } from '../llm/conversation.ts';
import type { Restorables } from '../mask/restorables.ts';
import type { Decision, PinnedPolicy } from '../policy/decision.ts';
import type { JudgedExchange } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { HeaderChanges, RequestPhaseOptions, RequestVerdict } from './exchange.ts';
import { sealHandover } from './handover.ts';
import { openExchange } from './open-exchange.ts';
import type { RequestFacts } from './records.ts';

/** The verdict that lets an exchange go on; its record is durable by now. */
export function forward(
  deps: ExchangeDeps,
  facts: RequestFacts,
  subject: Subject,
  conversation: Conversation,
  policy: PinnedPolicy,
  decision: Decision,
  restorables: Restorables | null,
  options: RequestPhaseOptions,
): RequestVerdict {
  const judged: JudgedExchange = {
    ...facts.context,
    subject,
    session: facts.session,
    conversation,
    policy,
    decision,
    restorables,
    forwardedNs: deps.clock.nowNs(),
  };
  return {
    kind: 'forward',
    body: facts.sent,
    headers: requestHeaderChanges(deps, facts),
    exchange: openExchange(deps, judged, options.canRewrite),
    handover: options.canRewrite ? {} : handoverOf(deps, facts, subject, conversation, policy, decision),
  };
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
    subject: { ...subject },
    policyRevision: policy.revision,
    capture,
    asked: { dialect, operation, model, stream },
    decidedAtMs: deps.clock.nowMs(),
  });
}

/** What never goes upstream: the identity token, our own headers, encodings that we could not read in the answer, stale digests. */
function requestHeaderChanges(deps: ExchangeDeps, facts: RequestFacts): HeaderChanges {
  const { headers } = facts.context.head;
  const remove = ['accept-encoding', 'x-countersign-reason'].filter((name) => headers.has(name));
  if (!deps.settings.forwardToken && headers.has(deps.settings.tokenHeader.header))
    remove.push(deps.settings.tokenHeader.header);
  if (facts.sent)
    remove.push(...['content-encoding', 'content-md5', 'digest', 'content-digest'].filter((name) => headers.has(name)));
  return { set: new Map(), remove };
}
