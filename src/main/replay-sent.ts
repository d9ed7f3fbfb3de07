import type { OpenedBody, StoredRecord } from '../audit/read.ts';
import type { Detector, Scan } from '../detect/finding.ts';
import { decisionFacts } from '../exchange/decision-facts.ts';
import { placeholderScope } from '../exchange/session.ts';
import type { Subject } from '../identity/subject.ts';
import { canonicalJson, isJsonObject, type JsonObject } from '../lib/json.ts';
import { inSlices } from '../lib/slices.ts';
import type { Dialect, ParsedBody, RouteFacts } from '../llm/dialect.ts';
import { maskBody } from '../mask/mask-body.ts';
import { maskText } from '../mask/mask-text.ts';
import { createMinter } from '../mask/placeholder.ts';
import { compilePlan, type MaskPlan } from '../mask/plan.ts';
import type { Decision } from '../policy/decision.ts';
import { type BodyAgain, type Compared, compareBytes, type Minting, type Writing } from './replay-bytes.ts';

/** A request as it came, read again, and what the decision about it was and is. */
export interface RequestAgain {
  readonly record: StoredRecord;
  readonly bodies: readonly OpenedBody[];
  readonly subject: Subject;
  readonly dialect: Dialect;
  readonly route: RouteFacts;
  /** Null: there was no body. */
  readonly parsed: ParsedBody | null;
  readonly scans: readonly Scan[];
  readonly detector: Detector;
  readonly again: Decision;
}

/**
 * Masks what came once more, under the recorded plan, and compares that with what was sent on: what came where nothing was masked. Where masking
 * was done and then nothing sent (it was refused), with what would have been.
 */
export async function compareSent(request: RequestAgain, writing: Writing): Promise<Compared> {
  const { record, bodies, subject, dialect, route, parsed, scans, detector, again } = request;
  const { facts } = record;
  const recorded = isJsonObject(facts['decision']) ? facts['decision'] : {};
  const original = bodies.find(({ name }) => name === 'prompt_original');
  const sent = bodies.find(({ name }) => name === 'prompt_sent');
  if (parsed === null || original === undefined) return notComparable('there was no body');
  const isRefused = record.kind === 'outcome' || recorded['action'] === 'deny';
  if (isRefused && sent === undefined) return notComparable('nothing was sent on');
  if (parsed.conversation.dialect !== facts['dialect']) return notComparable('it is read as another dialect than then');
  if (holdsFindingsOf('presidio', facts))
    return notComparable('what the external recogniser had found where is not on record');
  const plan = recordedPlan(recorded, again);
  if (plan === null) return notComparable('policy masks otherwise now, and the record holds not all of how it did');
  const body: BodyAgain = {
    recorded: sent?.content ?? original.content,
    write: async (minter) => (await inSlices(maskBody(parsed, scans, 'input', plan, minter))).body,
    texts: async (written) => {
      const read = await inSlices(dialect.readRequest(written, route));
      return read.ok ? read.value.conversation.segments : null;
    },
    shown: (pointer) => shownPointer(detector, pointer),
  };
  return compareBytes(body, mintingOf(record, subject, writing));
}

export function notComparable(why: string): Compared {
  return { outcome: { result: 'not comparable', why }, written: [] };
}

export function mintingOf(
  { session, exchange }: Pick<StoredRecord, 'session' | 'exchange'>,
  subject: Subject,
  { keysOf, entities, maskingScope, random }: Writing,
): Minting {
  const scope = placeholderScope(maskingScope, subject, session, exchange);
  return { keys: keysOf(subject.tenant), scope, entities, known: [], random };
}

/**
 * The recorded plan. A record does not hold how much of a value `partial` keeps, nor what a dialect knows of blocks that are left out: those come from the
 * decision taken again, where it masks the same. Null: it does not.
 */
export function recordedPlan(recorded: JsonObject, again: Decision): MaskPlan | null {
  const facts = decisionFacts(again);
  const isSame = (member: string): boolean =>
    canonicalJson(recorded[member] ?? null) === canonicalJson(facts[member] ?? null);
  return isSame('redact') && isSame('omit') ? compilePlan(again.redact, again.omit) : null;
}

/** With what a detector finds in it labelled. */
export function shownPointer(detector: Detector, pointer: string): string {
  const minter = createMinter({ key: Buffer.alloc(32), scope: '', entities: new Set() });
  return maskText(pointer, detector.scan(pointer).findings, 'user', labelAll, minter).text;
}

const labelAll = compilePlan([{ entity: '*', method: 'label' }]);

function holdsFindingsOf(detector: string, { findings }: JsonObject): boolean {
  return Array.isArray(findings) && findings.some((row) => isJsonObject(row) && row['detector'] === detector);
}
