import type { Subject } from '../identity/subject.ts';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { decodeBody } from '../llm/content-encoding.ts';
import { emptyConversation } from '../llm/conversation.ts';
import type { ExchangeContext } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestVerdict } from './exchange.ts';
import { openHandover } from './handover.ts';
import { openExchange } from './open-exchange.ts';
import { upstreamHeaders } from './upstream-headers.ts';

/**
 * Goes on from ext_authz's verdict on this same exchange: nothing is decided, recorded or consumed a second time. A verdict that is
 * not ours, too old, or about another body is a fault: something between the two filters is not as configured.
 */
export async function continueHandedOver(
  deps: ExchangeDeps,
  context: ExchangeContext,
  body: Buffer | null,
  sealed: JsonObject,
): Promise<RequestVerdict> {
  const handed = openHandover(deps.keys.handover, sealed, deps.clock.nowMs());
  if (handed === null) throw new Fault('protocol_violation', 'the ext_authz verdict in dynamic metadata is not valid');
  const decoded = decodeBody(body ?? Buffer.alloc(0), context.route.header('content-encoding'));
  if (!decoded.ok || sha256Hex(decoded.value) !== handed.bodyDigest) {
    throw new Fault('protocol_violation', 'the body is not the one that ext_authz judged');
  }
  const policy = deps.pdp.current();
  const exchange = openExchange(
    deps,
    {
      ...context,
      id: handed.exchangeId,
      subject: subjectOf(handed.subject),
      session: handed.session,
      conversation: { ...emptyConversation, ...handed.asked },
      policy,
      decision: { capture: handed.capture },
      // ext_authz cannot mask, so it forwarded no placeholder that could be put back.
      restorables: null,
      forwardedNs: deps.clock.nowNs(),
    },
    true,
  );
  return {
    kind: 'forward',
    body: null,
    headers: upstreamHeaders(deps.settings, context.head.headers, false),
    exchange,
    handover: {},
  };
}

/** Written by `sealHandover` from a Subject and protected by its MAC; read field by field all the same. */
function subjectOf(value: JsonObject): Subject {
  const text = (name: string): string => (typeof value[name] === 'string' ? value[name] : '');
  const orNull = (name: string): string | null => (typeof value[name] === 'string' ? value[name] : null);
  const list = (name: string): string[] => {
    const member: JsonValue | undefined = value[name];
    return Array.isArray(member) ? member.filter((item): item is string => typeof item === 'string') : [];
  };
  const kind = value['kind'];
  const claims = value['claims'];
  return {
    authenticated: value['authenticated'] === true,
    kind: kind === 'human' || kind === 'service' ? kind : 'anonymous',
    id: text('id'),
    issuer: text('issuer'),
    tenant: text('tenant'),
    displayName: orNull('displayName'),
    groups: list('groups'),
    roles: list('roles'),
    claims: isJsonObject(claims) ? claims : {},
    workload: orNull('workload'),
    onBehalfOf: orNull('onBehalfOf'),
    owners: list('owners'),
  };
}
