import type { Scan } from '../detect/finding.ts';
import type { Subject } from '../identity/subject.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Conversation } from '../llm/conversation.ts';
import type { Phase, PolicyInput } from './decision.ts';

/** What a phase knows when it asks policy. */
export interface PolicyFacts {
  readonly phase: Phase;
  /** `receivedNs`: when the request arrived, nanoseconds since the epoch. */
  readonly exchange: { readonly id: string; readonly session: string; readonly receivedNs: bigint };
  readonly subject: Subject;
  readonly head: PolicyRequestHead;
  /** Names (lower-case) of the request headers that policy may see. */
  readonly policyHeaders: readonly string[];
  readonly conversation: Conversation;
  /** What detection found, by segment: `scans[i]` belongs to `conversation.segments[i]`. */
  readonly scans: readonly Scan[];
  /** HTTP status of the model's answer; null in the request phase. */
  readonly status: number | null;
  /** Whether the answer's text has arrived; response phase only. */
  readonly isComplete?: boolean;
  readonly approval?: PolicyInput['approval'];
}

/** The part of a request's head that policy may know of; see `RequestHead` of the exchange. */
export interface PolicyRequestHead {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly source: { readonly address: string; readonly principal: string | null };
  readonly destination: string;
  readonly contextExtensions: Readonly<Record<string, string>>;
  readonly metadata: JsonObject;
}

/**
 * The input document of both entry points. Pure. Holds no matched value beside the texts themselves, no credential, and no
 * query string (providers take API keys in it). Findings are counted per entity, detector and segment, with their best
 * score.
 */
export function buildPolicyInput(facts: PolicyFacts): PolicyInput {
  const { phase, exchange, subject, head, conversation, status } = facts;
  return {
    version: 1,
    phase,
    exchange: {
      id: exchange.id,
      session: exchange.session,
      // Made only for a policy that reads it.
      get received_at() {
        return rfc3339(exchange.receivedNs);
      },
    },
    subject: {
      authenticated: subject.authenticated,
      kind: subject.kind,
      id: subject.id,
      issuer: subject.issuer,
      tenant: subject.tenant,
      groups: subject.groups,
      roles: subject.roles,
      claims: subject.claims,
      workload: subject.workload,
    },
    resource: {
      host: head.host,
      path: head.path.split('?', 1)[0] ?? '',
      method: head.method,
      dialect: conversation.dialect,
      operation: conversation.operation,
      model: conversation.model,
      stream: conversation.stream,
      ...(status === null ? {} : { status, complete: facts.isComplete === true }),
    },
    conversation: {
      segments: conversation.segments.map(({ pointer, role, kind, text }) => ({ pointer, role, kind, text })),
      tools: conversation.tools,
      uninspected: conversation.uninspected,
    },
    findings: countFindings(conversation, facts.scans),
    approval: facts.approval ?? null,
    http: { headers: pick(head.headers, facts.policyHeaders) },
    envoy: {
      source: head.source.address,
      destination: head.destination,
      context_extensions: head.contextExtensions,
      metadata: head.metadata,
    },
  };
}

function countFindings(conversation: Conversation, scans: readonly Scan[]): PolicyInput['findings'] {
  const rows: PolicyInput['findings'][number][] = [];
  for (const [index, { pointer, role }] of conversation.segments.entries()) {
    const findings = scans[index]?.findings ?? [];
    if (findings.length === 0) continue;
    const counted = new Map<string, PolicyInput['findings'][number]>();
    for (const { entity, detector, score } of findings) {
      const key = `${entity} ${detector}`;
      const row = counted.get(key) ?? { entity, detector, score, pointer, role, count: 0 };
      counted.set(key, { ...row, score: Math.max(row.score, score), count: row.count + 1 });
    }
    rows.push(...counted.values());
  }
  return rows;
}

function pick(headers: ReadonlyMap<string, string>, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = headers.get(name);
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}

/** RFC 3339 section 5.6, UTC, with all nine digits: a string, because 64-bit nanoseconds do not fit a JSON number. */
function rfc3339(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}
