import { Fault } from '../lib/fault.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import type { HoldTerms } from '../policy/decision.ts';
import type { Approval, ApprovalState, DecisionMade, HeldRequest, Person } from './approval.ts';

export const states: readonly ApprovalState[] = [
  'pending',
  'approved',
  'rejected',
  'expired',
  'cancelled',
  'consumed',
  'revoked',
];
const verdicts: readonly DecisionMade['verdict'][] = ['approve', 'reject', 'revoke', 'cancel', 'break_glass'];
const matches: readonly HoldTerms['groupMatch'][] = ['any', 'all'];
const kinds: readonly HeldRequest['requesterKind'][] = ['human', 'service', 'anonymous'];
const directions: readonly HeldRequest['direction'][] = ['request', 'response', 'reveal'];

/** JSON of an approval, as stores keep it. */
export function encodeApproval(approval: Approval): string {
  return JSON.stringify(approval);
}

/**
 * Reads what `encodeApproval` wrote. Throws Fault `approval_unavailable` on anything else, naming the place: a store whose
 * rows cannot be read cannot be trusted to hold anyone.
 */
export function decodeApproval(json: string): Approval {
  return approvalFrom(object(parse(json), 'approval'));
}

/** The same for a value that is parsed already. */
export function approvalFrom(from: JsonObject): Approval {
  return {
    id: string(from, 'id'),
    digest: string(from, 'digest'),
    state: oneOf(from, 'state', states),
    held: heldFrom(member(from, 'held')),
    terms: termsFrom(member(from, 'terms')),
    createdAtMs: number(from, 'createdAtMs'),
    pendingUntilMs: number(from, 'pendingUntilMs'),
    grantUntilMs: from['grantUntilMs'] === null ? null : number(from, 'grantUntilMs'),
    usesLeft: number(from, 'usesLeft'),
    decisions: objects(from, 'decisions').map(decisionFrom),
    version: number(from, 'version'),
  };
}

export function parse(json: string): JsonValue {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new Fault('approval_unavailable', 'a stored approval is not JSON', cause);
  }
}

export function object(value: JsonValue | undefined, name: string): JsonObject {
  return isJsonObject(value) ? value : malformed(name);
}

function heldFrom(from: JsonObject): HeldRequest {
  const resource = member(from, 'resource');
  return {
    tenant: string(from, 'tenant'),
    requester: personFrom(member(from, 'requester')),
    requesterKind: oneOf(from, 'requesterKind', kinds),
    ...('requesterEmail' in from ? { requesterEmail: string(from, 'requesterEmail') } : {}),
    onBehalfOf: stringOrNull(from, 'onBehalfOf'),
    excluded: strings(from, 'excluded'),
    resource: {
      host: string(resource, 'host'),
      path: string(resource, 'path'),
      dialect: string(resource, 'dialect'),
      model: stringOrNull(resource, 'model'),
    },
    direction: oneOf(from, 'direction', directions),
    exchange: string(from, 'exchange'),
    session: string(from, 'session'),
    rules: strings(from, 'rules'),
    reasons: strings(from, 'reasons'),
    requesterReason: stringOrNull(from, 'requesterReason'),
    findings: objects(from, 'findings').map((one) => ({
      entity: string(one, 'entity'),
      count: number(one, 'count'),
    })),
    maskedView: string(from, 'maskedView'),
    policyRevision: string(from, 'policyRevision'),
  };
}

function termsFrom(from: JsonObject): HoldTerms {
  const grant = member(from, 'grant');
  return {
    approverGroups: strings(from, 'approverGroups'),
    quorum: number(from, 'quorum'),
    ttlS: number(from, 'ttlS'),
    waitS: number(from, 'waitS'),
    grant: { uses: number(grant, 'uses'), ttlS: number(grant, 'ttlS') },
    requireReason: boolean(from, 'requireReason'),
    // Rows from before these terms existed were held under what is the default now.
    groupMatch: 'groupMatch' in from ? oneOf(from, 'groupMatch', matches) : 'any',
    requireRequesterReason: 'requireRequesterReason' in from && boolean(from, 'requireRequesterReason'),
    returnReason: !('returnReason' in from) || boolean(from, 'returnReason'),
    allowSelf: 'allowSelf' in from && boolean(from, 'allowSelf'),
    breakGlassGroups: 'breakGlassGroups' in from ? strings(from, 'breakGlassGroups') : [],
  };
}

function decisionFrom(from: JsonObject): DecisionMade {
  return {
    by: personFrom(member(from, 'by')),
    groups: strings(from, 'groups'),
    verdict: oneOf(from, 'verdict', verdicts),
    reason: stringOrNull(from, 'reason'),
    atMs: number(from, 'atMs'),
    ...('isOwn' in from ? { isOwn: from['isOwn'] === true || malformed('isOwn') } : {}),
    ...('requestKey' in from ? { requestKey: string(from, 'requestKey') } : {}),
  };
}

function personFrom(from: JsonObject): Person {
  return {
    issuer: string(from, 'issuer'),
    id: string(from, 'id'),
    displayName: stringOrNull(from, 'displayName'),
  };
}

function member(from: JsonObject, name: string): JsonObject {
  return object(from[name], name);
}

function string(from: JsonObject, name: string): string {
  const value = from[name];
  return typeof value === 'string' ? value : malformed(name);
}

function stringOrNull(from: JsonObject, name: string): string | null {
  return from[name] === null ? null : string(from, name);
}

function number(from: JsonObject, name: string): number {
  const value = from[name];
  return typeof value === 'number' ? value : malformed(name);
}

function boolean(from: JsonObject, name: string): boolean {
  const value = from[name];
  return typeof value === 'boolean' ? value : malformed(name);
}

function strings(from: JsonObject, name: string): readonly string[] {
  return array(from, name).map((value) => (typeof value === 'string' ? value : malformed(name)));
}

function objects(from: JsonObject, name: string): readonly JsonObject[] {
  return array(from, name).map((value) => object(value, name));
}

function array(from: JsonObject, name: string): readonly JsonValue[] {
  const value = from[name];
  return Array.isArray(value) ? value : malformed(name);
}

function oneOf<T extends string>(from: JsonObject, name: string, allowed: readonly T[]): T {
  const value = from[name];
  return allowed.find((one) => one === value) ?? malformed(name);
}

export function malformed(name: string): never {
  throw new Fault('approval_unavailable', `a stored approval is malformed at "${name}"`);
}
