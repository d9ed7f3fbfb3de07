import type { Approval, HeldRequest } from '../approval/approval.ts';
import { fingerprint } from '../approval/fingerprint.ts';
import type { Scan } from '../detect/finding.ts';
import { anonymous, type Subject } from '../identity/subject.ts';
import { tokenFromHeaders } from '../identity/token-header.ts';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { decodeBody } from '../llm/content-encoding.ts';
import { type Conversation, emptyConversation } from '../llm/conversation.ts';
import type { BodyError, ParsedBody } from '../llm/dialect.ts';
import { maskBody } from '../mask/mask-body.ts';
import { maskText } from '../mask/mask-text.ts';
import { createMinter, type Minter } from '../mask/placeholder.ts';
import { compilePlan } from '../mask/plan.ts';
import type { Decision, HoldTerms, PinnedPolicy } from '../policy/decision.ts';
import { buildPolicyInput } from '../policy/input.ts';
import { type ExchangeContext, type JudgedExchange, openContext } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { HeaderChanges, RequestHead, RequestPhaseOptions, RequestVerdict } from './exchange.ts';
import { continueHandedOver } from './handed-over.ts';
import { sealHandover } from './handover.ts';
import { inspect } from './inspect.ts';
import { openExchange } from './open-exchange.ts';
import { intentEntry, type RequestFacts, refusalEntry } from './records.ts';
import {
  denied,
  faultRefusal,
  held,
  maskingNotPossible,
  type Refusal,
  replyOf,
  signedText,
  unauthenticated,
  unreadableRequest,
} from './replies.ts';
import { placeholderScope, sessionOf } from './session.ts';

/**
 * The request half of an exchange: who asks, what is said, what is sensitive in it, what policy decides, whether a human must agree,
 * what is masked; then the durable record; and only then the verdict. Every way out is recorded, faults included.
 */
export async function requestPhase(
  deps: ExchangeDeps,
  head: RequestHead,
  body: Buffer | null,
  options: RequestPhaseOptions,
  signal: AbortSignal,
): Promise<RequestVerdict> {
  const started = deps.clock.monoNs();
  const context = openContext(deps, head, deps.newId());
  let facts: RequestFacts = nothingKnown(context, body);
  try {
    if (options.handover) return await continueHandedOver(deps, context, body, options.handover);

    const subject = await authenticate(deps, head, signal);
    if (!subject.ok) return await refuse(deps, facts, unauthenticated(subject.error));
    facts = { ...facts, subject: subject.value };

    const read = readRequest(deps, context, body);
    if (!read.ok) return await refuse(deps, facts, unreadableRequest(read.error));
    const { parsed, plain } = read.value;
    const conversation = parsed?.conversation ?? emptyConversation;
    const session = sessionOf(head, deps.settings.sessionHeader, conversation, context.id);
    facts = { ...facts, conversation, session, original: plain };

    const scans = await inspect(deps.detector, conversation.segments);
    facts = { ...facts, scans };

    const policy = deps.pdp.current();
    const decision = decide(deps, policy, facts, subject.value);
    facts = { ...facts, policyRevision: policy.revision, decision };
    if (decision.action === 'deny') return await refuse(deps, facts, denied(decision));

    const minter = minterOf(deps, subject.value, session, context.id);
    const masked = parsed ? maskBody(parsed, scans, 'input', compilePlan(decision.redact), minter) : null;
    facts = {
      ...facts,
      masked: masked?.counts ?? [],
      sent: masked?.isTouched ? masked.body : null,
    };
    if (masked && masked.sealedFindings > 0) return await refuse(deps, facts, signedText());
    if (masked?.isTouched && !options.canRewrite) return await refuse(deps, facts, maskingNotPossible());

    if (decision.action === 'hold') {
      const approval = await awaitApproval(deps, facts, policy, decision, minter, signal);
      if (!approval.ok)
        return await refuse(deps, { ...facts, approval: approval.error.approval }, approval.error.refusal);
      facts = { ...facts, approval: approval.value };
    }

    await deps.audit.append(intentEntry(deps, facts));
    count(deps, facts, decision.action);
    return forward(deps, facts, subject.value, conversation, policy, decision, options);
  } catch (thrown) {
    return await failClosed(deps, facts, thrown);
  } finally {
    deps.metrics.latency(options.canRewrite ? 'request' : 'check', Number(deps.clock.monoNs() - started) / 1e9);
  }
}

