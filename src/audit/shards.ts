import { basename, dirname, join, resolve } from 'node:path';
import { limits } from '../lib/limits.ts';
import type { FsPort } from './fs-port.ts';
import { layout } from './layout.ts';

/**
 * A log that goes on for years is written in shards, each a log of its own: a folder `shards/<number>-<month>` with tree, segments and
 * key beside what all of them share (keys, policies, index, lock), under the name `<origin>/<number>-<month>`. The number says which
 * follows which, whatever the clock said. A shard ends by a `close` that names the next one, and that one begins by an `open` with the
 * last checkpoint of the one before: none can go unnoticed.
 */
export interface Shard {
  /** 0: the log's own folder, where a log lies that has no shards or had none when it began. */
  readonly number: number;
  readonly folder: string;
  /** `000002-2026-12`; empty for number 0. */
  readonly name: string;
}

/** When a log goes on in a new shard. Both null or false: never. */
export interface ShardRule {
  /** With each month of UTC. */
  readonly byMonth: boolean;
  /** When a shard holds so many records. */
  readonly recordsMax: number | null;
}

/** All of a log's shards, oldest first. Only folders that are shards by their name. */
export function shardsIn(fs: Pick<FsPort, 'list'>, directory: string): Shard[] {
  const names = fs.list(directory);
  const shards = (names.includes('shards') ? fs.list(layout.shards(directory)) : [])
    .filter((name) => shardNumber(name) !== null)
    .map((name) => shardAt(directory, name));
  return layout.logParts.some((name) => names.includes(name)) ? [shardAt(directory, ''), ...shards] : shards;
}

/** The shard of a log that has this name; empty: the log's own folder. */
export function shardAt(directory: string, name: string): Shard {
  return {
    number: shardNumber(name) ?? 0,
    folder: name === '' ? directory : join(layout.shards(directory), name),
    name,
  };
}

/** The shard that lies in a folder. */
export function shardOfFolder(folder: string): Shard {
  return homeOf(folder) === folder ? { number: 0, folder, name: '' } : shardAt(homeOf(folder), basename(folder));
}

/** The name of a shard's log. */
export function shardOrigin(origin: string, { name }: Pick<Shard, 'name'>): string {
  return name === '' ? origin : `${origin}/${name}`;
}

/** The name of the log that a shard is of; of any other name itself. */
export function baseOrigin(origin: string): string {
  return shardNumber(basename(origin)) === null ? origin : dirname(origin);
}

/** The folder with what a log's shards share; of a log without shards its own. */
export function homeOf(folder: string): string {
  const isShard = shardNumber(basename(folder)) !== null && basename(dirname(folder)) === 'shards';
  return isShard ? dirname(dirname(folder)) : folder;
}

/** The folder with the keys of a log's records; one that was put aside left them where they were. */
export function keysHome(folder: string): string {
  return isPutAside(folder) ? dirname(dirname(resolve(folder))) : homeOf(folder);
}

/** Whether a damaged log lies there; see quarantine.ts. */
export function isPutAside(folder: string): boolean {
  return basename(dirname(resolve(folder))) === 'quarantine';
}

export function shardNumber(name: string): number | null {
  const number = /^([0-9]{6})-[0-9]{4}-[0-9]{2}$/.exec(name)?.[1];
  return number === undefined ? null : Number(number);
}

/** The shard after this one, or the first of all. */
export function nextShard(directory: string, before: Shard | null, nowMs: number): Shard {
  const number = (before?.number ?? 0) + 1;
  return shardAt(directory, `${String(number).padStart(6, '0')}-${monthOf(nowMs)}`);
}

/** A clock that steps back over the month's beginning by less does not begin the month before anew. */
const stepBackMs = 300_000;

/** Whether what is recorded now belongs into the next shard. `records`: how many there are in this one. */
export function isShardOver(shard: Shard, rule: ShardRule, records: number, nowMs: number): boolean {
  // An empty one is never over: clocks that jump must not make shards without end.
  if (shard.number >= limits.auditShardsMax || records === 0) return false;
  if (rule.recordsMax !== null && records >= rule.recordsMax) return true;
  const month = shard.name.slice(7);
  return rule.byMonth && month !== monthOf(nowMs) && month !== monthOf(nowMs + stepBackMs);
}

function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** Numbers of records are unique over a log's shards in this span; see `placeOf`. */
const span = 1_000_000_000_000;

/** A number for a record of a shard that says its place among all records of the log. The same as its own without shards. */
export function placeOf(shard: number, sequence: number): number {
  return shard * span + Math.min(sequence, span - 1);
}

export function shardOfPlace(place: number): number {
  return Math.floor(place / span);
}

export function sequenceOfPlace(place: number): number {
  return place % span;
}
