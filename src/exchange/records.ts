import type { Approval } from '../approval/approval.ts';
import type { AuditEntry, SealedBodySource } from '../audit/entry.ts';
import type { Scan } from '../detect/finding.ts';
import { type Subject, withoutEmail } from '../identity/subject.ts';
import type { JsonObject, JsonValue } from '../lib/json.ts';
import type { AnswerFacts } from '../llm/answer-facts.ts';
import type { Conversation, OmittedCount } from '../llm/conversation.ts';
import type { RestoredCount } from '../mask/restorables.ts';
import type { FindingCount } from '../mask/tally.ts';
import type { Decision } from '../policy/decision.ts';
import type { ExchangeContext } from './context.ts';
import { decisionFacts } from './decision-facts.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestPhaseOptions } from './exchange.ts';
import type { Refusal } from './replies.ts';

// The members of facts are written down in the order in which canonical JSON has them: it costs least then.

/** Everything a request phase may have found out by the time it is recorded; what it did not get to is null. */
export interface RequestFacts {
  readonly context: ExchangeContext;
  readonly subject: Subject | null;
  readonly session: string;
  readonly conversation: Conversation | null;
  readonly scans: readonly Scan[];
  readonly policyRevision: string | null;
  readonly decision: Decision | null;
  readonly masked: readonly FindingCount[];
  readonly omitted: readonly OmittedCount[];
  readonly approval: Approval | null;
  readonly original: Buffer | null;
  /** What is sent on; null: the original itself, or nothing. */
  readonly sent: Buffer | null;
}

/** The facts of an exchange of which only its first message is known. */
export function nothingKnown(context: ExchangeContext, body: Buffer | null): RequestFacts {
  return {
    context,
    subject: null,
    session: context.id,
    conversation: null,
    scans: [],
    policyRevision: null,
    decision: null,
    masked: [],
    omitted: [],
    approval: null,
    original: body,
    sent: null,
  };
}

/**
 * The record that must be durable before anything leaves. ext_authz and guardrails (`isFollowed` false) see no answer: their intent may
 * stay the only record, which `final` says; where ext_proc stands behind ext_authz, that one records the outcome.
 */
export function intentEntry(
  deps: ExchangeDeps,
  facts: RequestFacts,
  { canRewrite, isFollowed = canRewrite }: Pick<RequestPhaseOptions, 'canRewrite' | 'isFollowed'>,
): AuditEntry {
  return {
    kind: 'intent',
    exchange: facts.context.id,
    session: facts.session,
    ...subjectMember(deps, facts.subject),
    facts: requestFacts(deps, facts, !isFollowed),
    bodies: requestBodies(facts),
  };
}

/** The one and only record of an exchange that is not forwarded. */
export function refusalEntry(deps: ExchangeDeps, facts: RequestFacts, refusal: Refusal): AuditEntry {
  return {
    kind: 'outcome',
    exchange: facts.context.id,
    session: facts.session,
    ...subjectMember(deps, facts.subject),
    facts: {
      ...requestFacts(deps, facts, true),
      ended: 'refused',
      code: refusal.code,
      status: refusal.status,
    },
    bodies: requestBodies(facts),
  };
}

/** Everything a response phase may have found out by the time it ends. */
export interface ResponseFacts {
  readonly context: ExchangeContext & { readonly subject: Subject };
  readonly session: string;
  /** `complete`, `refused`, `fault`, or why it was cut off. */
  readonly ended: string;
  readonly code: string | null;
  /** Status of the model's answer; null when there was none. */
  readonly status: number | null;
  readonly contentType: string;
  /** In which the answer came, and lies here; null: in none that is known. */
  readonly contentEncoding: string | null;
  readonly decision: Decision | null;
  /** What the answer was decided by: where another filter had decided about the request, perhaps not what that one had. */
  readonly policyRevision: string;
  /** The approval of the answer itself, where policy wanted one. */
  readonly approval?: Approval | null;
  readonly found: readonly FindingCount[];
  readonly restored: readonly RestoredCount[];
  readonly uninspected: readonly string[];
  readonly omitted: readonly OmittedCount[];
  /** What the answer says about itself; null: there was none. */
  readonly answer: AnswerFacts | null;
  readonly firstByteNs: bigint | null;
  readonly forwardedNs: bigint;
  readonly bytesReceived: number;
  readonly bytesReleased: number;
  /** What the model said, and what the caller got where that differs; absent by policy (`capture`) or because nothing came. */
  readonly output: Buffer | null;
  readonly released: Buffer | null;
  readonly outputTruncated: boolean;
}

