import type { Config } from '../config/config.ts';
import { inspect } from '../exchange/inspect.ts';
import { sessionOf } from '../exchange/session.ts';
import { subjectFromClaims } from '../identity/claims.ts';
import { anonymous, type Subject } from '../identity/subject.ts';
import { systemClock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { atOnce } from '../lib/slices.ts';
import { decodeBody } from '../llm/content-encoding.ts';
import { emptyConversation } from '../llm/conversation.ts';
import type { RouteFacts } from '../llm/dialect.ts';
import { createDialects } from '../llm/dialects.ts';
import type { Decision, PolicyInput } from '../policy/decision.ts';
import { createFileSource } from '../policy/file-source.ts';
import { buildPolicyInput } from '../policy/input.ts';
import { loadPolicy } from '../policy/opa-wasm.ts';
import { detectorFrom } from './detector.ts';

export interface SimulatedRequest {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** Names lower-case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Of a token that would have been verified; null: no token. */
  readonly claims: JsonObject | null;
}

/** What the service would decide, with everything that led to it but the texts and the values. */
export interface Simulated {
  readonly decision: Decision;
  readonly findings: PolicyInput['findings'];
  readonly uninspected: PolicyInput['conversation']['uninspected'];
  readonly dialect: string;
  readonly model: string | null;
  readonly subject: Subject;
  /** Content address of the policy. */
  readonly revision: string;
}

/**
 * The request phase up to the decision, on this machine: same reading, same detection, same policy. Writes nothing. What keeps it from
 * deciding (a body that is refused unread, claims that no issuer of the configuration would yield) is the error, in words.
 */
export async function simulate(
  config: Config,
  request: SimulatedRequest,
  exchange: string,
): Promise<Result<Simulated, string>> {
  const { method, path, host, headers, body } = request;
  const subject = subjectOf(config, request.claims);
  if (!subject.ok) return subject;
  const route: RouteFacts = { method, path, header: (name) => headers.get(name) ?? null };
  const dialect = createDialects(config.routes)(route, route.header('content-type'));
  const plain = decodeBody(body, route.header('content-encoding'));
  if (!plain.ok) return err(`The body would be refused unread: ${plain.error.message}`);
  const parsed = plain.value.length === 0 ? null : atOnce(dialect.readRequest(plain.value, route));
  if (parsed !== null && !parsed.ok) return err(`The body would be refused unread: ${parsed.error.message}`);
  const conversation = parsed?.value.conversation ?? emptyConversation;
  const { detector } = detectorFrom(config.detection);
  const scans = await inspect(detector, conversation.segments);
  const policy = await policyOf(config);
  const head = {
    method,
    path,
    host,
    headers,
    source: { address: '127.0.0.1', principal: null },
    destination: '',
    contextExtensions: {},
    metadata: {},
  };
  const input = buildPolicyInput({
    phase: 'request',
    exchange: {
      id: exchange,
      session: sessionOf(head, config.session.header, conversation, exchange),
      receivedNs: systemClock.nowNs(),
    },
    subject: subject.value,
    head,
    policyHeaders: config.policy.headers,
    conversation,
    scans,
    status: null,
  });
  return ok({
    decision: policy.evaluate(input),
    findings: input.findings,
    uninspected: input.conversation.uninspected,
    dialect: dialect.id,
    model: conversation.model,
    subject: subject.value,
    revision: policy.revision,
  });
}

/** As the issuer that the claims name would have it; without a name, the first of the configuration. */
function subjectOf({ identity }: Config, claims: JsonObject | null): Result<Subject, string> {
  if (claims === null) return ok(anonymous);
  const named = claims['iss'];
  const issuer = identity.issuers.find((one) => named === undefined || one.issuer === named);
  if (issuer === undefined) return err('The configuration has no issuer that these claims could be of.');
  const subject = subjectFromClaims({ ...claims, iss: issuer.issuer }, issuer.claims);
  return subject.ok
    ? subject
    : err('These claims would be refused: one that is needed is missing, or of a wrong type.');
}

async function policyOf({ policy }: Config): ReturnType<typeof loadPolicy> {
  try {
    return await loadPolicy(await createFileSource(policy.bundle).read());
  } catch (thrown) {
    throw new Fault('policy_unavailable', `the policy bundle cannot be used: ${Fault.from(thrown).message}`, thrown);
  }
}
