import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditRoles } from '../api/audit-access.ts';
import { createAuditService } from '../api/audit-service.ts';
import type { Gate } from '../approval/approval.ts';
import type { AuditLog } from '../audit/entry.ts';
import { nodeFs } from '../audit/fs-port.ts';
import { openIndexInThread } from '../audit/index-worker.ts';
import { createJoinedIndex, type IndexedLog } from '../audit/joined-index.ts';
import type { AuditKeys } from '../audit/keys.ts';
import { layout } from '../audit/layout.ts';
import { byHome, logsIn } from '../audit/logs.ts';
import { openBodies, readRecordAt } from '../audit/read.ts';
import type { RecordIndex } from '../audit/record-index.ts';
import { createRetention } from '../audit/retention.ts';
import { placeOf, shardAt, shardNumber, shardsIn } from '../audit/shards.ts';
import { readPosition } from '../audit/sinks/cursor.ts';
import { createSteadyClock } from '../audit/steady-clock.ts';
import type { SubjectKeys } from '../audit/subject-keys.ts';
import type { VerifyReport } from '../audit/verify.ts';
import { verifyInThread } from '../audit/verify-worker.ts';
import { proveByWitnesses } from '../audit/witnessed-proof.ts';
import type { Config } from '../config/config.ts';
import { type PlaceholderDeps, placeholderValue } from '../exchange/placeholder-value.ts';
import type { Pseudonyms } from '../exchange/session.ts';
import type { AuditServiceServer } from '../gen/countersign/audit/v1/audit.ts';
import type { Authenticator } from '../identity/subject.ts';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { sinkSpecs } from './sinks.ts';

export interface AuditApiDeps {
  readonly log: AuditLog;
  readonly keys: AuditKeys;
  readonly subjects: SubjectKeys;
  readonly authenticator: Authenticator;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly observe: Log;
  readonly pseudonym: Pseudonyms;
  readonly placeholders: PlaceholderDeps;
}

/** The index, retention at work, and the service over both. */
export interface AuditApi {
  readonly service: AuditServiceServer;
  close(): Promise<void>;
}

/**
 * Opens what stands around the log: first of all it finishes every erasure and expiry that is on record, before anything is served.
 * Null when nobody has a role and nothing is to expire: then none of it is needed.
 */
export async function openAuditApi(config: Config, deps: AuditApiDeps): Promise<AuditApi | null> {
  const { directory, retention: kept } = config.audit;
  const { access } = config;
  const isWanted = hasRoles(access) || kept.bodiesMs !== null || kept.metadataMs !== null;
  if (!isWanted) return null;
  const index = await openIndexInThread(join(directory, 'index'), directory);
  const retention = createRetention(
    {
      directory,
      fs: nodeFs,
      log: deps.log,
      index,
      subjects: deps.subjects,
      time: createSteadyClock(nodeFs, directory, deps.clock, kept.settleMs),
      neededFrom: () => neededFrom(config.audit),
      observe: deps.observe,
    },
    kept,
  );
  try {
    await retention.start();
  } catch (thrown) {
    await index.close();
    throw thrown;
  }
  const followed = followWhileAsked(index, deps.clock);
  const expires = kept.bodiesMs !== null || kept.metadataMs !== null;
  const stopLooking = look(expires ? retention.expire : null, followed.tick, kept.checkMs, deps.observe);
  const others = readOthers(config.audit);
  const logs = createJoinedIndex(async () => [{ folder: directory, index: followed.index }, ...(await others.open())]);
  const service = createAuditService(
    {
      authenticator: deps.authenticator,
      index: followed.index,
      logs,
      retention,
      log: deps.log,
      gate: deps.gate,
      observe: deps.observe,
      read: ({ row, folder }) => readRecordAt(shardAt(folder, row.shard ?? '').folder, row.segment, row.offset),
      prove: proveByWitnesses,
      verifierKeyOf: ({ folder }) => readFileSync(layout.verifierKey(folder), 'utf8').trim(),
      verify: () => verifyAll(directory, config.audit.readFrom),
      open: (record) => openBodies(record.folder, record, deps.keys),
      valueOf: (record, bodies, placeholder) => placeholderValue(deps.placeholders, record, bodies, placeholder),
      pseudonymOf: (person) => deps.pseudonym({ authenticated: true, ...person }),
    },
    { ...access, approverGroups: access.reveal.approverGroups, approvalTtlMs: access.reveal.ttlMs },
  );
  return {
    service,
    close: async () => {
      await stopLooking();
      await others.close();
      await index.close();
    },
  };
}

