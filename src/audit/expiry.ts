import type { JsonObject } from '../lib/json.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { Destruction } from './destruction.ts';
import type { FsPort } from './fs-port.ts';
import { keepExplanations } from './kept.ts';
import { layout } from './layout.ts';
import type { LegalHolds } from './legal-holds.ts';
import { readSegmentHeads } from './read.ts';
import type { RecordIndex } from './record-index.ts';
import { type AgedSegment, agedSegments, type ShardSegment } from './retention-plan.ts';
import { placeOf, type Shard, shardOfPlace, shardsIn } from './shards.ts';
import { readPublished } from './sinks/log-tail.ts';
import type { SteadyClock } from './steady-clock.ts';

export interface RetentionLimits {
  /** Null: for ever. */
  readonly bodiesMs: number | null;
  readonly metadataMs: number | null;
  /** What is left of an ended shard, leaves and proofs, so long after its last records have expired. */
  readonly shardsMs: number | null;
}

export interface Expired {
  readonly epochs: number;
  readonly segments: number;
  readonly shards: number;
}

export interface ExpiryDeps {
  readonly directory: string;
  readonly fs: FsPort;
  readonly index: RecordIndex;
  readonly time: SteadyClock;
  readonly holds: Pick<LegalHolds, 'coverAny'>;
  readonly destruction: Destruction;
  /** Puts on record what is about to be destroyed. */
  readonly put: (facts: JsonObject) => Promise<unknown>;
  /** Records of the orders that stand: holds, and erasures that wait. */
  readonly openOrders: () => readonly string[];
  /** Place of the first record that somebody has yet to read. */
  readonly neededFrom: () => number;
  readonly observe: Log;
  /** Called before each step with its name. */
  readonly step: (name: string) => void;
}

/** What one record may name at most. */
const perLeafMax = 512;

/**
 * Destroys what is past its time and under no hold, when called: first the keys of the texts, then the segments, at last what is left of
 * a shard. Rejects without having destroyed what could not be put on record.
 */
