import { isJsonObject, type JsonObject, type JsonValue } from '../../lib/json.ts';
import { limits } from '../../lib/limits.ts';
import { leafBytes, manifestCommitment } from '../manifest.ts';
import type { StoredRecord } from '../read.ts';
import { hashLeaf } from '../tree.ts';
import type { SentPrompt } from './sent-prompt.ts';

/** What was decided about an exchange, in the words of the SIEM formats. */
export type Action = 'allow' | 'mask' | 'block' | 'pending' | 'approved' | 'rejected' | 'observe' | 'error';

export interface MaskedCount {
  readonly entity: string;
  readonly method: string | null;
  readonly count: number;
}

/** A record as the formats read it: one shape, whatever the record has and lacks. */
export interface RecordView {
  readonly record: StoredRecord;
  readonly origin: string;
  /** Null: the record is not about an exchange's decision. */
  readonly action: Action | null;
  readonly rules: readonly string[];
  readonly reason: string;
  readonly masked: readonly MaskedCount[];
  readonly findings: readonly { readonly entity: string; readonly detector: string; readonly count: number }[];
  readonly caller: {
    readonly pseudonym: string;
    readonly kind: string;
    readonly issuer: string;
    readonly tenant: string;
    readonly groups: readonly string[];
    readonly roles: readonly string[];
  } | null;
  readonly policyRevision: string;
  readonly dialect: string;
  readonly operation: string;
  readonly model: string;
  readonly responseModel: string;
  readonly stream: boolean | null;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly source: string;
  readonly status: number | null;
  readonly code: string;
  readonly ended: string;
  readonly finishReasons: readonly string[];
  readonly usage: { readonly input: number | null; readonly output: number | null };
  readonly trace: { readonly id: string; readonly span: string } | null;
  /** Nanoseconds since the epoch; null where the record does not say. */
  readonly times: {
    readonly received: bigint | null;
    readonly firstByte: bigint | null;
    readonly ended: bigint | null;
  };
  /** Hex SHA-256 of the leaf that stands for the record in the Merkle tree. */
  readonly leafHash: string;
  readonly approval: JsonObject | null;
  /** Where a sink asks for it. */
  readonly prompt: SentPrompt | null;
}

/**
 * Makes views of records in the order of the log. An outcome alone does not say who asked for what: what its intent said
 * is remembered until the outcome comes, of at most `limits.sinkIntentsMax` exchanges, the oldest forgotten first.
 */
export function createViewer(): (record: StoredRecord, prompt?: SentPrompt | null) => RecordView {
  const intents = new Map<string, JsonObject>();
  return (record, prompt = null) => {
    const known = record.kind === 'outcome' || record.kind === 'aborted' ? intents.get(record.exchange) : undefined;
    if (known !== undefined) intents.delete(record.exchange);
    if (record.kind === 'intent' && record.facts['final'] !== true) {
      intents.set(record.exchange, record.facts);
      const [oldest] = intents.keys();
      if (intents.size > limits.sinkIntentsMax && oldest !== undefined) intents.delete(oldest);
    }
    return viewOf(record, known ?? {}, prompt);
  };
}

