import { join } from 'node:path';
import { type Absence, createAbsence } from './verify-absence.ts';
import { type Bundle, type BundleReader, leafIn } from './verify-bundles.ts';
import { frameAt, hasWriteAfter } from './verify-frames.ts';
import { member, parse } from './verify-json.ts';
import { checkKeys } from './verify-keys.ts';
import { checkSealed, leafOf, recordIn } from './verify-manifest.ts';
import { listOptional, type ProblemList, readOptional, sha256 } from './verify-problems.ts';

export interface CheckedRecords {
  /** Records that are there, and records that have expired. */
  readonly count: number;
  readonly expired: number;
  /** Key files that are there although the record says that they were destroyed. */
  readonly overdue: readonly string[];
  readonly openIntents: number;
  readonly unfinishedBytes: number;
}

/** What a log's records tell those of the shards around it. */
export interface WalkedRecords {
  /** Exchange to the record id of its intent, where no outcome has come. */
  readonly open: ReadonlyMap<string, string>;
  /** Exchanges that had an intent. */
  readonly known: ReadonlySet<string>;
  /** Manifests that say what was destroyed. */
  readonly explanations: readonly object[];
  /** What its first record says of the shard before; null: nothing. */
  readonly previous: object | null;
  /** Name of the shard that follows, by its last record. */
  readonly next: string | null;
  /** Whether its first record is there. */
  readonly hasBeginning: boolean;
  /** Judges what is absent. `later`: explanations of the shards that follow. */
  conclude(later: readonly object[]): Promise<CheckedRecords>;
}

export interface RecordsToCheck {
  readonly directory: string;
  /** Folder with the keys of the records. */
  readonly keys: string;
  readonly origin: string | null;
  readonly covered: number;
  readonly bundle: BundleReader;
  /** The shard before it, which has been walked. */
  readonly before: Pick<WalkedRecords, 'open' | 'known'> | null;
  /** Told of every record that is there, in order. */
  readonly seen: (manifest: object) => void;
  readonly problems: ProblemList;
}

/** Walks all segments: frames, order, each record against its leaf and its sealed bytes, intents against outcomes. */
export async function checkRecords(check: RecordsToCheck): Promise<WalkedRecords> {
  const { directory, origin, covered, bundle, problems, before, seen } = check;
  const kept = await readKept(directory, covered, bundle, problems);
  const state: Walk = {
    absence: createAbsence(kept, origin),
    explanations: [],
    previous: null,
    following: null,
    hasBeginning: false,
    isFirstBelieved: before === null,
    next: 0,
    link: Buffer.alloc(8),
    bundle: { index: -1, leaves: null },
    open: new Map(before?.open),
    known: new Set(before?.known),
    epochs: new Set(),
    subjects: new Set(),
  };
  for (const manifest of kept) takeLink(manifest, state);
  let unfinishedBytes = 0;
  const names = (await listOptional(join(directory, 'segments'))).map(({ name }) => name).sort();
  for (const [i, name] of names.entries()) {
    const place = `segments/${name}`;
    const bytes = (await readOptional(join(directory, place))) ?? Buffer.alloc(0);
    const end = await checkSegment({ place, bytes, origin, covered, bundle, seen, problems, state });
    if (end === bytes.length) continue;
    // Bytes behind the last record are a write that was under way; anywhere else they are damage.
    if (i === names.length - 1 && state.next >= covered && !hasWriteAfter(bytes, end, state.next))
      unfinishedBytes = bytes.length - end;
    else problems.add('frames', `${place} at ${end}`, 'no intact frame stands here');
  }
  return {
    open: state.open,
    known: state.known,
    explanations: state.explanations,
    previous: state.previous,
    next: state.following,
    hasBeginning: state.hasBeginning,
    conclude: async (later) => {
      for (const manifest of later) state.absence.explain(manifest);
      const { absence, next, open } = state;
      // An ended shard may have lost its last records rightly, too; of any other log they are always there.
      if (next < covered) absence.gap(next, covered - 1);
      const overdue = await judgeAbsence(check.keys, state, covered, problems);
      const expired = absence.expired();
      const isEndLost = next < covered && absence.unexplained().some(({ last }) => last === covered - 1);
      const count = (isEndLost ? next : Math.max(next, covered)) - expired;
      return { count, expired, overdue, openIntents: open.size, unfinishedBytes };
    },
  };
}