export function createExpiry(deps: ExpiryDeps, limits: RetentionLimits): () => Promise<Expired> {
  const { directory, fs, index, time, holds, destruction, put, neededFrom, observe, step } = deps;

  async function expire(): Promise<Expired> {
    await index.catchUp();
    const nowMs = await time.nowMs();
    const shards = shardsIn(fs, directory);
    const heads = await headsOf(shards);
    const aged = agedSegments(heads, nowMs);
    const due = (keptMs: number | null): readonly AgedSegment[] =>
      keptMs === null
        ? []
        : aged.filter(({ writtenUntilMs }) => writtenUntilMs !== null && writtenUntilMs + keptMs <= nowMs);

    const epochs = await dueEpochs(due(limits.bodiesMs), aged, heads.at(-1)?.epoch ?? '');
    if (epochs.length > 0) {
      await put({ class: 'bodies', epochs, kept_ms: limits.bodiesMs });
      for (const epoch of epochs) await destruction.destroyEpoch(epoch);
    }
    const segments = await dueSegments(due(limits.metadataMs));
    for (const shard of shards) {
      const here = segments.filter((segment) => segment.shard.number === shard.number);
      if (here.length > 0) await expireSegments(shard, here, shards.length > 1);
    }
    const dropped = limits.shardsMs === null ? 0 : await expireShards(nowMs - limits.shardsMs, segments);
    if (epochs.length + segments.length + dropped > 0) {
      observe.info('audit records expired', { count: segments.length, file: directory });
    }
    return { epochs: epochs.length, segments: segments.length, shards: dropped };
  }

  /** `isOneOfSeveral`: the record that says so may be in another shard, and has to name this one. */
  async function expireSegments(
    shard: Shard,
    segments: readonly AgedSegment[],
    isOneOfSeveral: boolean,
  ): Promise<void> {
    const ranges: JsonObject[] = [];
    for (const { first, last } of segments) {
      step('keep explanations');
      const kept = await keepExplanations(fs, shard.folder, first, last);
      ranges.push({ first: String(first), last: String(last), kept });
    }
    const log = isOneOfSeveral || shard.name !== '' ? { log: logName(shard) } : {};
    await put({ class: 'metadata', ...log, segments: ranges, kept_ms: limits.metadataMs });
    for (const { first, last } of segments) await destruction.removeSegment(shard.name, first, last);
  }

  /** Shards whose last records expired before then, the oldest first: what explains the absence of others goes after these. */
  async function expireShards(beforeMs: number, justExpired: readonly AgedSegment[]): Promise<number> {
    let dropped = 0;
    const expiries = await index.ofKinds(['expire']);
    for (const shard of shardsIn(fs, directory).slice(0, -1)) {
      const log = logName(shard);
      const last = expiries.findLast(({ facts }) => facts?.['class'] === 'metadata' && facts['log'] === log);
      const isEmpty = fs.list(layout.segments(shard.folder)).length === 0;
      // What was put on record a moment ago is not in the index yet.
      if (justExpired.some((segment) => segment.shard.number === shard.number)) break;
      const isRead = neededFrom() >= placeOf(shard.number + 1, 0);
      if (shard.name === '' || !isEmpty || !isRead || last === undefined || last.wallMs > beforeMs) break;
      if (await speaksOfOpen(shard)) break;
      const checkpoint = fs.read(layout.checkpoint(shard.folder))?.toString() ?? '';
      await put({ class: 'shard', log, checkpoint, kept_ms: limits.shardsMs });
      await destruction.removeShard(shard.name);
      dropped += 1;
    }
    return dropped;
  }

  /** Whether a hold or a deferred erasure that stands was ordered in this shard. */
  async function speaksOfOpen(shard: Shard): Promise<boolean> {
    for (const id of deps.openOrders()) {
      const row = await index.byId(id);
      if (row === null || shardOfPlace(row.sequence) === shard.number) return true;
    }
    return false;
  }

  /** The segments of all shards, in order. */
  async function headsOf(shards: readonly Shard[]): Promise<ShardSegment[]> {
    const all: ShardSegment[] = [];
    for (const shard of shards) {
      const heads = await readSegmentHeads(shard.folder);
      const isOver = shard !== shards.at(-1);
      const end = isOver ? ((await readPublished(shard.folder))?.size ?? 0) - 1 : undefined;
      for (const [i, head] of heads.entries()) {
        all.push({ ...head, shard, ...(end !== undefined && i === heads.length - 1 ? { end } : {}) });
      }
    }
    return all;
  }

  /** Epochs all of whose segments are due and not held, whose key is still there. */
  async function dueEpochs(
    due: readonly AgedSegment[],
    aged: readonly AgedSegment[],
    current: string,
  ): Promise<string[]> {
    const found: string[] = [];
    for (const epoch of new Set(due.map((segment) => segment.epoch))) {
      if (epoch === current || found.length >= perLeafMax) continue;
      const all = aged.filter((segment) => segment.epoch === epoch);
      if (!all.every((segment) => due.includes(segment))) continue;
      if (fs.read(layout.epoch(directory, epoch)) === null) continue;
      if (await holds.coverAny(all)) continue;
      found.push(epoch);
    }
    return found;
  }

  async function dueSegments(due: readonly AgedSegment[]): Promise<AgedSegment[]> {
    const needed = Math.min(neededFrom(), await index.catchUp());
    const found: AgedSegment[] = [];
    for (const segment of due) {
      if (found.length >= perLeafMax || placeOf(segment.shard.number, segment.last) >= needed) break;
      // The key goes first: a segment whose texts can still be opened is held, or not due.
      if (fs.read(layout.epoch(directory, segment.epoch)) !== null) continue;
      if (!(await holds.coverAny([segment]))) found.push(segment);
    }
    return found;
  }

  function logName({ folder }: Shard): string {
    return fs.read(layout.verifierKey(folder))?.toString().split('+')[0] ?? '';
  }

  return expire;
}
