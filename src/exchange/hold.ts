import type { Approval, HeldRequest } from '../approval/approval.ts';
import { fingerprint } from '../approval/fingerprint.ts';
import type { Scan } from '../detect/finding.ts';
import { addressOf, anonymous, type Subject } from '../identity/subject.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Conversation, emptyConversation } from '../llm/conversation.ts';
import { maskText } from '../mask/mask-text.ts';
import type { Minter } from '../mask/placeholder.ts';
import { compilePlan } from '../mask/plan.ts';
import type { Decision, HoldTerms, PinnedPolicy } from '../policy/decision.ts';
import type { ExchangeContext, JudgedExchange } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestHead, RequestPhaseOptions } from './exchange.ts';
import type { RequestFacts } from './records.ts';
import { held, heldAnswer, noTimeToApprove, type Refusal, reasonRequired } from './replies.ts';

/** Why a held request does not go on: what governs it, if anything does, and what the caller is told. */
export interface NotApproved {
  readonly approval: Approval | null;
  readonly refusal: Refusal;
}

/** Passes the gate with a grant, or says in which state the approval is instead. */
export async function awaitApproval(
  deps: ExchangeDeps,
  facts: RequestFacts,
  policy: PinnedPolicy,
  decision: Decision,
  minter: Minter,
  askForTime: RequestPhaseOptions['askForTime'],
  signal: AbortSignal,
): Promise<Result<Approval, NotApproved>> {
  if (decision.hold === null) throw new Fault('policy_failed', 'a hold came without its terms');
  const { context, session, scans } = facts;
  const wanted = decision.hold;
  const request = heldRequest(deps, decision, minter, {
    context,
    session,
    subject: facts.subject ?? anonymous,
    conversation: facts.conversation ?? emptyConversation,
    scans,
    direction: 'request',
    policyRevision: policy.revision,
  });
  if (wanted.requireRequesterReason && (request.requesterReason ?? '').trim() === '') {
    return err({ approval: null, refusal: reasonRequired() });
  }
  const wantedMs = Math.min(wanted.waitS * 1000, deps.settings.holdWaitMsMax);
  const terms = { ...wanted, waitS: (wantedMs > 0 ? (askForTime?.(wantedMs) ?? wantedMs) : 0) / 1000 };
  const outcome = await deps.gate.pass(digestOf(facts, request, decision, terms), request, terms, signal);
  if (outcome.kind === 'granted') return ok(outcome.approval);
  return err({
    approval: outcome.approval,
    refusal: held(outcome.kind, outcome.approval, deps.settings.approvalStatusUrl ?? null),
  });
}

/** An answer that has arrived whole. */
export interface ArrivedAnswer {
  readonly conversation: Conversation;
  readonly scans: readonly Scan[];
  /** Content encoding removed. */
  readonly plain: Buffer;
  /** How long the gateway has waited for a word about it. */
  readonly elapsedMs: number;
}

/** Seconds in which a waiter sees that time is over, before the gateway gives up. */
const expiryMarginS = 1;

/**
 * The same for an answer. Its approval is for this very exchange and lives no longer than the wait: when that is over the
 * answer is gone, and there is nothing left that a grant could release.
 */
export async function awaitAnswerApproval(
  deps: ExchangeDeps,
  exchange: JudgedExchange,
  answer: ArrivedAnswer,
  decision: Decision,
  minter: Minter,
  signal: AbortSignal,
): Promise<Result<Approval, NotApproved>> {
  if (decision.hold === null) throw new Fault('policy_failed', 'a hold came without its terms');
  const { holdWaitMsMax, answerWaitMsMax = holdWaitMsMax } = deps.settings;
  const leftS = (answerWaitMsMax - answer.elapsedMs) / 1000 - expiryMarginS;
  const ttlS = Math.min(decision.hold.ttlS, decision.hold.waitS, leftS);
  if (ttlS <= 0) return err({ approval: null, refusal: noTimeToApprove() });
  const terms = { ...decision.hold, ttlS, waitS: ttlS + expiryMarginS, grant: { ...decision.hold.grant, uses: 1 } };
  const { subject, session, policy } = exchange;
  const request = heldRequest(deps, decision, minter, {
    context: exchange,
    session,
    subject,
    conversation: answer.conversation,
    scans: answer.scans,
    direction: 'response',
    policyRevision: policy.revision,
  });
  const digest = fingerprint({
    held: request,
    method: exchange.head.method,
    query: exchange.head.path.split('?')[1] ?? '',
    terms,
    redactions: decision.redact,
    conversation: answer.conversation,
    body: answer.plain,
    exchange: exchange.id,
  });
  const outcome = await deps.gate.pass(digest, request, terms, signal);
  if (outcome.kind === 'granted') return ok(outcome.approval);
  return err({ approval: outcome.approval, refusal: heldAnswer(outcome.kind, outcome.approval) });
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

/** What is held, of a request or of an answer. */
interface HeldFacts {
  readonly context: ExchangeContext;
  readonly session: string;
  readonly subject: Subject;
  readonly conversation: Conversation;
  readonly scans: readonly Scan[];
  readonly direction: HeldRequest['direction'];
  readonly policyRevision: string;
}

function heldRequest(deps: ExchangeDeps, decision: Decision, minter: Minter, facts: HeldFacts): HeldRequest {
  const { context, subject, conversation } = facts;
  // A held answer comes, or does not, by the call that waits for it: nobody has to be told.
  const address = facts.direction === 'request' ? addressOf(subject) : null;
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
    ...(address === null ? {} : { requesterEmail: address }),
    onBehalfOf: subject.onBehalfOf,
    excluded: [...subject.owners, ...(subject.onBehalfOf === null ? [] : [subject.onBehalfOf])],
    resource: {
      host: context.head.host,
      path: context.head.path.split('?')[0] ?? '',
      dialect: conversation.dialect,
      model: conversation.model?.toWellFormed() ?? null,
    },
    direction: facts.direction,
    exchange: context.id,
    session: facts.session,
    rules: decision.rules,
    reasons: decision.reasons.map((reason) => reason.message),
    requesterReason: reasonOf(deps, context.head, minter),
    findings: [...counts].map(([entity, count]) => ({ entity, count })),
    maskedView: maskedView(conversation, facts.scans, minter),
    policyRevision: facts.policyRevision,
  };
}

/** Why the caller says that it needs this (`x-countersign-reason`): shown to reviewers and kept, so what is sensitive in it is labelled. */
function reasonOf(deps: ExchangeDeps, head: RequestHead, minter: Minter): string | null {
  const said = head.headers.get('x-countersign-reason')?.slice(0, limits.reasonCharsMax);
  return said === undefined ? null : maskText(said, deps.detector.scan(said).findings, 'user', labelAll, minter).text;
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