/** The end of an exchange that was forwarded: how its answer ended, or that there was none. */
export function outcomeEntry(deps: ExchangeDeps, facts: ResponseFacts): AuditEntry {
  const bodies: Record<string, SealedBodySource> = {};
  const mediaType = facts.contentType || 'application/octet-stream';
  if (facts.output) bodies['output'] = { mediaType, bytes: facts.output };
  if (facts.released) bodies['output_released'] = { mediaType, bytes: facts.released };
  return {
    kind: 'outcome',
    exchange: facts.context.id,
    session: facts.session,
    ...subjectMember(deps, facts.context.subject),
    facts: {
      ...(facts.approval ? { approval: approvalFacts(facts.approval) } : {}),
      bytes: { received: facts.bytesReceived, released: facts.bytesReleased },
      ...(facts.code === null ? {} : { code: facts.code }),
      ...(facts.contentEncoding === null ? {} : { content_encoding: facts.contentEncoding }),
      content_type: mediaType,
      ...(facts.decision ? { decision: decisionFacts(facts.decision) } : {}),
      ended: facts.ended,
      final: false,
      ...finishMember(facts.answer),
      masked: countFacts(facts.found),
      ...modelMember(facts.answer),
      ...omittedMember(facts.omitted),
      output_truncated: facts.outputTruncated,
      ...(facts.decision ? { policy: { revision: facts.policyRevision } } : {}),
      ...(facts.restored.length > 0
        ? { restored: facts.restored.map(({ entity, count }) => ({ count, entity })) }
        : {}),
      ...(facts.status === null ? {} : { status: facts.status }),
      t: {
        ended: String(deps.clock.nowNs()),
        ...(facts.firstByteNs === null ? {} : { first_byte: String(facts.firstByteNs) }),
        forwarded: String(facts.forwardedNs),
      },
      uninspected: [...new Set(facts.uninspected)].sort(),
      ...usageMember(facts.answer),
    },
    bodies,
  };
}

/** Whose data the bodies are: destroying that subject's key erases them. */
export function subjectMember(deps: ExchangeDeps, subject: Subject | null): Pick<AuditEntry, 'subject'> {
  return subject?.authenticated ? { subject: deps.keys.pseudonym(subject) } : {};
}

function finishMember(answer: AnswerFacts | null): JsonObject {
  return answer === null || answer.finish.length === 0 ? {} : { finish: answer.finish };
}

function modelMember(answer: AnswerFacts | null): JsonObject {
  return answer === null || answer.model === null ? {} : { model: answer.model };
}

function usageMember(answer: AnswerFacts | null): JsonObject {
  if (answer === null || (answer.tokensIn === null && answer.tokensOut === null)) return {};
  return { usage: { in: answer.tokensIn, out: answer.tokensOut } };
}

