import type { Subject } from '../identity/subject.ts';
import type { Fault } from '../lib/fault.ts';
import { inSlices } from '../lib/slices.ts';
import { type Conversation, emptyConversation } from '../llm/conversation.ts';
import { maskBody } from '../mask/mask-body.ts';
import { createMinter, type Minter } from '../mask/placeholder.ts';
import { compilePlan } from '../mask/plan.ts';
import { createRestorables, type Restorables } from '../mask/restorables.ts';
import type { Decision, PinnedPolicy } from '../policy/decision.ts';
import { buildPolicyInput } from '../policy/input.ts';
import { authenticate } from './authenticate.ts';
import { type ExchangeContext, openContext } from './context.ts';
import { depsOfNow, type ExchangeDeps, type ServiceDeps } from './deps.ts';
import type { RequestHead, RequestPhaseOptions, RequestVerdict } from './exchange.ts';
import { forward } from './forward.ts';
import { continueHandedOver } from './handed-over.ts';
import { awaitApproval } from './hold.ts';
import { inspect } from './inspect.ts';
import { readRequest } from './read-request.ts';
import { recognise } from './recognise.ts';
import { intentEntry, nothingKnown, type RequestFacts } from './records.ts';
import { count, failClosed, refuse } from './refuse.ts';
import { denied, maskingNotPossible, signedText, unauthenticated, unreadableRequest } from './replies.ts';
import { placeholderScope, sessionOf } from './session.ts';

/**
 * The request half of an exchange: who asks, what is said, what is sensitive in it, what policy decides, whether a human must agree,
 * what is masked; then the durable record; and only then the verdict. Every way out is recorded, faults included.
 */
export async function requestPhase(
  service: ServiceDeps,
  head: RequestHead,
  body: Buffer | null,
  options: RequestPhaseOptions,
  signal: AbortSignal,
): Promise<RequestVerdict> {
  let deps = depsOfNow(service);
  const started = deps.clock.monoNs();
  const context = openContext(deps, head, deps.newId());
  let facts: RequestFacts = nothingKnown(context, body);
  try {
    if (options.handover) return await continueHandedOver(deps, context, body, options.handover);

    const subject = await authenticate(deps, head, signal);
    if (!subject.ok) return await refuse(deps, facts, unauthenticated(subject.error));
    facts = { ...facts, subject: subject.value };

    const read = await readRequest(deps.settings.bodyBytesMax, context, body);
    if (!read.ok) return await refuse(deps, facts, unreadableRequest(read.error));
    const { parsed, plain } = read.value;
    const said = parsed?.conversation ?? withoutBody(context, options);
    const session = sessionOf(head, deps.settings.sessionHeader, said, context.id);
    facts = { ...facts, conversation: said, session, original: plain };

    const policy = service.pdp.current();
    deps = depsOfNow(service);

    const inspecting = deps.clock.monoNs();
    const scanned = await inspect(deps.detector, said.segments);
    const { conversation, scans, failure } = await recognise(deps.recognition, said, scanned, signal);
    if (failure) tellOfGap(deps, context, failure);
    deps.metrics.latency('detect', Number(deps.clock.monoNs() - inspecting) / 1e9);
    facts = { ...facts, conversation, scans };

    const decision = await decide(deps, policy, facts, subject.value);
    facts = { ...facts, policyRevision: policy.revision, decision };
    if (decision.action === 'deny') return await refuse(deps, facts, denied(decision));

    const restorables = decision.restore.length > 0 ? createRestorables(decision.restore) : null;
    const texts = conversation.segments.map(({ text }) => text);
    const minter = minterOf(deps, subject.value, session, context.id, texts, restorables);
    const plan = compilePlan(decision.redact, decision.omit);
    const masked = parsed ? await inSlices(maskBody(parsed, scans, 'input', plan, minter)) : null;
    facts = {
      ...facts,
      masked: masked?.counts ?? [],
      omitted: masked?.omitted ?? [],
      sent: masked?.isTouched ? masked.body : null,
    };
    if (masked && masked.sealedFindings > 0) return await refuse(deps, facts, signedText());
    if (masked?.isTouched && !options.canRewrite) return await refuse(deps, facts, maskingNotPossible());

    if (decision.action === 'hold') {
      const approval = await awaitApproval(deps, facts, policy, decision, minter, options.askForTime, signal);
      if (!approval.ok)
        return await refuse(deps, { ...facts, approval: approval.error.approval }, approval.error.refusal);
      facts = { ...facts, approval: approval.value };
    }

    await deps.audit.append(intentEntry(deps, facts, options));
    count(deps, facts, decision.action);
    return await forward(deps, facts, subject.value, conversation, policy, decision, restorables, options);
  } catch (thrown) {
    return await failClosed(deps, facts, thrown);
  } finally {
    deps.metrics.latency(options.canRewrite ? 'request' : 'check', Number(deps.clock.monoNs() - started) / 1e9);
  }
}

/** Nothing to read: because there is nothing, or because the gateway does not show it, which policy must know. */
function withoutBody(context: ExchangeContext, { isBodyWithheld }: RequestPhaseOptions): Conversation {
  if (!isBodyWithheld) return emptyConversation;
  return { ...emptyConversation, dialect: context.dialect.id, uninspected: [{ pointer: '', kind: 'body' }] };
}

/** Policy lets the exchange go on without the recogniser's word; whoever runs it should know. */
function tellOfGap({ metrics, log }: ExchangeDeps, { id }: ExchangeContext, { code, message }: Fault): void {
  metrics.failure(code);
  log.warn('went on without the external recogniser', { exchange: id, code, reason: message });
}

async function decide(
  deps: ExchangeDeps,
  policy: PinnedPolicy,
  facts: RequestFacts,
  subject: Subject,
): Promise<Decision> {
  const started = deps.clock.monoNs();
  const { context, conversation, scans } = facts;
  const decision = await policy.decide(
    buildPolicyInput({
      phase: 'request',
      exchange: {
        id: context.id,
        session: facts.session,
        receivedNs: context.receivedNs,
      },
      subject,
      head: context.head,
      policyHeaders: deps.settings.policyHeaders,
      conversation: conversation ?? emptyConversation,
      scans,
      status: null,
    }),
  );
  deps.metrics.latency('policy', Number(deps.clock.monoNs() - started) / 1e9);
  return decision;
}

function minterOf(
  deps: ExchangeDeps,
  subject: Subject,
  session: string,
  exchangeId: string,
  texts: readonly string[],
  restorables: Restorables | null,
): Minter {
  const scope = placeholderScope(deps.settings.maskingScope, subject, session, exchangeId);
  const { key, others } = deps.keys.placeholder.of(subject.tenant, scope, texts);
  return createMinter({
    key,
    otherKeys: others,
    scope,
    entities: deps.entities,
    ...(restorables ? { onReversible: restorables.add } : {}),
  });
}
