import type { KeyObject } from 'node:crypto';
import { frameFlags, readFrame } from './frame.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import { rawPublicKey } from './keys.ts';
import { layout } from './layout.ts';
import { checkpointBody, signNote, verifierKey } from './note.ts';
import { nextShard, type Shard, type ShardRule, shardAt, shardNumber, shardOrigin, shardsIn } from './shards.ts';
import { createTreeEdge } from './tree.ts';

/**
 * Where a writer has to begin: at the last shard, or at the one before it while that one has no record. A log that is new gets its
 * first shard only where there is a rule for more.
 */
export function shardToOpen(fs: FsPort, directory: string, rule: ShardRule, nowMs: number): Shard {
  const shards = shardsIn(fs, directory);
  const last = shards.at(-1);
  if (last === undefined) {
    const isSharded = rule.byMonth || rule.recordsMax !== null;
    return isSharded ? nextShard(directory, null, nowMs) : shardAt(directory, '');
  }
  const before = shards.at(-2);
  const isAfterGap = before !== undefined && before.number < last.number - 1;
  if (isAfterGap && wasPutAside(fs, directory, last.number - 1)) return last;
  return (hasRecords(fs, last.folder) ? null : before) ?? last;
}

function wasPutAside(fs: FsPort, directory: string, number: number): boolean {
  return fs.list(layout.quarantine(directory)).some((name) => shardNumber(name) === number);
}

/**
 * Makes the files of a log without records. They are there before the shard before it names it, so that one which is named and not
 * there was taken away. Durable when this resolves.
 */
export async function makeShard(fs: FsPort, shard: Shard, origin: string, signingKey: KeyObject): Promise<void> {
  const name = shardOrigin(origin, shard);
  const publicKey = rawPublicKey(signingKey);
  const head = checkpointBody({ origin: name, size: 0, root: createTreeEdge(0, []).root() });
  await fs.makeDirectory(shard.folder);
  await replaceFile(fs, layout.verifierKey(shard.folder), Buffer.from(`${verifierKey(name, publicKey)}\n`));
  await replaceFile(fs, layout.checkpoint(shard.folder), Buffer.from(signNote(head, name, signingKey, publicKey)));
}

/** Removes shards behind this one: they were made for it, and then it did not end. They have no record. */
export async function discardAfter(fs: FsPort, directory: string, shard: Shard): Promise<void> {
  for (const later of shardsIn(fs, directory)) {
    if (later.number > shard.number && !hasRecords(fs, later.folder)) await fs.removeTree(later.folder);
  }
}

/** Whether anything was put on record there, as far as its files say. */
function hasRecords(fs: FsPort, folder: string): boolean {
  const size = /^[^\n]+\n(\d{1,15})\n/.exec(fs.read(layout.checkpoint(folder))?.toString() ?? '')?.[1];
  if (size !== undefined && size !== '0') return true;
  const [first, second] = fs.list(layout.segments(folder));
  if (first === undefined) return false;
  const bytes = fs.read(`${layout.segments(folder)}/${first}`) ?? Buffer.alloc(0);
  const header = readFrame(bytes, 0);
  if (second !== undefined) return true;
  const record = header === null ? null : readFrame(bytes, header.end);
  return record !== null && (record.flags & frameFlags.header) === 0;
}
