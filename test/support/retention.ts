import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type FileLog, openFileLog } from '../../src/audit/file-log.ts';
import { nodeFs } from '../../src/audit/fs-port.ts';
import { openLevelIndex } from '../../src/audit/level-index.ts';
import { findRecords, openBodies } from '../../src/audit/read.ts';
import type { RecordIndex } from '../../src/audit/record-index.ts';
import { createRetention, type Retention } from '../../src/audit/retention.ts';
import type { Order } from '../../src/audit/retention-facts.ts';
import type { ShardRule } from '../../src/audit/shards.ts';
import { createSteadyClock } from '../../src/audit/steady-clock.ts';
import { openSubjectKeys, type SubjectKeys, sealForSubjects } from '../../src/audit/subject-keys.ts';
import { createPooledRandom, createUuidV7 } from '../../src/lib/ids.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { testKeys, testOrigin } from './audit.ts';
import { inlineWriter } from './audit-fs.ts';
import type { ManualClock } from './manual-clock.ts';

export const dayMs = 86_400_000;
export const officer: Order = {
  by: { issuer: 'https://idp.example.com', id: 'olga' },
  tenant: 'acme',
  groups: ['officers'],
  reason: 'asked for by letter',
};

/** A log with everything around it that keeps and destroys, over a clock that a test moves. */
export interface RetentionStack {
  readonly log: FileLog;
  readonly index: RecordIndex;
  readonly subjects: SubjectKeys;
  readonly retention: Retention;
  /** Puts an exchange of this person on record: intent and outcome. */
  exchange(id: string, subject: string, session?: string): Promise<void>;
  close(): Promise<void>;
}

export interface RetentionStackOptions {
  readonly directory: string;
  readonly origin?: string;
  readonly clock: ManualClock;
  readonly bodiesMs?: number | null;
  readonly metadataMs?: number | null;
  readonly shardsMs?: number | null;
  readonly shard?: ShardRule;
  readonly settleMs?: number;
  readonly onStep?: (step: string) => void;
  readonly neededFrom?: () => number;
}

export async function openRetentionStack(options: RetentionStackOptions): Promise<RetentionStack> {
  const { directory, clock, bodiesMs = 30 * dayMs, metadataMs = 90 * dayMs, shardsMs = null, settleMs = 0 } = options;
  const random = createPooledRandom();
  const keys = testKeys();
  const log = await openFileLog({
    directory,
    origin: options.origin ?? testOrigin,
    keys,
    clock,
    random,
    newId: createUuidV7(clock, random),
    observe: { log: silentLog, metrics: noMetrics },
    limits: { freeBytesMin: 0, checkpointIntervalMs: 5 },
    // No thread: it would take most of the time of a test.
    startWriter: inlineWriter(nodeFs),
    ...(options.shard ? { shard: options.shard } : {}),
  });
  const subjects = await openSubjectKeys({ directory, keys, random, cachedMax: 100 });
  const index = await openLevelIndex(join(directory, 'index'), directory);
  const retention = createRetention(
    {
      directory,
      fs: nodeFs,
      log,
      index,
      subjects,
      time: createSteadyClock(nodeFs, directory, clock, settleMs),
      neededFrom: options.neededFrom ?? (() => Number.MAX_SAFE_INTEGER),
      observe: silentLog,
      ...(options.onStep ? { onStep: options.onStep } : {}),
    },
    { bodiesMs, metadataMs, shardsMs },
  );
  const sealing = sealForSubjects(log, subjects);
  await covered(log);
  await retention.start();
  return {
    log,
    index,
    subjects,
    retention,
    exchange: async (id, subject, session = 's-1') => {
      const common = { exchange: id, session, subject };
      const body = (text: string) => ({ mediaType: 'text/plain', bytes: Buffer.from(text) });
      const facts = {
        caller: { pseudonym: subject, tenant: 'acme', groups: ['staff'] },
        model: 'gpt-x',
        decision: { action: 'allow', rules: ['pii.mask'] },
        findings: [{ entity: 'CREDIT_CARD', detector: 'credit-card', role: 'user', count: 1 }],
      };
      await sealing.append({ kind: 'intent', ...common, facts, bodies: { prompt_original: body(`prompt of ${id}`) } });
      await sealing.append({ kind: 'outcome', ...common, facts: { final: false }, bodies: { output: body('fine') } });
      await covered(log);
    },
    close: async () => {
      await log.close();
      await index.close();
    },
  };
}

/** Until the published checkpoint covers everything: the index follows it. */
export async function covered(log: FileLog): Promise<void> {
  while (log.health().checkpointed < log.health().records) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Whether what was asked in an exchange can be read. */
export async function canOpen(directory: string, exchange: string): Promise<boolean> {
  const [intent] = await findRecords(directory, exchange);
  if (intent === undefined) return false;
  return openBodies(directory, intent, testKeys()).then(
    () => true,
    () => false,
  );
}

/** Names of what can be destroyed. */
export function remains(directory: string): { epochs: number; segments: number; subjects: number } {
  const list = (name: string): string[] => readdirSync(join(directory, name), { recursive: true }).map(String);
  return {
    epochs: list('epochs').length,
    segments: list('segments').length,
    subjects: list('subjects').filter((name) => /^..\/.*json$/.test(name)).length,
  };
}
