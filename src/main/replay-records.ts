import { join } from 'node:path';
import { openFileLog } from '../audit/file-log.ts';
import type { AuditKeys } from '../audit/keys.ts';
import { readLogs } from '../audit/logs.ts';
import { openBodies, readRecordAt, type StoredRecord } from '../audit/read.ts';
import { homeOf } from '../audit/shards.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { createPooledRandom, createUuidV7, type RandomBytes } from '../lib/ids.ts';
import { isJsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { createSessionKeys } from '../mask/session-keys.ts';
import { createFileSource } from '../policy/file-source.ts';
import { loadPolicy } from '../policy/opa-wasm.ts';
import { noMetrics, silentLog } from '../telemetry/telemetry.ts';
import { openAuditKeys } from './audit-keys.ts';
import { derivedKeys } from './keys.ts';
import { openKeyFile } from './masking-keys.ts';
import { createFollowingDetection } from './policy-detection.ts';
import { decideAgain, isDecided, type Replayed } from './replay.ts';
import { decideAnswerAgain, isAnswerDecided } from './replay-answer.ts';
import type { Writing } from './replay-bytes.ts';
import { createReplayPolicies } from './replay-policies.ts';

export interface ReplayRequest {
  /** Why; goes on record. */
  readonly reason: string;
  /** Another policy than the recorded ones; null: each record's own. */
  readonly policyFile: string | null;
  /** Folders of the logs to read, the configuration's own among them; all shards of each. */
  readonly logs: readonly string[];
  fits(record: StoredRecord): boolean;
}

/**
 * Decides every fitting record again, in order, and under its own policy also masks again what was let through. One `access` entry that
 * says why is durable before the first text is opened. A record that cannot be decided again yields the Fault that says why.
 */
export async function* decideRecords(
  config: Config,
  request: ReplayRequest,
): AsyncGenerator<{ readonly record: StoredRecord; readonly result: Replayed | Fault }> {
  const random = createPooledRandom();
  const keys = await openAuditKeys(config.audit, process.env, random);
  const detection = createFollowingDetection(config.detection, config.detection.presidio?.entities ?? []);
  const policies = createReplayPolicies(detection, loadPolicy);
  const { policyFile } = request;
  const other = policyFile === null ? null : await policies.load(await createFileSource(policyFile).read());
  // Another policy masks as it would have: that is no word about the masking of then.
  const writing = other === null ? await openWriting(config, keys, random, detection.entities) : null;
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
  const intents = createIntentPlaces();
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
        const policy = other ?? (await policies.of(judged, join(homeOf(judged.folder), 'policies')));
        const deps = { config, detector: policy.detector, writing };
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

/** With the keys of placeholders that this configuration has; a key file that is not here holds none. */
async function openWriting(
  config: Config,
  auditKeys: AuditKeys,
  random: RandomBytes,
  entities: ReadonlySet<string>,
): Promise<Writing> {
  const { key, keyFile, scope } = config.masking;
  const derived = key === null ? [] : [derivedKeys(key.reveal(), random).placeholder];
  const [first, ...others] = keyFile === null ? derived : await openKeyFile(keyFile, auditKeys).catch(none);
  const keys = first && createSessionKeys({ clock: systemClock, entities }, [first, ...others]);
  return { keysOf: (tenant) => keys?.all(tenant) ?? [], entities, maskingScope: scope, random };
}

function none(thrown: unknown): readonly [] {
  const { code } = Fault.from(thrown);
  if (code !== 'key_unavailable') throw thrown;
  return [];
}
