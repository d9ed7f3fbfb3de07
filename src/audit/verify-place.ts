import { basename, dirname, resolve } from 'node:path';
import { type NoteKey, noteAlgorithms } from './verify-note.ts';
import { sha256 } from './verify-problems.ts';

// A log in shards: `<folder>/shards/<number>-<month>`, each a log named `<origin>/<number>-<month>` and signed by the same key.
const shardName = /^[0-9]{6}-[0-9]{4}-[0-9]{2}$/;

/** Where the keys of a log's records lie: of a shard, in the folder above `shards`; of one that was put aside, above `quarantine`. */
export function keysFolder(directory: string): string {
  const path = resolve(directory);
  if (basename(dirname(path)) === 'quarantine') return dirname(dirname(path));
  return shardName.test(basename(path)) && basename(dirname(path)) === 'shards' ? dirname(dirname(path)) : directory;
}

/** The name of the log that a shard is of; of any other name itself. */
export function logOfShard(origin: string): string {
  return shardName.test(basename(origin)) && origin.includes('/') ? dirname(origin) : origin;
}

/** The key by which a log of this name signs: one of these, or of a shard that of its log or of another shard of it. Null: none. */
export function keyFor(keys: readonly NoteKey[], origin: string): NoteKey | null {
  const own = keys.find(({ name }) => name === origin);
  if (own !== undefined) return own;
  if (logOfShard(origin) === origin) return null;
  const log = keys.find(({ name, algorithm }) => algorithm === 'ed25519' && logOfShard(name) === logOfShard(origin));
  if (log === undefined) return null;
  const encoded = Buffer.concat([Buffer.from(`${origin}\n`), Buffer.of(noteAlgorithms.ed25519), log.raw]);
  return { ...log, name: origin, id: sha256(encoded).subarray(0, 4) };
}
