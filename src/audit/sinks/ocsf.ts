import { sha256Hex } from '../../lib/hash.ts';
import type { JsonObject } from '../../lib/json.ts';
import { type CheckpointFacts, type Members, type Product, pruned, type Rendered } from './format.ts';
import { providerOf } from './providers.ts';
import { type Action, milliseconds, object, type RecordView, text } from './record-view.ts';

/** Version of the schema that these documents keep to. One file, so that the next version is one change. */
export const ocsfVersion = '1.8.0';

type Severity = Rendered['severity'];

/** The `security_control` profile: action_id, disposition_id; and status_id, severity_id of the event. */
const controls: Readonly<Record<Action, readonly [number, number, number, Severity]>> = {
  allow: [1, 1, 1, 1],
  mask: [4, 11, 1, 2],
  block: [2, 2, 2, 3],
  pending: [3, 14, 99, 2],
  approved: [1, 8, 1, 2],
  rejected: [2, 25, 2, 3],
  observe: [3, 15, 1, 2],
  error: [2, 27, 2, 4],
};

/**
 * A record as OCSF events: API Activity for what belongs to an exchange, Entity Management for policy, configuration and
 * the life of records, Application Lifecycle for the log itself; and beside a blocked or masked exchange its finding.
 */
export function ocsfDocuments(view: RecordView, product: Product): readonly Rendered[] {
  switch (view.record.kind) {
    case 'intent':
    case 'outcome':
    case 'aborted':
    case 'approval':
      return [apiActivity(view, product), ...findings(view, product)];
    case 'open':
    case 'close':
    case 'recovery':
      return [lifecycle(view, product)];
    default:
      return [entityManagement(view, product)];
  }
}

function apiActivity(view: RecordView, product: Product): Rendered {
  const { record, action, model } = view;
  const [actionId, dispositionId, statusId, severity] = controls[action ?? 'allow'];
  const hasModel = model !== '';
  const provider = providerOf(view.dialect);
  const startMs = view.times.received === null ? null : milliseconds(view.times.received);
  const endMs = milliseconds(view.times.ended ?? record.wallNs);
  const { input, output } = view.usage;
  return {
    suffix: '',
    type: 'ocsf:6003',
    severity,
    document: pruned({
      metadata: metadata(view, product, ['ai_operation', 'security_control', ...(view.trace ? ['trace'] : [])]),
      status_id: statusId,
      status_code: view.code,
      status_detail: view.reason,
      start_time: startMs,
      end_time: startMs === null ? null : endMs,
      duration: startMs === null ? null : Math.max(0, endMs - startMs),
      actor: actor(view),
      api: pruned({
        operation: view.operation || record.kind,
        service: { name: provider.name },
        request: record.exchange === '' ? null : { uid: record.exchange },
        response: view.status === null ? null : { code: view.status },
      }),
      src_endpoint: endpoint(view, product),
      http_request: pruned({
        http_method: view.method,
        uid: view.method === '' ? '' : record.exchange,
        url: pruned({ path: view.path, hostname: hostname(view.host) }),
      }),
      ai_model: hasModel ? pruned({ ai_provider: provider.title, name: model, version: view.responseModel }) : null,
      message_context: pruned({
        uid: record.session,
        ai_role_id: 2,
        service: { name: 'countersign' },
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input !== null && output !== null ? input + output : null,
      }),
      action_id: actionId,
      disposition_id: dispositionId,
      is_alert: action === 'block' || action === 'rejected' || action === 'error',
      policy: policy(view),
      trace: view.trace
        ? { uid: view.trace.id, span: { uid: view.trace.span, start_time: startMs ?? endMs, end_time: endMs } }
        : null,
      raw_data_hash: manifestHash(view),
      unmapped: unmapped(view, {}, sentPrompt(view)),
      ...eventHead({ category: 6, cls: 6003, activity: 1, severity }, view),
    }),
  };
}

/** 1.8.0 has no place for texts; `message_context.prompt_text` is of 1.9.0. */
function sentPrompt({ prompt }: RecordView): JsonObject | undefined {
  if (prompt === null) return undefined;
  const messages = prompt.messages.map(({ role, texts }) => ({ role, text: texts.join('\n') }));
  return { messages, truncated: prompt.isTruncated };
}

