import type { OpenedBody, StoredRecord } from '../audit/read.ts';
import type { ResponseHead } from '../exchange/exchange.ts';
import { inspect } from '../exchange/inspect.ts';
import { readAnswer } from '../exchange/read-answer.ts';
import { Fault } from '../lib/fault.ts';
import { isJsonObject, type JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { type Conversation, emptyConversation } from '../llm/conversation.ts';
import type { RouteFacts } from '../llm/dialect.ts';
import { createDialects } from '../llm/dialects.ts';
import type { Decision, PolicyInput } from '../policy/decision.ts';
import { buildPolicyInput, type PolicyFacts } from '../policy/input.ts';
import {
  compared,
  headOf,
  object,
  type ReplayDeps,
  type Replayed,
  type ReplayPolicy,
  sentAgain,
  subjectOf,
  text,
  unrecordedParts,
} from './replay.ts';
import { compareReleased } from './replay-released.ts';

/** A record, and what was sealed in it. */
export interface OpenedRecord {
  readonly record: StoredRecord;
  readonly bodies: readonly OpenedBody[];
}

/** The record of a decision about an answer. What it was an answer to stands in the intent of its exchange. */
export function isAnswerDecided({ kind, facts }: StoredRecord): boolean {
  return kind === 'outcome' && facts['final'] === false && isJsonObject(facts['decision']);
}

/**
 * Takes the decision about an answer again, as the service does: once when only its headers are known, and where that holds it, once more with
 * its text, from the sealed output. Then lets the answer through once more and compares what the caller got. Throws Fault `internal` when the text is needed and was not kept, or cannot be read.
 */
export async function decideAnswerAgain(
  intent: OpenedRecord,
  outcome: OpenedRecord,
  policy: ReplayPolicy,
  deps: ReplayDeps,
): Promise<Replayed> {
  const { config, detector, writing } = deps;
  const asked = intent.record.facts;
  const { facts } = outcome.record;
  const status = typeof facts['status'] === 'number' ? facts['status'] : null;
  const original = intent.bodies.find(({ name }) => name === 'prompt_original');
  const headers = new Map(original === undefined ? [] : [['content-type', original.mediaType]]);
  const about: Conversation = {
    ...emptyConversation,
    dialect: text(asked['dialect']),
    operation: text(asked['operation']) || emptyConversation.operation,
    model: text(asked['model']) || null,
    stream: asked['stream'] === true,
  };
  const subject = subjectOf(intent.bodies.find(({ name }) => name === 'caller'));
  const method = text(asked['method']);
  const route: RouteFacts = { method, path: text(asked['path']), header: (name) => headers.get(name) ?? null };
  const dialect = createDialects(config.routes)(route, route.header('content-type'));
  const known: Omit<PolicyFacts, 'conversation' | 'scans' | 'isComplete'> = {
    phase: 'response',
    exchange: {
      id: outcome.record.exchange,
      session: outcome.record.session,
      receivedNs: BigInt(text(object(asked['t'])['received']) || '0'),
    },
    subject,
    head: headOf(intent.record, headers),
    policyHeaders: config.policy.headers,
    status,
  };
  const caveats = [...unrecordedParts(policy), ...handoverCaveats(intent.record, facts)];
  const recorded = object(facts['decision']);
  const first = policy.pinned.evaluate(
    buildPolicyInput({ ...known, conversation: about, scans: [], isComplete: false }),
  );
  // One that was held and never judged by its text (nobody waited for it any more, or it could not be read) has but its first decision.
  const isFirst = recorded['action'] === 'hold' && facts['approval'] === undefined;
  if (first.action !== 'hold' || isFirst) return comparedWith(first);
  const input = await withText();
  tellOfDetectors();
  return comparedWith(await policy.pinned.decide(input));

  async function comparedWith(again: Decision): Promise<Replayed> {
    if (writing === null) return compared('response', recorded, again, caveats, null);
    const answer = { intent: intent.record, outcome: outcome.record, bodies: outcome.bodies, subject, dialect, route };
    const head = headOfAnswer(text(facts['content_type']), bodyNamed('output') ?? Buffer.alloc(0));
    const request = () => sentAgain(intent.record, intent.bodies, policy, { ...deps, writing });
    const { outcome: sent } = await compareReleased({ ...answer, head, detector, again, request }, writing);
    if (sent.result === 'different') tellOfDetectors();
    return compared('response', recorded, again, caveats, sent);
  }

  function tellOfDetectors(): void {
    const caveat = 'the detectors are not those of then';
    if (asked['detectors'] !== detector.revision && !caveats.includes(caveat)) caveats.push(caveat);
  }

  function bodyNamed(wanted: string): Buffer | undefined {
    return outcome.bodies.find(({ name }) => name === wanted)?.content;
  }

  /** Policy wants to see the answer whole. */
  async function withText(): Promise<PolicyInput> {
    const output = bodyNamed('output');
    const received = object(facts['bytes'])['received'];
    if (output === undefined && received !== 0) throw new Fault('internal', 'the answer was not kept (capture)');
    if (facts['output_truncated'] === true) throw new Fault('internal', 'of the answer only its beginning was kept');
    const body = output ?? Buffer.alloc(0);
    const read = await readAnswer(route, headOfAnswer(text(facts['content_type']), body), dialect, body, bodyBytesMax);
    if (!read.ok) throw new Fault('internal', `the answer cannot be read: ${read.error.message}`);
    const conversation = { ...about, ...read.value.texts };
    const scans = await inspect(detector, conversation.segments);
    return buildPolicyInput({ ...known, conversation, scans, isComplete: true });
  }

  function headOfAnswer(contentType: string, body: Buffer): ResponseHead {
    const encoding = text(facts['content_encoding']) || encodingOf(body);
    const pairs: [string, string][] = [['content-type', contentType]];
    if (encoding !== null) pairs.push(['content-encoding', encoding]);
    return { status: status ?? 200, headers: new Map(pairs) };
  }
}

const { bodyBytesMax } = limits;

/** Which filter judged the answer is not on record, but what ext_authz had decided says so itself. */
function handoverCaveats({ facts }: StoredRecord, outcome: JsonObject): string[] {
  if (facts['final'] !== true) return [];
  const others = isJsonObject(outcome['policy']) ? 'its time of arrival' : 'its policy and its time of arrival';
  return [`another filter judged the answer: ${others} may be other than on record`];
}

/** Of older records, which do not name it: two encodings begin with a mark (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1). */
function encodingOf(body: Buffer): 'gzip' | 'zstd' | null {
  if (body.length >= 2 && body.readUInt16BE(0) === 0x1f8b) return 'gzip';
  return body.length >= 4 && body.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : null;
}
