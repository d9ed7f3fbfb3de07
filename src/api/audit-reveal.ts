import { status } from '@grpc/grpc-js';
import type { Gate, HeldRequest } from '../approval/approval.ts';
import type { AuditLog } from '../audit/entry.ts';
import type { OpenedBody, StoredRecord } from '../audit/read.ts';
import type { RevealRequest, RevealResponse } from '../gen/countersign/audit/v1/audit.ts';
import { addressOf, type Subject } from '../identity/subject.ts';
import { sha256Hex } from '../lib/hash.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { HoldTerms } from '../policy/decision.ts';
import type { RpcStatus } from '../rpc/status.ts';
import { personOf } from './approval-access.ts';
import { invalid } from './caller.ts';

export interface RevealDeps {
  readonly log: AuditLog;
  readonly gate: Gate;
  /** Opens all sealed bodies of a record; throws Fault `key_unavailable` when they are destroyed or the key is away. */
  readonly open: (record: StoredRecord) => Promise<readonly OpenedBody[]>;
  /** The value that a placeholder in this record stands for; null: none has it. */
  readonly valueOf: (
    record: StoredRecord,
    bodies: readonly OpenedBody[],
    placeholder: string,
  ) => Promise<string | null>;
}

export interface RevealOptions {
  /** One of a person in these groups must approve each reveal; empty: an auditor alone is enough. */
  readonly approverGroups: readonly string[];
  readonly approvalTtlMs: number;
}

/**
 * Opens what is sealed, for an auditor, in this order: the request is sound; somebody else has approved this very request, where that
 * is asked for; who sees what and why is durable on record; only then is anything opened.
 */
export async function reveal(
  deps: RevealDeps,
  options: RevealOptions,
  auditor: { readonly subject: Subject; readonly groups: readonly string[] },
  record: StoredRecord,
  request: RevealRequest,
): Promise<Result<RevealResponse, RpcStatus>> {
  const asked = askedFor(record, request);
  if (!asked.ok) return asked;
  const approved = await approval(deps, options, auditor.subject, record, asked.value);
  if (!approved.ok) return approved;
  const { id } = await deps.log.append({
    kind: 'access',
    exchange: record.exchange,
    session: record.session,
    facts: {
      action: 'reveal',
      record: record.id,
      tenant: auditor.subject.tenant,
      by: { issuer: auditor.subject.issuer, id: auditor.subject.id },
      groups: auditor.groups,
      reason: asked.value.reason,
      ...(asked.value.placeholder === null ? { bodies: asked.value.bodies } : { placeholder: asked.value.placeholder }),
      ...(approved.value === null ? {} : { approval: approved.value }),
    },
    bodies: {},
  });
  const opened = await deps.open(record);
  if (asked.value.placeholder === null) {
    const bodies = opened
      .filter(({ name }) => asked.value.bodies.includes(name))
      .map(({ name, mediaType, content, salt }) => ({ name, mediaType, content, salt }));
    return ok({ bodies, value: '', accessRecord: id });
  }
  const value = await deps.valueOf(record, opened, asked.value.placeholder);
  if (value === null) {
    return err({ code: status.NOT_FOUND, details: 'not_found: no value of this record has that placeholder' });
  }
  return ok({ bodies: [], value, accessRecord: id });
}

interface Asked {
  readonly bodies: readonly string[];
  readonly placeholder: string | null;
  readonly reason: string;
}

function askedFor(record: StoredRecord, request: RevealRequest): Result<Asked, RpcStatus> {
  const reason = request.reason.trim();
  if (reason === '') return invalid('reason', 'is missing: it goes on record');
  if (reason.length > limits.reasonCharsMax)
    return invalid('reason', `is longer than ${limits.reasonCharsMax} characters`);
  const names = record.bodies.map(({ name }) => name);
  if (names.length === 0) {
    return err({ code: status.FAILED_PRECONDITION, details: 'nothing_sealed: this record has no sealed texts' });
  }
  if (request.placeholder === '') {
    const unknown = request.bodies.find((name) => !names.includes(name));
    if (unknown !== undefined) return invalid('bodies', `must be among ${names.join(', ')}`);
    return ok({ bodies: request.bodies.length === 0 ? names : request.bodies, placeholder: null, reason });
  }
  if (request.bodies.length > 0) return invalid('placeholder', 'stands instead of bodies, not beside them');
  if (!/^[A-Z0-9_]{12,128}$/.test(request.placeholder)) return invalid('placeholder', 'is none of ours');
  if (!names.includes('prompt_original')) return invalid('placeholder', 'needs the record of a prompt');
  return ok({ bodies: [], placeholder: request.placeholder, reason });
}

/** Id of the approval that was used up for exactly this request; null where none is asked for. */
async function approval(
  deps: RevealDeps,
  { approverGroups, approvalTtlMs }: RevealOptions,
  subject: Subject,
  record: StoredRecord,
  asked: Asked,
): Promise<Result<string | null, RpcStatus>> {
  if (approverGroups.length === 0) return ok(null);
  const terms: HoldTerms = {
    approverGroups,
    groupMatch: 'any',
    quorum: 1,
    ttlS: approvalTtlMs / 1000,
    waitS: 0,
    grant: { uses: 1, ttlS: approvalTtlMs / 1000 },
    requireReason: false,
    requireRequesterReason: false,
    returnReason: false,
    allowSelf: false,
    breakGlassGroups: [],
  };
  const what = asked.placeholder ?? asked.bodies.join(', ');
  const parts = [subject.tenant, subject.issuer, subject.id, record.id, what, asked.reason];
  const digest = sha256Hex(
    `countersign/v1/reveal\0${parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('')}`,
  );
  const outcome = await deps.gate.pass(digest, heldReveal(subject, record, what, asked.reason), terms, never);
  if (outcome.kind === 'granted') return ok(outcome.approval.id);
  const code = outcome.kind === 'pending' ? 'approval_pending' : `approval_${outcome.kind}`;
  return err({ code: status.FAILED_PRECONDITION, details: `${code}: ${outcome.approval.id}` });
}

const never: AbortSignal = new AbortController().signal;

function heldReveal(subject: Subject, record: StoredRecord, what: string, reason: string): HeldRequest {
  const address = addressOf(subject);
  return {
    tenant: subject.tenant,
    requester: personOf(subject),
    requesterKind: subject.kind,
    ...(address === null ? {} : { requesterEmail: address }),
    onBehalfOf: subject.onBehalfOf,
    excluded: [...subject.owners, ...(subject.onBehalfOf === null ? [] : [subject.onBehalfOf])],
    resource: { host: '', path: `/audit/records/${record.id}`, dialect: 'countersign.audit', model: null },
    direction: 'reveal',
    exchange: record.exchange,
    session: record.session,
    rules: [],
    reasons: ['sealed texts are opened only when a second person agrees'],
    requesterReason: reason,
    findings: [],
    maskedView: `Open ${what} of the ${record.kind} record ${record.id}.`,
    policyRevision: '',
  };
}