/** Beside the activity, so that a masked or blocked exchange stands among the findings of a SIEM too. */
function findings(view: RecordView, product: Product): Rendered[] {
  if (view.record.kind === 'approval' || view.record.kind === 'aborted') return [];
  if (view.action !== 'block' && view.action !== 'mask') return [];
  const isBlock = view.action === 'block';
  const cls = isBlock ? 2004 : 2006;
  const [actionId, dispositionId, statusId, severity] = controls[view.action];
  const entities = [...new Set([...view.findings, ...view.masked].map(({ entity }) => entity))].sort();
  return [
    {
      suffix: '/finding',
      type: `ocsf:${cls}`,
      severity,
      document: pruned({
        metadata: metadata(view, product, ['security_control'], '/finding'),
        status_id: statusId === 2 ? 1 : statusId,
        status_detail: view.reason,
        finding_info: pruned({
          uid: `${view.record.id}/finding`,
          title: isBlock ? 'LLM request blocked by policy' : 'Sensitive data masked in LLM traffic',
          types: entities,
          analytic: view.rules[0] === undefined ? null : { name: view.rules[0], uid: view.rules[0], type_id: 1 },
          related_events: [{ uid: view.record.id, type_uid: 600301 }],
        }),
        // Detection Finding has an actor only in its evidence.
        evidences: view.caller === null || !isBlock ? null : [{ actor: actor(view) }],
        actor: view.caller === null || isBlock ? null : actor(view),
        data_security: isBlock ? null : { data_lifecycle_state_id: 2, policy: policy(view) ?? { name: 'countersign' } },
        action_id: actionId,
        disposition_id: dispositionId,
        is_alert: isBlock,
        policy: policy(view),
        unmapped: unmapped(view),
        ...eventHead({ category: 2, cls, activity: 1, severity }, view),
      }),
    },
  ];
}

function lifecycle(view: RecordView, product: Product): Rendered {
  const activity = view.record.kind === 'open' ? 3 : view.record.kind === 'close' ? 4 : 5;
  const severity: Severity = activity === 5 ? 3 : 1;
  return {
    suffix: '',
    type: 'ocsf:6002',
    severity,
    document: {
      metadata: metadata(view, product, []),
      app: { name: 'countersign', vendor_name: 'countersign', version: product.version, uid: view.origin },
      unmapped: unmapped(view),
      ...eventHead({ category: 6, cls: 6002, activity, severity }, view),
    },
  };
}

/** What was done to which entity. Reading counts too: who unsealed a record is on record. */
const entityActivities: ReadonlyMap<string, readonly [number, string]> = new Map([
  ['policy', [3, 'Policy']],
  ['config', [3, 'Configuration']],
  ['access', [2, 'Audit record']],
  ['hold', [8, 'Legal hold']],
  ['release', [9, 'Legal hold']],
  ['expire', [4, 'Audit record']],
  ['erase', [4, 'Audit record']],
  ['erase_deferred', [99, 'Audit record']],
]);

function entityManagement(view: RecordView, product: Product): Rendered {
  const { kind, facts } = view.record;
  const [activity, type] = entityActivities.get(kind) ?? [99, 'Audit record'];
  const severity: Severity = kind === 'access' || kind.startsWith('erase') || facts['event'] === 'refused' ? 2 : 1;
  const name = view.policyRevision || text(facts['record']) || text(facts['hold']) || kind;
  return {
    suffix: '',
    type: 'ocsf:3004',
    severity,
    document: pruned({
      metadata: metadata(view, product, []),
      activity_name: activity === 99 ? kind : null,
      entity: pruned({ name, type, policy: kind === 'policy' ? policy(view) : null }),
      actor: view.caller ? actor(view) : null,
      comment: text(facts['reason']),
      unmapped: unmapped(view, facts),
      ...eventHead({ category: 3, cls: 3004, activity, severity }, view),
    }),
  };
}

export function ocsfCheckpoint({ origin, size, note, timeNs }: CheckpointFacts, product: Product): Rendered {
  const time = milliseconds(timeNs);
  return {
    suffix: '',
    type: 'ocsf:6002',
    severity: 1,
    document: {
      activity_id: 99,
      activity_name: 'audit.checkpoint',
      category_uid: 6,
      class_uid: 6002,
      type_uid: 600_299,
      severity_id: 1,
      time,
      metadata: {
        version: ocsfVersion,
        uid: `checkpoint/${origin}/${size}`,
        log_name: origin,
        sequence: size,
        product: productOf(product),
      },
      app: { name: 'countersign', vendor_name: 'countersign', version: product.version, uid: origin },
      unmapped: { audit: { checkpoint: note, size: String(size), origin } },
    },
  };
}