function viewOf(record: StoredRecord, intent: JsonObject, prompt: SentPrompt | null): RecordView {
  /** Of the record, and where it is silent of its intent. Not one object of both: the engine is slow with those. */
  const fact = (name: string): JsonValue | undefined => {
    const own = record.facts[name];
    return own === undefined ? intent[name] : own;
  };
  const decision = object(record.facts['decision'] ?? intent['decision']);
  const masked = [...counts(intent['masked']), ...counts(record.facts['masked'])];
  const caller = object(fact('caller'));
  const isAnswer = record.kind === 'outcome' && record.facts['final'] !== true;
  const approval = fact('approval');
  const usage = object(fact('usage'));
  const trace = object(fact('trace'));
  const before = object(intent['t']);
  const own = object(record.facts['t']);
  const leaf = leafBytes(manifestCommitment(record.manifestBytes), record.id, record.kind);
  return {
    record,
    origin: text(record.manifest['origin']),
    action: actionOf(record, decision, approval, masked),
    rules: texts(decision['rules'] ?? fact('rules')),
    reason: objects(decision['reasons'])
      .map((reason) => text(reason['message']))
      .filter((message) => message !== '')
      .join('; '),
    masked,
    findings: objects(fact('findings')).map((row) => ({
      entity: text(row['entity']),
      detector: text(row['detector']),
      count: number(row['count']) ?? 1,
    })),
    caller:
      text(caller['pseudonym']) === ''
        ? null
        : {
            pseudonym: text(caller['pseudonym']),
            kind: text(caller['kind']),
            issuer: text(caller['issuer']),
            tenant: text(caller['tenant']),
            groups: texts(caller['groups']),
            roles: texts(caller['roles']),
          },
    policyRevision: text(object(fact('policy'))['revision'] ?? fact('revision')),
    dialect: text(fact('dialect')),
    operation: text(fact('operation')),
    // An outcome names the model that answered; which one was asked its intent says.
    model: text(intent['model'] ?? (isAnswer ? '' : fact('model'))),
    responseModel: isAnswer ? text(record.facts['model']) : '',
    stream: flag(fact('stream')),
    method: text(fact('method')),
    host: text(fact('host')),
    path: text(fact('path')),
    source: text(fact('source')),
    status: number(record.facts['status']),
    code: text(record.facts['code']),
    ended: text(record.facts['ended']),
    finishReasons: texts(fact('finish')),
    usage: { input: number(usage['in']), output: number(usage['out']) },
    trace:
      /^[0-9a-f]{32}$/.test(text(trace['id'])) && /^[0-9a-f]{16}$/.test(text(trace['span']))
        ? { id: text(trace['id']), span: text(trace['span']) }
        : null,
    times: {
      received: nanoseconds(own['received'] ?? before['received']),
      firstByte: nanoseconds(own['first_byte'] ?? before['first_byte']),
      ended: nanoseconds(own['ended'] ?? before['ended']),
    },
    leafHash: hashLeaf(leaf).toString('hex'),
    approval: isJsonObject(approval) ? approval : record.kind === 'approval' ? record.facts : null,
    prompt,
  };
}

/** `code` beginnings that mean that countersign itself could not do its work; see lib/fault.ts. */
const faultCodes =
  /^(audit|approval|identity|policy|key)_unavailable$|^(policy|detection|masking)_failed$|^protocol_violation$|^internal$|^draining$/;

function actionOf(
  record: StoredRecord,
  decision: JsonObject,
  approval: JsonValue | undefined,
  masked: readonly MaskedCount[],
): Action | null {
  const { kind } = record;
  if (kind === 'approval') return approvalActions.get(text(record.facts['to'])) ?? 'pending';
  if (kind !== 'intent' && kind !== 'outcome' && kind !== 'aborted') return null;
  const code = text(record.facts['code']);
  if (kind === 'aborted' || record.facts['ended'] === 'fault' || faultCodes.test(code)) return 'error';
  if (code === 'approval_pending') return 'pending';
  if (code.startsWith('approval_')) return 'rejected';
  if (record.facts['ended'] === 'refused' || decision['action'] === 'deny') return 'block';
  if (masked.some(({ method }) => method !== null)) return 'mask';
  if (text(object(approval)['id']) !== '') return 'approved';
  return masked.length > 0 ? 'observe' : 'allow';
}

const approvalActions: ReadonlyMap<string, Action> = new Map([
  ['pending', 'pending'],
  ['approved', 'approved'],
  ['consumed', 'approved'],
  ['rejected', 'rejected'],
  ['expired', 'rejected'],
  ['revoked', 'rejected'],
  ['cancelled', 'rejected'],
]);

function counts(value: JsonValue | undefined): MaskedCount[] {
  return objects(value).map((row) => ({
    entity: text(row['entity']),
    method: typeof row['method'] === 'string' ? row['method'] : null,
    count: number(row['count']) ?? 0,
  }));
}

export function object(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function objects(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

export function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function number(value: JsonValue | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function flag(value: JsonValue | undefined): boolean | null {
  return typeof value === 'boolean' ? value : null;
}

function nanoseconds(value: JsonValue | undefined): bigint | null {
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : null;
}

/** Milliseconds since the epoch, as most formats have it. */
export function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000n);
}
