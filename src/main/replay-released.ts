import type { OpenedBody, StoredRecord } from '../audit/read.ts';
import type { Detector } from '../detect/finding.ts';
import { type AnswerBody, createAnswerBody } from '../exchange/answer-body.ts';
import type { ResponseHead } from '../exchange/exchange.ts';
import { readAnswer } from '../exchange/read-answer.ts';
import type { Subject } from '../identity/subject.ts';
import { Fault } from '../lib/fault.ts';
import { isJsonObject, type JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { emptyConversation } from '../llm/conversation.ts';
import type { Dialect, RouteFacts } from '../llm/dialect.ts';
import type { Minter } from '../mask/placeholder.ts';
import { createRestorables, type Restorables, type Restoration, type Restorer } from '../mask/restorables.ts';
import type { Decision } from '../policy/decision.ts';
import { type BodyAgain, type Compared, compareBytes, type Writing } from './replay-bytes.ts';
import { mintingOf, notComparable, recordedPlan, shownPointer } from './replay-sent.ts';

/** An answer as it came, and what the decision about it was and is. */
export interface AnswerAgain {
  readonly intent: StoredRecord;
  readonly outcome: StoredRecord;
  /** Of the outcome. */
  readonly bodies: readonly OpenedBody[];
  readonly subject: Subject;
  readonly dialect: Dialect;
  readonly route: RouteFacts;
  readonly head: ResponseHead;
  readonly detector: Detector;
  readonly again: Decision;
  /** The request compared, for what its answer could be given back. May reject with a Fault. */
  readonly request: () => Promise<Compared>;
}

/**
 * Lets an answer that came whole, and went out whole, through the same masking and putting back once more, and compares what that gives with what
 * the caller got: JSON and streams alike, since what is released depends on no cutting.
 */
export async function compareReleased(answer: AnswerAgain, writing: Writing): Promise<Compared> {
  const { intent, outcome, bodies, subject, dialect, route, detector, again } = answer;
  const { facts } = outcome;
  const output = bodies.find(({ name }) => name === 'output');
  const released = bodies.find(({ name }) => name === 'output_released');
  const ended = facts['ended'];
  if (ended !== 'complete') return notComparable(`it did not go out whole: ${typeof ended === 'string' ? ended : '?'}`);
  if (facts['output_truncated'] === true) return notComparable('of the answer only its beginning was kept');
  if (output === undefined) return notComparable('what came was not kept, as policy said (capture), or nothing came');
  if (!isDialectOf(intent, dialect)) return notComparable('it is read as another dialect than then');
  const recorded = isJsonObject(facts['decision']) ? facts['decision'] : {};
  const plan = recordedPlan(recorded, again);
  if (plan === null) return notComparable('policy masks otherwise now, and the record holds not all of how it did');
  const request = restorationsOf(intent).length > 0 ? await answer.request().catch(unread) : null;
  if (request !== null && request.outcome.result !== 'same') {
    return notComparable('values were to be put back, and what stood for them in the request is not certain');
  }
  const restorables = request === null ? null : restorablesOf(intent, request);
  const head = contentOf(answer.head, outcome);
  const open = (minter: Minter, restorer: Restorer | null): AnswerBody =>
    createAnswerBody({
      route,
      head,
      dialect,
      detector,
      plan,
      minter,
      restorer,
      recoding: 'identity',
      bodyBytesMax: limits.bodyBytesMax,
      exchangeId: outcome.exchange,
      onHeldBack: () => {},
    });
  const plainHead = { ...head, headers: new Map([['content-type', head.headers.get('content-type') ?? '']]) };
  const body: BodyAgain = {
    recorded: released?.content ?? output.content,
    write: async (minter) => {
      // Counts what it puts back, so each writing has its own.
      const through = open(minter, restorables?.forAnswer(again.redact) ?? null);
      const first = through.push(output.content, true);
      const rest = await through.finish();
      if (!rest.ok) throw new Fault('masking_failed', rest.error.code);
      return Buffer.concat([first.bytes, rest.value.bytes]);
    },
    texts: async (written) => {
      const read = await readAnswer(route, plainHead, dialect, written, limits.bodyBytesMax);
      return read.ok ? read.value.texts.segments : null;
    },
    shown: (pointer) => shownPointer(detector, pointer),
  };
  const isKept = restorables?.forAnswer(again.redact)?.knows;
  const minting = mintingOf(outcome, subject, writing);
  return compareBytes(body, { ...minting, known: request?.written ?? [], ...(isKept ? { isKept } : {}) });
}

/** A request without a body that can be read names none on record. */
function isDialectOf({ facts }: StoredRecord, { id }: Dialect): boolean {
  const { dialect } = facts;
  return dialect === id || dialect === emptyConversation.dialect;
}

function unread(thrown: unknown): Compared {
  return notComparable(Fault.from(thrown).message);
}

/** What may be put back: none where ext_authz had judged the request, since it masks nothing. */
function restorationsOf({ facts }: StoredRecord): readonly Restoration[] {
  const decision = facts['decision'];
  const lines = facts['final'] !== true && isJsonObject(decision) ? decision['restore'] : [];
  return Array.isArray(lines) ? lines.filter(isJsonObject).map(restoration) : [];
}

function restoration({ entity, tools }: JsonObject): Restoration {
  return { entity: typeof entity === 'string' ? entity : '', tools: tools === true };
}

function restorablesOf(intent: StoredRecord, { written }: Compared): Restorables {
  const restorables = createRestorables(restorationsOf(intent));
  for (const { form, entity, value, written: placeholder } of written) {
    if (form !== 'hash') restorables.add(placeholder, entity, value);
  }
  return restorables;
}

/** An answer that named no media type is recorded as a binary one, but was read as JSON. */
function contentOf(head: ResponseHead, { facts }: StoredRecord): ResponseHead {
  const { uninspected } = facts;
  const wasBinary = Array.isArray(uninspected) && uninspected.includes('binary');
  if (wasBinary || head.headers.get('content-type') !== 'application/octet-stream') return head;
  return { ...head, headers: new Map([...head.headers, ['content-type', '']]) };
}