interface EventClass {
  readonly category: number;
  readonly cls: number;
  readonly activity: number;
  readonly severity: Severity;
}

/** To be spread at the end of a document: the engine is fifty times as slow with a literal that begins with a spread. */
function eventHead({ category, cls, activity, severity }: EventClass, view: RecordView): Members {
  return {
    activity_id: activity,
    category_uid: category,
    class_uid: cls,
    type_uid: cls * 100 + activity,
    severity_id: severity,
    time: milliseconds(view.record.wallNs),
  };
}

function metadata(view: RecordView, product: Product, profiles: readonly string[], suffix = ''): Members {
  const { record } = view;
  return pruned({
    version: ocsfVersion,
    profiles,
    uid: `${record.id}${suffix}`,
    correlation_uid: record.exchange,
    sequence: record.sequence,
    logged_time: milliseconds(record.wallNs),
    log_name: view.origin,
    tenant_uid: view.caller?.tenant,
    product: productOf(product),
  });
}

function productOf(product: Product): JsonObject {
  return { name: 'countersign', vendor_name: 'countersign', version: product.version };
}

/** OCSF wants somebody: without a caller it is the gateway. */
function actor(view: RecordView): Members {
  const { caller, record } = view;
  if (caller === null) return { app_name: 'countersign' };
  return pruned({
    user: pruned({
      uid: caller.pseudonym,
      type_id: caller.kind === 'human' ? 1 : caller.kind === 'service' ? 4 : 0,
      groups: caller.groups.map((name) => ({ name })),
    }),
    session: pruned({ uid: record.session, issuer: caller.issuer }),
    authorizations: [
      pruned({
        decision: view.action === 'block' || view.action === 'rejected' ? 'Denied' : 'Approved',
        policy: policy(view),
      }),
    ],
  });
}

function policy(view: RecordView): JsonObject | null {
  if (view.policyRevision === '') return null;
  return { uid: view.policyRevision, name: 'countersign', version: view.policyRevision, is_applied: true };
}

function endpoint(view: RecordView, product: Product): JsonObject {
  return view.source === '' ? { name: product.host } : { ip: view.source };
}

/** A name without its port; what is no host name is left out. */
function hostname(host: string): string {
  const name = host.replace(/:\d+$/, '');
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(name) ? name : '';
}

function manifestHash(view: RecordView): JsonObject {
  return { algorithm_id: 3, value: sha256Hex(view.record.manifestBytes) };
}

/** What the schema has no place for: where the record stands in the tree, what became of which findings, and what was sent. */
function unmapped(view: RecordView, facts: JsonObject = {}, sent?: JsonObject): Members {
  const { record, approval } = view;
  return {
    audit: pruned({
      kind: record.kind,
      leaf_index: String(record.sequence),
      leaf_hash: view.leafHash,
      rules: view.rules,
      ended: view.ended,
      masked: view.masked.map(({ entity, method, count }) => ({ k: entity, n: count, method: method ?? undefined })),
      approvals:
        approval === null
          ? null
          : [
              pruned({
                id: text(approval['id'] ?? approval['approval']),
                state: text(approval['state'] ?? approval['to']),
              }),
            ],
      approvers: approvers(view),
      event: facts['event'],
      count: facts['count'],
      scope: facts['scope'],
      epoch: facts['epoch'],
      hold: facts['hold'],
      record: facts['record'],
      records: facts['records'],
      subject_key: facts['subject_key'],
      purpose: facts['purpose'],
    }),
    prompt_sent: sent,
  };
}

/** Who approved stands in the record in clear, because the record is who approved what; groups are what counted. */
function approvers(view: RecordView): readonly Members[] {
  const decisions = view.record.kind === 'approval' ? view.record.facts['decisions'] : undefined;
  if (!Array.isArray(decisions)) return [];
  return decisions.map((decision) => {
    const { verdict, at, groups } = object(decision);
    return pruned({ verdict: text(verdict), at: text(at), groups: Array.isArray(groups) ? groups : [] });
  });
}