function requestFacts(deps: ExchangeDeps, facts: RequestFacts, isFinal: boolean): JsonObject {
  const { context, subject, conversation, decision, approval } = facts;
  const { head, trace } = context;
  return {
    ...(approval ? { approval: approvalFacts(approval) } : {}),
    ...(subject ? { caller: callerFacts(deps, subject) } : {}),
    ...(decision ? { decision: decisionFacts(decision) } : {}),
    detectors: deps.detector.revision,
    dialect: conversation?.dialect ?? context.dialect.id,
    ...(isFinal ? { final: true } : {}),
    findings: conversation ? findingFacts(conversation, facts.scans) : [],
    host: head.host,
    masked: countFacts(facts.masked),
    method: head.method,
    // A JSON string may hold half a surrogate pair; canonical JSON may not.
    ...(conversation ? { model: conversation.model?.toWellFormed() ?? null } : {}),
    ...omittedMember(facts.omitted),
    ...(conversation ? { operation: conversation.operation } : {}),
    // Some providers take their key as a query parameter.
    path: head.path.split('?')[0] ?? '',
    ...(facts.policyRevision === null ? {} : { policy: { revision: facts.policyRevision } }),
    source: head.source.address,
    ...(conversation ? { stream: conversation.stream } : {}),
    t: {
      decided: String(deps.clock.nowNs()),
      received: String(context.receivedNs),
    },
    ...(conversation ? { tools: conversation.tools.map((name) => name.toWellFormed()) } : {}),
    ...(trace ? { trace: { id: trace.traceId, span: trace.parentId } } : {}),
    ...(conversation ? { uninspected: [...new Set(conversation.uninspected.map((part) => part.kind))].sort() } : {}),
  };
}

/** With who decided, when and why, so that a record by itself says who let it pass. */
function approvalFacts({ id, state, digest, decisions }: Approval): JsonObject {
  if (decisions.length === 0) return { id, state, digest };
  return {
    id,
    state,
    digest,
    decisions: decisions.map(({ by, groups, verdict, reason, atMs }) => ({
      by: { issuer: by.issuer, id: by.id },
      groups,
      verdict,
      // A person wrote it: it may hold half a surrogate pair, which canonical JSON may not.
      reason: reason?.toWellFormed() ?? null,
      at: new Date(atMs).toISOString(),
    })),
  };
}

/** Groups and roles in clear (they influenced the decision), the person by pseudonym; who it is stands in the sealed part. */
function callerFacts(deps: ExchangeDeps, subject: Subject): JsonObject {
  return {
    groups: subject.groups,
    issuer: subject.issuer,
    kind: subject.kind,
    pseudonym: deps.keys.pseudonym(subject),
    roles: subject.roles,
    tenant: subject.tenant,
    ...(subject.workload === null ? {} : { workload: subject.workload }),
  };
}

/** Counted by entity, rule and role. Pointers stay out: a JSON key of the caller's may itself be a value. */
function findingFacts(conversation: Conversation, scans: readonly Scan[]): JsonValue {
  const counted = new Map<string, { entity: string; detector: string; role: string; count: number }>();
  for (const [index, { findings }] of scans.entries()) {
    const role = conversation.segments[index]?.role ?? 'unknown';
    for (const { entity, detector } of findings) {
      const key = `${entity}\0${detector}\0${role}`;
      const known = counted.get(key);
      if (known) known.count++;
      else counted.set(key, { count: 1, detector, entity, role });
    }
  }
  return [...counted.values()];
}

function countFacts(counts: readonly FindingCount[]): JsonValue {
  return counts.map(({ entity, method, count }) => ({ count, entity, method }));
}

/** Sealed blocks that policy had left out, by kind. */
function omittedMember(omitted: readonly OmittedCount[]): JsonObject {
  return omitted.length > 0 ? { omitted: omitted.map(({ kind, count }) => ({ count, kind })) } : {};
}

function requestBodies(facts: RequestFacts): Record<string, SealedBodySource> {
  const capture = facts.decision?.capture ?? 'full';
  const mediaType = facts.context.route.header('content-type') ?? 'application/octet-stream';
  const bodies: Record<string, SealedBodySource> = {};
  if (facts.subject?.authenticated) {
    bodies['caller'] = {
      mediaType: 'application/json',
      bytes: Buffer.from(JSON.stringify(withoutEmail(facts.subject))),
    };
  }
  if (facts.original && capture === 'full') bodies['prompt_original'] = { mediaType, bytes: facts.original };
  if (facts.sent && capture !== 'metadata') bodies['prompt_sent'] = { mediaType, bytes: facts.sent };
  return bodies;
}
