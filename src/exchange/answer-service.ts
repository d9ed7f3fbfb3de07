import { emptyConversation } from '../llm/conversation.ts';
import { buildPolicyInput } from '../policy/input.ts';
import { authenticate } from './authenticate.ts';
import { openContext } from './context.ts';
import { depsOfNow, type ServiceDeps } from './deps.ts';
import type { OpenExchange, RequestHead, ResponseHead, ResponsePhase } from './exchange.ts';
import { openExchange } from './open-exchange.ts';
import { intentEntry, nothingKnown, type RequestFacts } from './records.ts';
import { failClosed, type Refused, refuse } from './refuse.ts';
import { unauthenticated } from './replies.ts';
import { sessionOf } from './session.ts';

/** What becomes of the answer. */
export type AnswerVerdict =
  /** `body` null: byte for byte as it came. */
  { readonly kind: 'forward'; readonly body: Buffer | null } | Refused;

/**
 * The response phase for gateways that ask about an answer in a call of its own and say nothing that would tie it to its request: an
 * exchange of its own on record, of the same session. So nothing of the request is known to it, and nothing can be put back.
 */
export interface AnswerService {
  /** `head`: of the call that asks, with the caller's token. The answer is whole. Never rejects. */
  judge(head: RequestHead, response: ResponseHead, body: Buffer, signal: AbortSignal): Promise<AnswerVerdict>;
}

export function createAnswerService(deps: ServiceDeps): AnswerService {
  return {
    judge: async (head, response, body, signal) => {
      const opened = await openAnswer(deps, head, response, signal);
      if ('kind' in opened) return opened;
      const { exchange, phase } = opened;
      // Ends the wait for people, if there is one; the record says that nobody was there any more.
      const leave = (): void => void exchange.abort('client_gone');
      signal.addEventListener('abort', leave, { once: true });
      try {
        const first = phase.mode === 'reply' ? nothing : phase.push(body, true);
        const end = await phase.finish();
        if (end.reply !== null) return { kind: 'reply', reply: end.reply };
        const out = first.length === 0 ? end.tail : Buffer.concat([first, end.tail]);
        return { kind: 'forward', body: out.equals(body) ? null : out };
      } catch (thrown) {
        const reply = phase.failureReply(thrown);
        await exchange.abort('fault');
        return { kind: 'reply', reply };
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
  };
}

const nothing: Buffer = Buffer.alloc(0);

interface OpenAnswer {
  readonly exchange: OpenExchange;
  readonly phase: ResponsePhase;
}

/** Who asks, and the record that an answer was about to be judged; or why not. */
async function openAnswer(
  service: ServiceDeps,
  head: RequestHead,
  response: ResponseHead,
  signal: AbortSignal,
): Promise<OpenAnswer | Refused> {
  let deps = depsOfNow(service);
  const context = openContext(deps, head, deps.newId());
  let facts: RequestFacts = nothingKnown(context, null);
  try {
    const subject = await authenticate(deps, head, signal);
    if (!subject.ok) return await refuse(deps, facts, unauthenticated(subject.error));
    const conversation = { ...emptyConversation, dialect: context.dialect.id, operation: 'answer' };
    const session = sessionOf(head, deps.settings.sessionHeader, conversation, context.id);
    const policy = service.pdp.current();
    deps = depsOfNow(service);
    facts = { ...facts, subject: subject.value, conversation, session, policyRevision: policy.revision };
    const decision = await policy.decide(
      buildPolicyInput({
        phase: 'response',
        exchange: { id: context.id, session, receivedNs: context.receivedNs },
        subject: subject.value,
        head,
        policyHeaders: deps.settings.policyHeaders,
        conversation,
        scans: [],
        status: response.status,
      }),
    );
    await deps.audit.append(intentEntry(deps, facts, { canRewrite: true }));
    const judged = { ...context, subject: subject.value, session, conversation, policy, restorables: null };
    const exchange = openExchange(deps, { ...judged, decision, forwardedNs: deps.clock.nowNs() }, true);
    return { exchange, phase: exchange.openResponse(response) };
  } catch (thrown) {
    return await failClosed(deps, facts, thrown);
  }
}
