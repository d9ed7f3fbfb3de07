import { unreachable } from '../../lib/invariant.ts';
import type { JsonObject } from '../../lib/json.ts';
import { isForced } from '../state-machine.ts';
import type { Notice } from './notice.ts';

/** Everything that a template may name. What is not in this list cannot be sent: it is the border of what notices tell. */
export const fieldNames = [
  'event',
  'what',
  'approval',
  'state',
  'from',
  'tenant',
  'requester',
  'requester_kind',
  'on_behalf_of',
  'host',
  'path',
  'dialect',
  'model',
  'direction',
  'rules',
  'reasons',
  'findings',
  'groups',
  'quorum',
  'decided_by',
  'decision_reason',
  'digest',
  'exchange',
  'session',
  'policy_revision',
  'created',
  'pending_until',
  'grant_until',
  'link',
  'command',
  'masked_view',
] as const;

export type FieldName = (typeof fieldNames)[number];

/** All fields as one-line texts, but for the masked view. */
export type Fields = Readonly<Record<FieldName, string>>;

/** What a notice tells, for templates and as data. Texts are cut to bounds, and control characters are taken out. */
export interface Told {
  readonly fields: Fields;
  readonly data: JsonObject;
}

export interface Telling {
  /** Where people decide, with `{approval}` for the id; null: the command line only. */
  readonly link: string | null;
  /** Whether the masked conversation goes along. */
  readonly maskedView: boolean;
  /** Told to the requester: without the reason of a decision, unless the terms return it. */
  readonly toRequester?: boolean;
}

/** The state before, as the caller knows it; null for a new approval. */
export function tell(notice: Notice, from: string | null, { link, maskedView, toRequester = false }: Telling): Told {
  const { approval, event } = notice;
  const { held, terms } = approval;
  const last = approval.decisions.at(-1);
  const url = link === null ? '' : link.replaceAll('{approval}', encodeURIComponent(approval.id));
  const command = `countersign approvals get ${approval.id}`;
  const view = maskedView ? held.maskedView : '';
  const isReasonTold = !toRequester || terms.returnReason;
  const data: JsonObject = {
    event,
    approval: approval.id,
    version: approval.version,
    state: approval.state,
    from,
    forced: isForced(approval),
    tenant: line(held.tenant),
    requester: {
      issuer: line(held.requester.issuer),
      id: line(held.requester.id),
      display_name: line(held.requester.displayName ?? ''),
      kind: held.requesterKind,
      on_behalf_of: held.onBehalfOf === null ? null : line(held.onBehalfOf),
    },
    resource: {
      host: line(held.resource.host),
      path: line(held.resource.path),
      dialect: held.resource.dialect,
      model: held.resource.model === null ? null : line(held.resource.model),
    },
    direction: held.direction,
    rules: held.rules.map(line),
    reasons: held.reasons.map(line),
    findings: held.findings.map(({ entity, count }) => ({ entity, count })),
    approver_groups: terms.approverGroups.map(line),
    quorum: terms.quorum,
    decisions: approval.decisions.map(({ by, groups, verdict, reason, atMs }) => ({
      by: { issuer: line(by.issuer), id: line(by.id), display_name: line(by.displayName ?? '') },
      groups: groups.map(line),
      verdict,
      reason: reason === null || !isReasonTold ? null : line(reason),
      at: iso(atMs),
    })),
    uses_left: approval.usesLeft,
    digest: approval.digest,
    exchange: held.exchange,
    session: line(held.session),
    policy_revision: held.policyRevision,
    created: iso(approval.createdAtMs),
    pending_until: iso(approval.pendingUntilMs),
    grant_until: approval.grantUntilMs === null ? null : iso(approval.grantUntilMs),
    link: url === '' ? null : url,
    command,
    ...(maskedView ? { masked_view: view } : {}),
  };
  const fields: Fields = {
    event,
    what: what(notice),
    approval: approval.id,
    state: approval.state,
    from: from ?? '',
    tenant: line(held.tenant),
    requester: line(held.requester.displayName ?? '') || line(held.requester.id) || 'somebody unknown',
    requester_kind: held.requesterKind,
    on_behalf_of: line(held.onBehalfOf ?? ''),
    host: line(held.resource.host),
    path: line(held.resource.path),
    dialect: held.resource.dialect,
    model: line(held.resource.model ?? '') || 'a model',
    direction: held.direction,
    rules: list(held.rules),
    reasons: list(held.reasons),
    findings: list(held.findings.map(({ entity, count }) => `${entity} ×${count}`)) || 'nothing',
    groups: list(terms.approverGroups),
    quorum: String(terms.quorum),
    decided_by: last === undefined ? '' : line(last.by.displayName ?? '') || line(last.by.id),
    decision_reason: isReasonTold ? line(last?.reason ?? '') : '',
    digest: approval.digest,
    exchange: held.exchange,
    session: line(held.session),
    policy_revision: held.policyRevision,
    created: iso(approval.createdAtMs),
    pending_until: iso(approval.pendingUntilMs),
    grant_until: approval.grantUntilMs === null ? '' : iso(approval.grantUntilMs),
    link: url,
    command,
    masked_view: view,
  };
  return { fields, data };
}

function what({ event, approval }: Notice): string {
  switch (event) {
    case 'created':
      return 'waits for approval';
    case 'decided':
      return approval.state === 'rejected' ? 'was rejected' : 'was approved';
    case 'break_glass':
      return 'was approved by break-glass';
    case 'expired':
      return approval.grantUntilMs === null ? 'expired: nobody decided in time' : 'expired: the grant was not used up';
    case 'revoked':
      return 'was approved, and that was taken back';
    case 'cancelled':
      return 'was withdrawn';
    default:
      return unreachable(event);
  }
}

const lineCharsMax = 300;

/** One line without control characters and marks that turn the direction of writing; cut. */
function line(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ');
  return clean.length > lineCharsMax ? `${clean.slice(0, lineCharsMax - 1).toWellFormed()}…` : clean.toWellFormed();
}

function list(items: readonly string[]): string {
  return line(items.join(', '));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
