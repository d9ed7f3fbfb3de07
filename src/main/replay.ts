import type { OpenedBody, StoredRecord } from '../audit/read.ts';
import type { Config } from '../config/config.ts';
import type { Detector } from '../detect/finding.ts';
import { decisionFacts } from '../exchange/decision-facts.ts';
import { inspect } from '../exchange/inspect.ts';
import { anonymous, type Subject } from '../identity/subject.ts';
import { Fault } from '../lib/fault.ts';
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { atOnce } from '../lib/slices.ts';
import { emptyConversation } from '../llm/conversation.ts';
import type { RouteFacts } from '../llm/dialect.ts';
import { createDialects } from '../llm/dialects.ts';
import type { Decision, Phase, PinnedPolicy, PolicyInput } from '../policy/decision.ts';
import { buildPolicyInput, type PolicyRequestHead } from '../policy/input.ts';
import type { BytesAgain, Compared, Writing } from './replay-bytes.ts';
import { compareSent, type RequestAgain } from './replay-sent.ts';

/** A decision taken again, and what it let through written again. */
export interface Replayed {
  readonly phase: Phase;
  readonly recorded: JsonObject;
  readonly again: JsonObject;
  /** Members of the decision that differ; empty: the same. */
  readonly differs: readonly string[];
  /** Why a difference may come from something else than the policy; empty: nothing of the kind. */
  readonly caveats: readonly string[];
  /** What was sent on, to the model or to the caller, beside what masking writes now; null: only the decision was asked for. */
  readonly sent: BytesAgain | null;
}

/** A policy, and what of its input it may read; null: that cannot be said. */
export interface ReplayPolicy {
  readonly pinned: PinnedPolicy;
  readonly reads: readonly string[] | null;
}

export interface ReplayDeps {
  readonly config: Pick<Config, 'routes' | 'policy'>;
  readonly detector: Detector;
  /** Null: only the decision is taken again. */
  readonly writing: Writing | null;
}

/** The record of a request's decision: an intent, or the refusal that was the only record. */
export function isDecided({ kind, facts }: StoredRecord): boolean {
  return (kind === 'intent' || (kind === 'outcome' && facts['final'] === true)) && isJsonObject(facts['decision']);
}

/**
 * Takes the request's decision again from what is on record: the sealed original, the sealed caller, the time of arrival,
 * under a policy of the caller's choice. What is not on record (headers that policy may see, Envoy's metadata) is empty,
 * which `caveats` says when the policy may read it. Then masks it again and compares what was sent on. Throws Fault `internal` when the record
 * holds no original.
 */
export async function decideAgain(
  record: StoredRecord,
  bodies: readonly OpenedBody[],
  policy: ReplayPolicy,
  deps: ReplayDeps,
): Promise<Replayed> {
  const { input, request } = await takeAgain(record, bodies, policy, deps);
  const caveats = [...unrecordedParts(policy), ...detectorCaveats(record, input, deps.detector)];
  const sent = deps.writing === null ? null : (await compareSent(request, deps.writing)).outcome;
  return compared('request', object(record.facts['decision']), request.again, caveats, sent);
}

/** Only what was sent on, with what was written for which value. Throws as `decideAgain` does. */
export async function sentAgain(
  record: StoredRecord,
  bodies: readonly OpenedBody[],
  policy: ReplayPolicy,
  deps: ReplayDeps & { readonly writing: Writing },
): Promise<Compared> {
  const { request } = await takeAgain(record, bodies, policy, deps);
  return compareSent(request, deps.writing);
}

async function takeAgain(
  record: StoredRecord,
  bodies: readonly OpenedBody[],
  policy: ReplayPolicy,
  { config, detector }: ReplayDeps,
): Promise<{ readonly input: PolicyInput; readonly request: RequestAgain }> {
  const { facts } = record;
  const body = (name: string): OpenedBody | undefined => bodies.find((each) => each.name === name);
  const original = body('prompt_original');
  const capture = object(facts['decision'])['capture'];
  if (original === undefined && capture !== 'full') {
    throw new Fault('internal', 'the original was not kept, as policy said (capture)');
  }
  const headers = new Map(original === undefined ? [] : [['content-type', original.mediaType]]);
  const method = text(facts['method']);
  const path = text(facts['path']);
  const route: RouteFacts = { method, path, header: (name) => headers.get(name) ?? null };
  const dialect = createDialects(config.routes)(route, route.header('content-type'));
  const parsed =
    original === undefined || original.content.length === 0
      ? null
      : atOnce(dialect.readRequest(original.content, route));
  if (parsed !== null && !parsed.ok)
    throw new Fault('internal', `the original cannot be read: ${parsed.error.message}`);
  const conversation = parsed?.value.conversation ?? emptyConversation;
  const scans = await inspect(detector, conversation.segments);
  const subject = subjectOf(body('caller'));
  const input = buildPolicyInput({
    phase: 'request',
    exchange: {
      id: record.exchange,
      session: record.session,
      receivedNs: BigInt(text(object(facts['t'])['received']) || '0'),
    },
    subject,
    head: headOf(record, headers),
    policyHeaders: config.policy.headers,
    conversation,
    scans,
    status: null,
  });
  const again = await policy.pinned.decide(input);
  const known = { record, bodies, subject, dialect, route, scans, detector, again };
  return { input, request: { ...known, parsed: parsed?.value ?? null } };
}

/** What a request's head was, as far as it is on record. */
export function headOf({ facts }: StoredRecord, headers: ReadonlyMap<string, string>): PolicyRequestHead {
  return {
    method: text(facts['method']),
    path: text(facts['path']),
    host: text(facts['host']),
    headers,
    source: { address: text(facts['source']), principal: null },
    destination: '',
    contextExtensions: {},
    metadata: {},
  };
}

export function compared(
  phase: Phase,
  recorded: JsonObject,
  decision: Decision,
  caveats: readonly string[],
  sent: BytesAgain | null,
): Replayed {
  const again = decisionFacts(decision);
  const names = new Set([...Object.keys(again), ...Object.keys(recorded)]);
  const differs = [...names].filter((name) => !isSame(again[name], recorded[name]));
  return { phase, recorded, again, differs, caveats, sent };
}

function isSame(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  return canonicalJson(one ?? null) === canonicalJson(other ?? null);
}

/** Parts of the policy's input that a record does not hold. */
const unrecorded = ['http', 'envoy'] as const;

export function unrecordedParts({ reads }: ReplayPolicy): readonly string[] {
  return unrecorded
    .filter((part) => reads === null || reads.some((name) => name === part || name.startsWith(`${part}.`)))
    .map((part) => `the policy may read input.${part}, which is not on record`);
}

function detectorCaveats(record: StoredRecord, input: PolicyInput, detector: Detector): string[] {
  const caveats: string[] = [];
  if (record.facts['detectors'] !== detector.revision) caveats.push('the detectors are not those of then');
  const count = (rows: readonly { readonly count: JsonValue | undefined }[]): number =>
    rows.reduce((sum, row) => sum + (typeof row.count === 'number' ? row.count : 0), 0);
  const then = record.facts['findings'];
  const before = Array.isArray(then) ? count(then.filter(isJsonObject).map((row) => ({ count: row['count'] }))) : 0;
  const now = count(input.findings);
  if (before !== now) caveats.push(`${now} findings where ${before} are on record`);
  return caveats;
}

export function subjectOf(caller: OpenedBody | undefined): Subject {
  if (caller === undefined) return anonymous;
  const value: Partial<Subject> = JSON.parse(caller.content.toString());
  return { ...anonymous, ...value };
}

export function object(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

export function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
