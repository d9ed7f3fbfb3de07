import { join } from 'node:path';
import { openFileLog } from '../audit/file-log.ts';
import { readLogs } from '../audit/logs.ts';
import { openBodies, readRecordAt, type StoredRecord } from '../audit/read.ts';
import { homeOf } from '../audit/shards.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { createPooledRandom, createUuidV7 } from '../lib/ids.ts';
import { isJsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { readKeptBundle } from '../policy/bundle-store.ts';
import { createFileSource } from '../policy/file-source.ts';
import { loadPolicy } from '../policy/opa-wasm.ts';
import { noMetrics, silentLog } from '../telemetry/telemetry.ts';
import { openAuditKeys } from './audit-keys.ts';
import { detectorFrom } from './detector.ts';
import { decideAgain, isDecided, type Replayed, type ReplayPolicy } from './replay.ts';
import { decideAnswerAgain, isAnswerDecided } from './replay-answer.ts';

export interface ReplayRequest {
  /** Why; goes on record. */
  readonly reason: string;
  /** Another policy than the recorded ones; null: each record's own. */
  readonly policyFile: string | null;
  /** Folders of the logs to read, the configuration's own among them; all shards of each. */
  readonly logs: readonly string[];
  fits(record: StoredRecord): boolean;
}

/** Policies in memory at once. */
const policiesMax = 8;

/**
 * Decides every fitting record again, in order. One `access` entry that says why is durable before the first text is
 * opened. A record that cannot be decided again yields the Fault that says why.
 */
export async function* decideRecords(
  config: Config,
  request: ReplayRequest,
): AsyncGenerator<{ readonly record: StoredRecord; readonly result: Replayed | Fault }> {
  const random = createPooledRandom();
  const keys = await openAuditKeys(config.audit, process.env, random);
  const { directory, origin } = config.audit;
  const log = await openFileLog({
    directory,
    origin,
    keys,
    clock: systemClock,
    random,
    newId: createUuidV7(systemClock, random),
    observe: { log: silentLog, metrics: noMetrics },
    openFacts: { purpose: 'replay' },
  });
  const deps = { config, detector: detectorFrom(config.detection).detector };
  const intents = createIntentPlaces();
  const policies = new Map<string, ReplayPolicy>();
  const other = request.policyFile === null ? null : await loadFile(request.policyFile);
  try {
    const facts = { purpose: 'replay', reason: request.reason, policy: other?.pinned.revision ?? 'recorded' };
    const { id: access } = await log.append({ kind: 'access', exchange: '', session: '', facts, bodies: {} });
    const startNs = systemClock.nowNs();
    let isAccessSeen = false;
    for await (const record of readLogs(request.logs)) {
      // What other writers put on record meanwhile is of the next replay.
      isAccessSeen ||= record.id === access;
      const isLater = homeOf(record.folder) === directory ? isAccessSeen : record.wallNs > startNs;
      if (isLater) continue;
      if (record.kind === 'intent') intents.add(record);
      const isAnswer = isAnswerDecided(record);
      const place = isAnswer ? intents.take(record.exchange) : null;
      if (!(isAnswer || isDecided(record)) || !request.fits(record)) continue;
      try {
        const intent = isAnswer ? await intentAt(place) : record;
        // An answer says itself what it was decided by; older ones do not, and had the same as their request but behind ext_authz.
        const judged = isAnswer && isJsonObject(record.facts['policy']) ? record : intent;
        const policy = other ?? (await recorded(judged, policies, join(homeOf(judged.folder), 'policies')));
        const bodies = await openBodies(record.folder, record, keys);
        const result = isAnswer
          ? await decideAnswerAgain(
              { record: intent, bodies: await openBodies(intent.folder, intent, keys) },
              { record, bodies },
              policy,
              deps,
            )
          : await decideAgain(record, bodies, policy, deps);
        yield { record, result };
      } catch (thrown) {
        yield { record, result: Fault.from(thrown) };
      }
    }
  } finally {
    await log.close();
  }
}

type Place = Pick<StoredRecord, 'folder' | 'segment' | 'offset'>;

/** Where the intents lie to which an outcome may come; of the oldest ones that is forgotten. */
function createIntentPlaces(): { add(intent: StoredRecord): void; take(exchange: string): Place | null } {
  const places = new Map<string, Place>();
  return {
    add: ({ exchange, folder, segment, offset }) => {
      places.set(exchange, { folder, segment, offset });
      const [oldest] = places.keys();
      if (places.size > limits.replayIntentsMax && oldest !== undefined) places.delete(oldest);
    },
    take: (exchange) => {
      const place = places.get(exchange) ?? null;
      places.delete(exchange);
      return place;
    },
  };
}

async function intentAt(place: Place | null): Promise<StoredRecord> {
  const intent = place === null ? null : await readRecordAt(place.folder, place.segment, place.offset);
  if (intent === null) throw new Fault('internal', 'what it was an answer to is not on record any more');
  return intent;
}

async function recorded(record: StoredRecord, known: Map<string, ReplayPolicy>, folder: string): Promise<ReplayPolicy> {
  const { policy } = record.facts;
  const revision = isJsonObject(policy) ? policy['revision'] : undefined;
  if (typeof revision !== 'string') throw new Fault('policy_unavailable', 'the record names no policy');
  const loaded = known.get(revision);
  if (loaded !== undefined) return loaded;
  const bundle = await readKeptBundle(folder, revision);
  const fresh = { pinned: await loadPolicy(bundle), reads: bundle.reads };
  const [oldest] = known.keys();
  if (known.size >= policiesMax && oldest !== undefined) known.delete(oldest);
  known.set(revision, fresh);
  return fresh;
}

async function loadFile(file: string): Promise<ReplayPolicy> {
  const bundle = await createFileSource(file).read();
  return { pinned: await loadPolicy(bundle), reads: bundle.reads };
}