function nothingKnown(context: ExchangeContext, body: Buffer | null): RequestFacts {
  return {
    context,
    subject: null,
    session: context.id,
    conversation: null,
    scans: [],
    policyRevision: null,
    decision: null,
    masked: [],
    approval: null,
    original: body,
    sent: null,
  };
}

function authenticate(
  deps: ExchangeDeps,
  head: RequestHead,
  signal: AbortSignal,
): ReturnType<typeof deps.authenticator.authenticate> {
  return deps.authenticator.authenticate(
    {
      token: tokenFromHeaders(head.headers, deps.settings.tokenHeader),
      principal: head.source.principal,
      xfcc: head.headers.get('x-forwarded-client-cert') ?? null,
    },
    signal,
  );
}

/** The body as its dialect reads it, and its bytes without content encoding. Both null when there is no body. */
function readRequest(
  deps: ExchangeDeps,
  context: ExchangeContext,
  body: Buffer | null,
): Result<{ readonly parsed: ParsedBody | null; readonly plain: Buffer | null }, BodyError> {
  if (body === null || body.length === 0) return ok({ parsed: null, plain: body });
  if (body.length > deps.settings.bodyBytesMax) return err(tooLarge(deps));
  const decoded = decodeBody(body, context.route.header('content-encoding'));
  if (!decoded.ok) return decoded;
  if (decoded.value.length > deps.settings.bodyBytesMax) return err(tooLarge(deps));
  const parsed = context.dialect.readRequest(decoded.value, context.route);
  return parsed.ok ? ok({ parsed: parsed.value, plain: decoded.value }) : parsed;
}

function tooLarge(deps: ExchangeDeps): BodyError {
  return {
    kind: 'body_too_large',
    message: `The body is larger than ${deps.settings.bodyBytesMax} bytes.`,
  };
}

