import { join } from 'node:path';
import { type VerifyOptions, type VerifyReport, type WalkedLog, walkLog } from './verify.ts';
import { createBeaconCheck } from './verify-beacons.ts';
import { member } from './verify-json.ts';
import { parseSignedCheckpoint } from './verify-note.ts';
import { keysFolder } from './verify-place.ts';
import { listOptional, readOptional, type VerifyProblem } from './verify-problems.ts';

export interface VerifyShardsOptions {
  /** Folders of logs; shards of one log oldest first, as their names are in order. */
  readonly folders: readonly string[];
  readonly optionsOf: (folder: string) => Omit<VerifyOptions, 'directory' | 'before' | 'beacons'>;
  /** Names of shards that lie elsewhere, as the caller says: that they are not here is no problem. */
  readonly elsewhere?: ReadonlySet<string>;
}

/** A log's report, and the folder that it is about. */
export interface FolderReport extends VerifyReport {
  readonly folder: string;
  /** Names of logs that were put aside as damaged, as this one says: nothing here says what was in them. */
  readonly quarantined: readonly string[];
}

/**
 * Checks several logs, and of a log in shards that none is missing: each names the next one in its last record, and in its first the
 * last checkpoint of the one before. What a shard says of absent keys and records of the ones before it counts for them.
 */
export async function verifyShards(options: VerifyShardsOptions): Promise<FolderReport[]> {
  const reports: FolderReport[] = [];
  const chains = new Map<string, string[]>();
  for (const folder of options.folders) {
    const home = keysFolder(folder);
    chains.set(home, [...(chains.get(home) ?? []), folder]);
  }
  for (const folders of chains.values()) reports.push(...(await verifyChain(folders, options)));
  return reports;
}

interface Link {
  readonly folder: string;
  readonly walked: WalkedLog;
  readonly level: number;
  readonly quarantined: readonly string[];
}

async function verifyChain(folders: readonly string[], options: VerifyShardsOptions): Promise<FolderReport[]> {
  const links: Link[] = [];
  const beacons = createBeaconCheck();
  for (const folder of folders) {
    const before = links.at(-1)?.walked.records ?? null;
    // The next shard is made before the last record of this one says so: a crash between the two leaves one that nobody names.
    if (before !== null && before.next === null && (await isUnfinished(folder))) continue;
    const given = options.optionsOf(folder);
    const quarantined: string[] = [];
    const seen = {
      ...beacons,
      take: (manifest: object) => {
        beacons.take(manifest);
        quarantined.push(...quarantinedLog(manifest));
      },
    };
    const walked = await walkLog({
      ...given,
      directory: folder,
      beacons: seen,
      ...(before === null ? {} : { before }),
    });
    links.push({ folder, walked, level: given.level ?? 4, quarantined });
  }
  const explanations = links.map(({ walked }) => walked.records?.explanations ?? []);
  const known = new Set<string>([...(options.elsewhere ?? []), ...explanations.flat().flatMap(droppedShard)]);
  for (const { quarantined } of links) for (const log of quarantined) known.add(log);
  const reports: FolderReport[] = [];
  for (const [i, { folder, walked, quarantined }] of links.entries()) {
    const report = await walked.conclude(explanations.slice(i + 1).flat());
    const problems = linkProblems(links, i, known);
    reports.push({ ...report, folder, quarantined, problems: [...report.problems, ...problems] });
  }
  return reports;
}

async function isUnfinished(folder: string): Promise<boolean> {
  const segments = await listOptional(join(folder, 'segments'));
  const parts = await Promise.all(['log.vkey', 'checkpoint'].map((name) => readOptional(join(folder, name))));
  return segments.length === 0 && parts.includes(null);
}

function quarantinedLog(manifest: object): string[] {
  const facts = member(manifest, 'facts');
  return member(manifest, 'kind') === 'recovery' && member(facts, 'event') === 'quarantined'
    ? [String(member(facts, 'log'))]
    : [];
}

function droppedShard(manifest: object): string[] {
  const facts = member(manifest, 'facts');
  return member(facts, 'class') === 'shard' ? [String(member(facts, 'log'))] : [];
}

/** What is wrong between a shard and its neighbours. */
function linkProblems(links: readonly Link[], i: number, known: ReadonlySet<string>): VerifyProblem[] {
  const problems: VerifyProblem[] = [];
  const add = (what: string): void => void problems.push({ check: 'records', place: 'shards', what });
  const { walked, level, quarantined = [] } = links[i] ?? {};
  if (walked === undefined || walked.records === null || (level ?? 4) < 3) return problems;
  const before = links[i - 1]?.walked ?? null;
  const after = links[i + 1]?.walked ?? null;
  const { previous, next } = walked.records;
  if (previous !== null) {
    const log = String(member(previous, 'log'));
    const head = parseSignedCheckpoint(String(member(previous, 'checkpoint')));
    if (before?.origin !== log) {
      if (!known.has(log)) add(`${log}, which came before it, is not there`);
    } else if (typeof head === 'string' || head.size !== before.head.size || !head.root.equals(before.head.root)) {
      add(`${log}, which came before it, does not end as its first record says`);
    }
  } else if (before !== null && walked.records.hasBeginning && quarantined.length === 0) {
    add(`it does not name ${before.origin}, which lies before it`);
  }
  if (next === null) {
    if (after !== null && (after.records?.hasBeginning ?? false)) add(`it has no end, and ${after.origin} goes on`);
  } else if (after?.origin !== next && !known.has(next)) add(`${next}, which follows it, is not there`);
  return problems;
}