/** Returns the keys that should be gone and are not. */
async function judgeAbsence(keys: string, state: Walk, covered: number, problems: ProblemList): Promise<string[]> {
  const { absence, next } = state;
  for (const { first, last } of absence.unexplained()) {
    const isEnd = next < covered && last === covered - 1;
    const what = isEnd
      ? `they hold ${Math.max(first, next)} records, the checkpoint covers ${covered}`
      : `records ${first} to ${last} are missing, and no record says why`;
    problems.add('records', 'segments', what);
  }
  for (const lost of absence.lostExplanations()) {
    const what = `records ${lost.first} to ${lost.last} have expired, and what was to be kept of them is not there`;
    problems.add('records', 'kept', what);
  }
  return checkKeys(keys, state, absence, problems);
}

/** Whether a record says what was destroyed, or which shard is beside this one. */
function takeLink(manifest: object, state: Walk): void {
  const facts = member(manifest, 'facts');
  const kind = member(manifest, 'kind');
  if (kind === 'erase' || kind === 'expire') state.explanations.push(manifest);
  const isFirst = member(manifest, 'seq') === '0';
  if (isFirst) state.hasBeginning = true;
  const previous = member(facts, 'previous');
  if (isFirst && kind === 'open' && typeof previous === 'object') state.previous = previous;
  const next = member(facts, 'next');
  // Nothing stands behind it.
  if (kind === 'close' && typeof next === 'string') state.following = next;
}

interface Walk {
  readonly absence: Absence;
  /** See `WalkedRecords`. */
  readonly explanations: object[];
  previous: object | null;
  following: string | null;
  hasBeginning: boolean;
  /** Whether the intents of the shard before are not known, so that the first header is believed. */
  isFirstBelieved: boolean;
  /** Sequence number of the record that must come next. */
  next: number;
  /** Null behind records that have expired: the next header says it, and the leaves vouch for the rest. */
  link: Buffer | null;
  /** The published leaves around the record. */
  bundle: { readonly index: number; readonly leaves: Bundle | null };
  /** Exchange to the record id of its intent. */
  readonly open: Map<string, string>;
  /** Exchanges that had an intent. */
  readonly known: Set<string>;
  readonly epochs: Set<string>;
  readonly subjects: Set<string>;
}

interface SegmentCheck {
  readonly place: string;
  readonly bytes: Buffer;
  readonly origin: string | null;
  readonly covered: number;
  readonly bundle: BundleReader;
  readonly seen: (manifest: object) => void;
  readonly problems: ProblemList;
  readonly state: Walk;
}

/** What was kept of expired segments, each line checked against the leaf that it was published as. */
async function readKept(
  directory: string,
  covered: number,
  bundle: BundleReader,
  problems: ProblemList,
): Promise<object[]> {
  const kept: object[] = [];
  const names = (await listOptional(join(directory, 'kept'))).map(({ name }) => name).sort();
  for (const name of names) {
    const place = `kept/${name}`;
    const lines = ((await readOptional(join(directory, place))) ?? Buffer.alloc(0))
      .toString()
      .split('\n')
      .filter(Boolean);
    for (const line of lines) {
      const parsed = parse(Buffer.from(line));
      const sequence = Number(member(parsed, 'seq'));
      const bytes = Buffer.from(String(member(parsed, 'manifest')));
      const manifest = parse(bytes);
      const leaves = sequence < covered ? bundle(Math.floor(sequence / 256)) : null;
      const leaf = leaves === null ? null : leafIn(leaves, sequence % 256);
      if (manifest === null || leaf === null || !leaf.equals(leafOf(bytes, manifest))) {
        problems.add('records', place, `what it keeps of record ${sequence} is not what the published leaf says`);
      } else kept.push(manifest);
    }
  }
  return kept;
}