function decide(deps: ExchangeDeps, policy: PinnedPolicy, facts: RequestFacts, subject: Subject): Decision {
  const started = deps.clock.monoNs();
  const { context, conversation, scans } = facts;
  const decision = policy.evaluate(
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

function minterOf(deps: ExchangeDeps, subject: Subject, session: string, exchangeId: string): Minter {
  const scope = placeholderScope(deps.settings.maskingScope, subject, session, exchangeId);
  return createMinter({
    key: deps.keys.placeholder,
    scope,
    entities: deps.entities,
  });
}

/** Passes the gate with a grant, or says in which state the approval is instead. */
async function awaitApproval(
  deps: ExchangeDeps,
  facts: RequestFacts,
  policy: PinnedPolicy,
  decision: Decision,
  minter: Minter,
  signal: AbortSignal,
): Promise<Result<Approval, { readonly approval: Approval; readonly refusal: Refusal }>> {
  if (decision.hold === null) throw new Fault('policy_failed', 'a hold came without its terms');
  const terms = { ...decision.hold, waitS: Math.min(decision.hold.waitS, deps.settings.holdWaitMsMax / 1000) };
  const request = heldRequest(facts, policy, decision, minter);
  const outcome = await deps.gate.pass(digestOf(facts, request, decision, terms), request, terms, signal);
  if (outcome.kind === 'granted') return ok(outcome.approval);
  return err({
    approval: outcome.approval,
    refusal: held(outcome.kind, outcome.approval),
  });
}

function digestOf(facts: RequestFacts, request: HeldRequest, decision: Decision, terms: HoldTerms): string {
  return fingerprint({
    held: request,
    method: facts.context.head.method,
    query: facts.context.head.path.split('?')[1] ?? '',
    terms,
    redactions: decision.redact,
    conversation: facts.conversation ?? emptyConversation,
    body: facts.original ?? Buffer.alloc(0),
  });
}

function heldRequest(facts: RequestFacts, policy: PinnedPolicy, decision: Decision, minter: Minter): HeldRequest {
  const { context } = facts;
  const subject = facts.subject ?? anonymous;
  const conversation = facts.conversation ?? emptyConversation;
  const counts = new Map<string, number>();
  for (const { findings } of facts.scans) {
    for (const { entity } of findings) counts.set(entity, (counts.get(entity) ?? 0) + 1);
  }
  return {
    tenant: subject.tenant,
    requester: {
      issuer: subject.issuer,
      id: subject.id,
      displayName: subject.displayName,
    },
    requesterKind: subject.kind,
    onBehalfOf: subject.onBehalfOf,
    excluded: [...subject.owners, ...(subject.onBehalfOf === null ? [] : [subject.onBehalfOf])],
    resource: {
      host: context.head.host,
      path: context.head.path.split('?')[0] ?? '',
      dialect: conversation.dialect,
      model: conversation.model,
    },
    direction: 'request',
    exchange: context.id,
    session: facts.session,
    rules: decision.rules,
    reasons: decision.reasons.map((reason) => reason.message),
    requesterReason: reasonOf(context.head),
    findings: [...counts].map(([entity, count]) => ({ entity, count })),
    maskedView: maskedView(conversation, facts.scans, minter),
    policyRevision: policy.revision,
  };
}

function reasonOf(head: RequestHead): string | null {
  return head.headers.get('x-countersign-reason')?.slice(0, limits.reasonCharsMax) ?? null;
}

/** Everything found, whatever the plan of this decision leaves in: a reviewer needs to see what is asked, not the values. */
const labelAll = compilePlan([{ entity: '*', method: 'label' }]);

/** The conversation as a reviewer may see it: role and text by line, every finding labelled, cut to a bound. */
function maskedView(conversation: Conversation, scans: readonly Scan[], minter: Minter): string {
  let view = '';
  for (const [index, segment] of conversation.segments.entries()) {
    view += `${segment.role}: ${maskText(segment.text, scans[index]?.findings ?? [], segment.role, labelAll, minter).text}\n`;
    if (view.length > limits.maskedViewCharsMax) return `${view.slice(0, limits.maskedViewCharsMax)}…`;
  }
  return view;
}

function forward(
  deps: ExchangeDeps,
  facts: RequestFacts,
  subject: Subject,
  conversation: Conversation,
  policy: PinnedPolicy,
  decision: Decision,
  options: RequestPhaseOptions,
): RequestVerdict {
  const judged: JudgedExchange = {
    ...facts.context,
    subject,
    session: facts.session,
    conversation,
    policy,
    decision,
    forwardedNs: deps.clock.nowNs(),
  };
  return {
    kind: 'forward',
    body: facts.sent,
    headers: requestHeaderChanges(deps, facts),
    exchange: openExchange(deps, judged),
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

async function refuse(deps: ExchangeDeps, facts: RequestFacts, refusal: Refusal): Promise<RequestVerdict> {
  await deps.audit.append(refusalEntry(deps, facts, refusal));
  count(deps, facts, facts.decision?.action === 'hold' ? 'hold' : 'deny');
  deps.log.info('request refused', {
    exchange: facts.context.id,
    code: refusal.code,
    status: refusal.status,
    dialect: facts.context.dialect.id,
    ...(facts.context.trace ? { traceId: facts.context.trace.traceId } : {}),
  });
  return {
    kind: 'reply',
    reply: replyOf(refusal, facts.context.dialect, facts.context.id),
  };
}

/** Whatever broke: nothing is forwarded, the caller hears it in its dialect, the record (if it can be written) says what it was. */
async function failClosed(deps: ExchangeDeps, facts: RequestFacts, thrown: unknown): Promise<RequestVerdict> {
  const fault = Fault.from(thrown);
  const refusal = faultRefusal(fault);
  deps.metrics.failure(fault.code);
  deps.metrics.decision('request', 'fault');
  deps.log.error('request failed closed', {
    exchange: facts.context.id,
    code: fault.code,
    reason: fault.message,
  });
  if (fault.code !== 'audit_unavailable') {
    try {
      await deps.audit.append(refusalEntry(deps, facts, refusal));
    } catch (second) {
      deps.log.error('the failure could not be recorded', {
        exchange: facts.context.id,
        reason: Fault.from(second).message,
      });
    }
  }
  return {
    kind: 'reply',
    reply: replyOf(refusal, facts.context.dialect, facts.context.id),
  };
}

function count(deps: ExchangeDeps, facts: RequestFacts, action: 'allow' | 'hold' | 'deny'): void {
  deps.metrics.decision('request', action);
  for (const { entity, method, count } of facts.masked) {
    deps.metrics.findings('request', entity, count);
    if (method !== null) deps.metrics.masked('request', method, count);
  }
}
