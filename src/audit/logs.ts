import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { nodeFs } from './fs-port.ts';
import { lastRecords, readRecords, type StoredRecord } from './read.ts';
import { homeOf, shardsIn } from './shards.ts';
import { listOptional } from './verify-problems.ts';

/**
 * The logs in a folder: the folder itself where it is one, and those below it, in the order of their paths. Every writer has a
 * log of its own, so several of one machine lie side by side; whoever reads the folder above them reads all of them. Of a log in shards
 * each shard, the oldest first. Symbolic links are not followed. What cannot be read throws, and so do more logs than
 * `limits.auditLogsMax` (`audit_unavailable`): none must go unnoticed. Not deeper than `limits.auditLogsDepthMax`.
 */
export async function logsIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  let homes = 0;
  async function look(directory: string, depth: number): Promise<void> {
    const shards = shardsIn(nodeFs, directory);
    const isOne = shards.length > 0;
    if (isOne) homes += 1;
    found.push(...shards.map((shard) => shard.folder));
    if (homes > limits.auditLogsMax) {
      throw new Fault(
        'audit_unavailable',
        `more than ${limits.auditLogsMax} logs lie below ${folder}: name a folder with fewer of them`,
      );
    }
    if (depth >= limits.auditLogsDepthMax) return;
    const entries = await listOptional(directory);
    const below = entries.filter(
      (entry) => entry.isDirectory() && entry.name !== lostAndFound && !(isOne && ownFolders.has(entry.name)),
    );
    for (const { name } of below.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      await look(join(directory, name), depth + 1);
    }
  }
  await look(folder, 0);
  return found;
}

/** Of a file system's own, at its root; nobody but root can read it. */
const lostAndFound = 'lost+found';

/** Folders of a log's own: no other log lies in them. */
const ownFolders: ReadonlySet<string> = new Set([
  'segments',
  'tile',
  'epochs',
  'subjects',
  'kept',
  'index',
  'other-indices',
  'policies',
  'parts',
  'shards',
  'quarantine',
]);

/** The shards of each log, in the order in which they are given. */
export function byHome(folders: readonly string[]): Map<string, string[]> {
  const homes = new Map<string, string[]>();
  for (const folder of folders) homes.set(homeOf(folder), [...(homes.get(homeOf(folder)) ?? []), folder]);
  return homes;
}

/**
 * The records of several logs as one, by the time at which they were put on record; records of one log stay in their order, whatever its
 * clock did, over all of its shards. Holds one record of each log at a time.
 */
export async function* readLogs(folders: readonly string[]): AsyncGenerator<StoredRecord> {
  const readers = [...byHome(folders).values()].map(readShards);
  try {
    const heads = await Promise.all(readers.map(nextOf));
    for (;;) {
      let first = -1;
      for (const [i, head] of heads.entries()) {
        const best = heads[first];
        if (head !== null && (best === undefined || best === null || head.wallNs < best.wallNs)) first = i;
      }
      const reader = readers[first];
      const record = heads[first];
      if (reader === undefined || record === undefined || record === null) return;
      yield record;
      heads[first] = await nextOf(reader);
    }
  } finally {
    await Promise.all(readers.map((reader) => reader.return(undefined)));
  }
}

async function* readShards(folders: readonly string[]): AsyncGenerator<StoredRecord> {
  for (const folder of folders) yield* readRecords(folder);
}

async function nextOf(reader: AsyncGenerator<StoredRecord>): Promise<StoredRecord | null> {
  const { value, done } = await reader.next();
  return done === true ? null : value;
}

/** The last `count` records of several logs, oldest first. */
export async function lastOfLogs(folders: readonly string[], count: number): Promise<StoredRecord[]> {
  const last: StoredRecord[] = [];
  for (const shards of byHome(folders).values()) {
    let wanted = count;
    for (const folder of shards.toReversed()) {
      const here = wanted > 0 ? await lastRecords(folder, wanted) : [];
      last.push(...here);
      wanted -= here.length;
    }
  }
  return last.sort(byTime).slice(-count);
}

/** All records with this id, or of this exchange or session, of several logs as one. Reads all of them whole. */
export async function findInLogs(folders: readonly string[], id: string): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for await (const record of readLogs(folders)) {
    if (record.id === id || record.exchange === id || record.session === id) found.push(record);
  }
  return found;
}

/** By time; those of one log by their shards and numbers, which no clock can turn round. */
function byTime(a: StoredRecord, b: StoredRecord): number {
  if (a.folder === b.folder) return a.sequence - b.sequence;
  if (homeOf(a.folder) === homeOf(b.folder)) return a.folder < b.folder ? -1 : 1;
  return a.wallNs < b.wallNs ? -1 : a.wallNs > b.wallNs ? 1 : a.folder < b.folder ? -1 : 1;
}

/**
 * What is put on record from now on in the logs below a folder, as it comes; also in logs that are made later. `after` says which record
 * of a log was seen last. Ends with the signal.
 */
export async function* followLogs(
  folder: string,
  after: ReadonlyMap<string, number>,
  signal: AbortSignal,
  pollMs = 250,
): AsyncGenerator<StoredRecord> {
  const followed = new Set<string>();
  const arrived: StoredRecord[] = [];
  const failures: unknown[] = [];
  while (!signal.aborted) {
    for (const log of await logsIn(folder)) {
      if (followed.has(log)) continue;
      followed.add(log);
      const from = (after.get(log) ?? -1) + 1;
      follow(log, from).catch((thrown: unknown) => failures.push(thrown));
    }
    yield* arrived.splice(0).sort(byTime);
    if (failures.length > 0) throw failures[0];
    if (arrived.length === 0) await wait(pollMs, undefined, { signal }).catch(() => undefined);
  }

  async function follow(log: string, from: number): Promise<void> {
    for await (const record of readRecords(log, { from, follow: true, signal, pollMs })) {
      arrived.push(record);
      // Whoever reads slowly is waited for.
      while (arrived.length >= arrivedMax && !signal.aborted) {
        await wait(pollMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

const arrivedMax = 1_024;
