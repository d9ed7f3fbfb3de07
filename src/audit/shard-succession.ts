import type { KeyObject } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import type { AuditEntry } from './entry.ts';
import type { FsPort } from './fs-port.ts';
import { layout } from './layout.ts';
import { closeEntry } from './own-entries.ts';
import { discardAfter, makeShard, shardToOpen } from './shard-files.ts';
import { isShardOver, nextShard, type Shard, type ShardRule, shardAt, shardOrigin, shardsIn } from './shards.ts';
import type { OpenIntents, Ready, WriterLife } from './writer-life.ts';

/** How one shard of a log follows another (shards.ts): which one is written to, and the hand-over from each to the next. */
export interface ShardSuccession {
  /** The shard that is written to. */
  current(): Shard;
  /** Whether what is recorded now belongs into the next shard. `records`: how many there are in this one. */
  isOver(records: number): boolean;
  /** What the first record of the current shard says of the one before; empty where there is none, or where it was said by a run before. */
  link(): JsonObject;
  /** Starts a writer where the log goes on: at the last shard, or after it. */
  openLast(): Promise<Ready>;
  /** Ends the current shard and starts a writer for the next. Nothing else may be given to the writer until this has settled. */
  goOn(): Promise<Ready>;
}

export interface ShardSuccessionDeps {
  readonly fs: FsPort;
  readonly directory: string;
  /** The log's name, without a shard's. */
  readonly origin: string;
  readonly signingKey: KeyObject;
  readonly rule: ShardRule;
  readonly clock: Clock;
  readonly writer: Pick<WriterLife, 'launch' | 'close' | 'retire'>;
  /** Puts an entry on record before everything that waits; resolves when it is durable. */
  readonly putAlone: (entry: AuditEntry) => Promise<unknown>;
}

export function createShardSuccession(deps: ShardSuccessionDeps): ShardSuccession {
  const { fs, directory, origin, rule, clock, writer } = deps;
  let shard = shardAt(directory, '');
  let previous: JsonObject | null = null;

  function isOver(records: number): boolean {
    return isShardOver(shard, rule, records, clock.nowMs());
  }

  async function openLast(): Promise<Ready> {
    let ready = await launch(shardToOpen(fs, directory, rule, clock.nowMs()), []);
    if (ready.next === null) await discardAfter(fs, directory, shard);
    while (ready.next !== null || isOver(ready.nextSequence)) ready = await handOver(ready.next);
    return ready;
  }

  /**
   * Ends this shard, or goes on after one that has ended before the name of the next (`named`), so that a crash between any two steps is
   * mended by the next start: the next shard is made, this one names it in its last record, its last checkpoint is published,
   * and only then the next one has a record.
   */
  async function handOver(named: string | null): Promise<Ready> {
    const old = shard;
    const following = named === null ? await endShard() : shardNamed(named);
    const openIntents = await writer.close();
    if (openIntents === null) throw new Fault('audit_unavailable', 'the shard could not be closed');
    writer.retire();
    const checkpoint = fs.read(layout.checkpoint(old.folder))?.toString() ?? '';
    previous = { log: shardOrigin(origin, old), checkpoint };
    return launch(following, openIntents);
  }

  async function endShard(): Promise<Shard> {
    const following = nextShard(directory, shard, clock.nowMs());
    await makeShard(fs, following, origin, deps.signingKey);
    await deps.putAlone(closeEntry(shardOrigin(origin, following)));
    return following;
  }

  function shardNamed(name: string): Shard {
    const found = shardsIn(fs, directory).find((each) => shardOrigin(origin, each) === name);
    if (found !== undefined) return found;
    throw new Fault(
      'audit_unavailable',
      `the audit log is damaged: ${name}, which follows ${shard.folder}, is not there`,
    );
  }

  function launch(place: Shard, openIntents: OpenIntents): Promise<Ready> {
    shard = place;
    return writer.launch(place, openIntents);
  }

  return {
    current: () => shard,
    isOver,
    link: () => (previous === null ? {} : { previous }),
    openLast,
    goOn: () => handOver(null),
  };
}