/** Returns the offset behind the last intact frame. */
async function checkSegment(check: SegmentCheck): Promise<number> {
  const { place, bytes, problems, state } = check;
  let at = 0;
  const named = Number(/([0-9]{16})\.seg$/.exec(place)?.[1] ?? Number.NaN);
  const isAfterGap = named > state.next;
  if (isAfterGap) {
    state.absence.gap(state.next, named - 1);
    state.next = named;
    state.link = null;
    state.open.clear();
  }
  for (let frame = frameAt(bytes, 0); frame !== null; frame = frameAt(bytes, at)) {
    const where = `${place} at ${at}`;
    if (frame.isHeader !== (at === 0))
      problems.add('frames', where, 'a segment begins with one header and has no other');
    if (frame.sequence !== state.next) {
      problems.add('frames', where, `number ${frame.sequence} stands where ${state.next} should`);
      state.next = frame.sequence;
    } else if (state.link === null) {
      state.link = frame.link;
    } else if (!frame.link.equals(state.link)) {
      problems.add('frames', where, 'it does not follow the record before it');
    }
    if (frame.isHeader) checkHeader(check, frame.payload, where, isAfterGap);
    else await checkRecord(check, frame.payload, where);
    at += frame.bytes;
  }
  return at;
}

function checkHeader(
  { place, origin, problems, state }: SegmentCheck,
  payload: Buffer,
  where: string,
  isAfterGap: boolean,
): void {
  const header = parse(payload);
  if (header === null) {
    problems.add('frames', where, "the segment's header is not readable");
    return;
  }
  if (origin !== null && member(header, 'origin') !== origin)
    problems.add('frames', where, 'the segment is of another log');
  if (
    member(header, 'first') !== String(state.next) ||
    !place.endsWith(`/${String(state.next).padStart(16, '0')}.seg`)
  ) {
    problems.add('frames', where, 'the segment is not where its name says');
  }
  const open = member(header, 'open');
  const isBelieved = isAfterGap || (state.isFirstBelieved && state.next === 0);
  for (const [exchange, id] of Object.entries(typeof open === 'object' && open !== null ? open : {})) {
    if (isBelieved) {
      state.open.set(exchange, String(id));
      state.known.add(exchange);
    } else if (state.open.get(exchange) !== id)
      problems.add('frames', where, `it lists an open intent that is none: ${exchange}`);
  }
}

async function checkRecord(check: SegmentCheck, payload: Buffer, where: string): Promise<void> {
  const { problems, state, covered } = check;
  const sequence = state.next;
  state.next += 1;
  const place = `record ${sequence} (${where})`;
  const record = recordIn(payload);
  const manifest = record === null ? null : parse(record.manifest);
  if (record === null || manifest === null) {
    problems.add('records', place, 'the manifest is not readable');
    return;
  }
  const leaf = leafOf(record.manifest, manifest);
  state.link = sha256(Buffer.concat([Buffer.of(0), leaf])).subarray(0, 8);
  if (sequence < covered) {
    const bundle = Math.floor(sequence / 256);
    if (bundle !== state.bundle.index) state.bundle = { index: bundle, leaves: check.bundle(bundle) };
    const published = state.bundle.leaves === null ? null : leafIn(state.bundle.leaves, sequence % 256);
    if (published !== null && !published.equals(leaf))
      problems.add('records', place, 'the manifest is not that of the published leaf');
  }
  if (member(manifest, 'seq') !== String(sequence))
    problems.add('records', place, 'the manifest has another sequence number');
  if (check.origin !== null && member(manifest, 'origin') !== check.origin)
    problems.add('records', place, 'the manifest is of another log');
  const epoch = member(manifest, 'epoch');
  if (typeof epoch === 'string') state.epochs.add(epoch);
  const subject = member(manifest, 'subject');
  if (typeof subject === 'string') state.subjects.add(subject);
  state.absence.explain(manifest);
  takeLink(manifest, state);
  pair(manifest, place, state, problems);
  check.seen(manifest);
  checkSealed(manifest, record.sealed, place, problems);
}

function pair(manifest: object, place: string, state: Walk, problems: ProblemList): void {
  const exchange = String(member(manifest, 'exchange'));
  const isFinal = member(member(manifest, 'facts'), 'final') === true;
  switch (member(manifest, 'kind')) {
    case 'intent':
      state.known.add(exchange);
      if (!isFinal) state.open.set(exchange, String(member(manifest, 'id')));
      return;
    case 'outcome':
    case 'aborted':
      // A refusal is recorded by an outcome alone; it says that it is final.
      if (!isFinal && !state.known.has(exchange)) {
        problems.add('records', place, `${member(manifest, 'kind')} of exchange ${exchange}, which has no intent`);
      }
      state.open.delete(exchange);
      return;
    default:
      return;
  }
}