/** Indices over the logs of other writers. They are made when somebody first asks, beside this process's own index. */
function readOthers({ directory, readFrom }: Config['audit']): {
  open(): Promise<readonly IndexedLog[]>;
  close(): Promise<void>;
} {
  const opened = new Map<string, Promise<RecordIndex>>();
  return {
    open: async () => {
      const logs = await otherLogs(directory, readFrom);
      return Promise.all(
        logs.map(async (folder) => {
          const name = sha256Hex(folder).slice(0, 16);
          const index = opened.get(folder) ?? openIndexInThread(join(directory, 'other-indices', name), folder);
          opened.set(folder, index);
          // What could not be opened is tried again by the next question.
          index.catch(() => opened.delete(folder));
          return { folder, index: await index };
        }),
      );
    },
    close: async () => {
      for (const index of opened.values()) await index.then((each) => each.close()).catch(() => undefined);
    },
  };
}

/** Folders of the logs of other writers, shards as the one log that they are of. */
async function otherLogs(directory: string, readFrom: string | null): Promise<string[]> {
  const logs = readFrom === null ? [] : await logsIn(readFrom);
  return [...byHome(logs).keys()].filter((folder) => folder !== directory);
}

async function verifyAll(directory: string, readFrom: string | null): Promise<readonly VerifyReport[]> {
  const homes = [directory, ...(await otherLogs(directory, readFrom))];
  return verifyInThread(homes.flatMap((home) => shardsIn(nodeFs, home).map(({ folder }) => folder)));
}

/** Place of the first record that one of the sinks has yet to deliver. */
function neededFrom(config: Config['audit']): number {
  const places = sinkSpecs(config).map(({ name }) => {
    const { shard = '', next } = readPosition(nodeFs, config.sinkDirectory, name) ?? { next: 0 };
    return placeOf(shardNumber(shard) ?? 0, next);
  });
  return Math.min(Number.MAX_SAFE_INTEGER, ...places);
}

function hasRoles({ readerGroups, auditorGroups, officerGroups }: AuditRoles): boolean {
  return readerGroups.length + auditorGroups.length + officerGroups.length > 0;
}

/** How often the index takes in what is new while somebody asks, so that a list has little to catch up with. */
const catchUpMs = 5_000;
const askedMs = 10 * 60_000;

/**
 * Taking in a record costs about as much as writing it, so the index rests while nobody asks. The first question after a rest waits
 * until the index is there again.
 */
function followWhileAsked(index: RecordIndex, clock: Clock): { index: RecordIndex; tick: () => Promise<unknown> } {
  let lastAskedMs = Number.NEGATIVE_INFINITY;
  return {
    index: {
      ...index,
      catchUp: () => {
        lastAskedMs = clock.nowMs();
        return index.catchUp();
      },
    },
    tick: async () => (clock.nowMs() - lastAskedMs < askedMs ? index.catchUp() : null),
  };
}

/** Looks for what is past its time, and keeps the index near the log's end. Returns what ends it and waits for what is under way. */
function look(
  expire: (() => Promise<unknown>) | null,
  catchUp: () => Promise<unknown>,
  checkMs: number,
  observe: Log,
): () => Promise<void> {
  let under: Promise<unknown> = Promise.resolve();
  const run = (act: () => Promise<unknown>) => () => {
    under = Promise.all([
      under,
      act().catch((thrown: unknown) => {
        const { code, message } = Fault.from(thrown);
        observe.error('audit retention failed', { code, reason: message });
      }),
    ]);
  };
  const timers = [setInterval(run(catchUp), catchUpMs)];
  if (expire !== null) timers.push(setInterval(run(expire), checkMs));
  return async () => {
    for (const timer of timers) clearInterval(timer);
    await under;
  };
}
