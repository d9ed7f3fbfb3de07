import { join } from 'node:path';
import { openFileLog } from '../audit/file-log.ts';
import { readLogs } from '../audit/logs.ts';
import { openBodies, type StoredRecord } from '../audit/read.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { createPooledRandom, createUuidV7 } from '../lib/ids.ts';
import { isJsonObject } from '../lib/json.ts';
import { readKeptBundle } from '../policy/bundle-store.ts';
import type { PinnedPolicy } from '../policy/decision.ts';
import { createFileSource } from '../policy/file-source.ts';
import { loadPolicy } from '../policy/opa-wasm.ts';
import { noMetrics, silentLog } from '../telemetry/telemetry.ts';
import { openAuditKeys } from './audit-keys.ts';
import { detectorFrom } from './detector.ts';
import { decideAgain, isDecided, type Replayed } from './replay.ts';

export interface ReplayRequest {
  /** Why; goes on record. */
  readonly reason: string;
  /** Another policy than the recorded ones; null: each record's own. */
  readonly policyFile: string | null;
  /** Folders of the logs to read, the configuration's own among them. */
  readonly logs: readonly string[];
  fits(record: StoredRecord): boolean;
}

interface Loaded {
  readonly pinned: PinnedPolicy;
  readonly reads: readonly string[] | null;
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
  const { detector } = detectorFrom(config.detection);
  const policies = new Map<string, Loaded>();
  const other = request.policyFile === null ? null : await loadFile(request.policyFile);
  try {
    const facts = { purpose: 'replay', reason: request.reason, policy: other?.pinned.revision ?? 'recorded' };
    const { sequence } = await log.append({ kind: 'access', exchange: '', session: '', facts, bodies: {} });
    const startNs = systemClock.nowNs();
    for await (const record of readLogs(request.logs)) {
      // What other writers put on record meanwhile is of the next replay.
      const isLater = record.folder === directory ? BigInt(record.sequence) >= sequence : record.wallNs > startNs;
      if (isLater) continue;
      if (!isDecided(record) || !request.fits(record)) continue;
      try {
        const policy = other ?? (await recorded(record, policies, join(record.folder, 'policies')));
        const bodies = await openBodies(record.folder, record, keys);
        yield { record, result: await decideAgain(record, bodies, policy, { config, detector }) };
      } catch (thrown) {
        yield { record, result: Fault.from(thrown) };
      }
    }
  } finally {
    await log.close();
  }
}

async function recorded(record: StoredRecord, known: Map<string, Loaded>, folder: string): Promise<Loaded> {
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

async function loadFile(file: string): Promise<Loaded> {
  const bundle = await createFileSource(file).read();
  return { pinned: await loadPolicy(bundle), reads: bundle.reads };
}
