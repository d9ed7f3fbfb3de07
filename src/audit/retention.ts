import { basename, dirname } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { createTurns } from '../lib/turns.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { AuditEntry, AuditLog } from './entry.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import { keepExplanations } from './kept.ts';
import { layout } from './layout.ts';
import { readSegmentHeads } from './read.ts';
import type { IndexedRecord, RecordIndex, RecordQuery } from './record-index.ts';
import { type AgedSegment, agedSegments, type HoldScope, type ShardSegment } from './retention-plan.ts';
import { placeOf, type Shard, shardAt, shardNumber, shardOfPlace, shardsIn } from './shards.ts';
import { readPublished } from './sinks/log-tail.ts';
import type { SteadyClock } from './steady-clock.ts';
import type { SubjectKeys } from './subject-keys.ts';

/** Who wants something held, released or erased, as verified, and why. */
export interface Order {
  readonly by: { readonly issuer: string; readonly id: string };
  readonly tenant: string;
  readonly groups: readonly string[];
  readonly reason: string;
}

export interface Hold {
  /** Id of the record that says so. */
  readonly id: string;
  readonly scope: HoldScope;
}

export type Erased =
  | { readonly kind: 'erased'; readonly record: string; readonly keys: readonly string[] }
  /** It waits for these holds to be released, and is then done by itself. */
  | { readonly kind: 'deferred'; readonly record: string; readonly holds: readonly string[] };

export interface Expired {
  readonly epochs: number;
  readonly segments: number;
  readonly shards: number;
}

/**
 * What is kept and for how long. Whatever destroys something says so on record first; what a crash leaves between the two is
 * finished by `start`. Nothing under a hold is destroyed. Operations run one at a time. Throws Fault `audit_unavailable` when the
 * log does not take the record: then nothing was destroyed.
 */
export interface Retention {
  /** Finishes what is on record as destroyed and is still there: a crash, a restored backup. */
  start(): Promise<void>;
  /** Destroys what is past its time. */
  expire(): Promise<Expired>;
  hold(scope: HoldScope, order: Order): Promise<Hold>;
  /** Ends a hold, and does what had to wait for it. */
  release(id: string, order: Order): Promise<Result<{ readonly record: string; readonly erased: number }, 'not_found'>>;
  /** Makes everything sealed for a subject unreadable, for everybody and for good. `not_found`: it has no key. */
  erase(subject: string, order: Order): Promise<Result<Erased, 'not_found'>>;
  holds(): readonly Hold[];
}

export interface RetentionDeps {
  readonly directory: string;
  readonly fs: FsPort;
  readonly log: AuditLog;
  readonly index: RecordIndex;
  readonly subjects: SubjectKeys;
  readonly time: SteadyClock;
  /** Place of the first record that somebody has yet to read: a sink that is behind. */
  readonly neededFrom: () => number;
  readonly observe: Log;
  /** Called before each step that changes something, with its name: tests end the process there. */
  readonly onStep?: (step: string) => void;
}

export interface RetentionLimits {
  /** Null: for ever. */
  readonly bodiesMs: number | null;
  readonly metadataMs: number | null;
  /** What is left of an ended shard, leaves and proofs, so long after its last records have expired. */
  readonly shardsMs: number | null;
}

interface Deferred {
  readonly record: string;
  readonly subject: string;
  readonly order: Order;
}

const perLeafMax = 512;

export function createRetention(deps: RetentionDeps, limits: RetentionLimits): Retention {
  const { directory, fs, log, index, subjects, time } = deps;
  const step = deps.onStep ?? (() => undefined);
  const holds = new Map<string, HoldScope>();
  const deferred = new Map<string, Deferred>();
  const inTurn = createTurns(null);
  let isLoaded = false;

  async function put(kind: AuditEntry['kind'], facts: JsonObject): Promise<string> {
    if (fs.read(layout.orders(directory)) === null) await replaceFile(fs, layout.orders(directory), Buffer.from('1\n'));
    step(`record ${kind}`);
    const { id } = await log.append({ kind, exchange: '', session: '', facts, bodies: {} });
    return id;
  }

  /** A log in which nothing was ever ordered needs no reading: its index may be far behind, and a start must not wait for it. */
  async function start(): Promise<void> {
    if (fs.read(layout.orders(directory)) !== null) await load();
  }

  /** Learns from the log what is held and erased, and finishes what was not finished. Comes before anything else that retention does. */
  async function load(): Promise<void> {
    if (isLoaded) return;
    await index.catchUp();
    for (const row of await index.ofKinds(['hold', 'release', 'erase_deferred', 'erase', 'expire'])) await replay(row);
    for (const waiting of deferred.values()) await eraseIfFree(waiting);
    isLoaded = true;
  }

  async function replay({ kind, id, facts, shard: inShard = '' }: IndexedRecord): Promise<void> {
    if (facts === null) return;
    switch (kind) {
      case 'hold':
        holds.set(id, scopeOf(facts['scope']));
        return;
      case 'release':
        holds.delete(text(facts['hold']));
        return;
      case 'erase_deferred':
        deferred.set(id, { record: id, subject: text(facts['subject']), order: orderOf(facts) });
        return;
      case 'erase':
        deferred.delete(text(facts['deferred']));
        for (const key of texts(facts['keys'])) await subjects.destroy(key);
        return;
      case 'expire':
        for (const epoch of texts(facts['epochs'])) await destroyEpoch(epoch);
        if (facts['class'] === 'shard') await removeShard(basename(text(facts['log'])));
        for (const { first, last } of rangesOf(facts['segments'])) {
          await removeSegment(facts['log'] === undefined ? inShard : basename(text(facts['log'])), first, last);
        }
        return;
      default:
        return;
    }
  }

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
      await put('expire', { class: 'bodies', epochs, kept_ms: limits.bodiesMs });
      for (const epoch of epochs) await destroyEpoch(epoch);
    }
    const segments = await dueSegments(due(limits.metadataMs));
    for (const shard of shards) {
      const here = segments.filter((segment) => segment.shard.number === shard.number);
      if (here.length > 0) await expireSegments(shard, here, shards.length > 1);
    }
    const dropped = limits.shardsMs === null ? 0 : await expireShards(nowMs - limits.shardsMs, segments);
    if (epochs.length + segments.length + dropped > 0) {
      deps.observe.info('audit records expired', { count: segments.length, file: directory });
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
    await put('expire', { class: 'metadata', ...log, segments: ranges, kept_ms: limits.metadataMs });
    for (const { first, last } of segments) await removeSegment(shard.name, first, last);
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
      const isRead = deps.neededFrom() >= placeOf(shard.number + 1, 0);
      if (shard.name === '' || !isEmpty || !isRead || last === undefined || last.wallMs > beforeMs) break;
      if (await speaksOfOpen(shard)) break;
      const checkpoint = fs.read(layout.checkpoint(shard.folder))?.toString() ?? '';
      await put('expire', { class: 'shard', log, checkpoint, kept_ms: limits.shardsMs });
      await removeShard(shard.name);
      dropped += 1;
    }
    return dropped;
  }

  /** Whether a hold or a deferred erasure that stands was ordered in this shard. */
  async function speaksOfOpen(shard: Shard): Promise<boolean> {
    for (const id of [...holds.keys(), ...deferred.keys()]) {
      const row = await index.byId(id);
      if (row === null || shardOfPlace(row.sequence) === shard.number) return true;
    }
    return false;
  }

  async function removeShard(name: string): Promise<void> {
    const shard = shardAt(directory, name);
    if (shard.number === 0 || fs.identify(shard.folder) === null) return;
    step('remove shard');
    await fs.removeTree(shard.folder);
    await fs.syncDirectoryLater(layout.shards(directory));
  }

  function logName({ folder }: Shard): string {
    return fs.read(layout.verifierKey(folder))?.toString().split('+')[0] ?? '';
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
      if (await anyHeld(all)) continue;
      found.push(epoch);
    }
    return found;
  }

  async function dueSegments(due: readonly AgedSegment[]): Promise<AgedSegment[]> {
    const needed = Math.min(deps.neededFrom(), await index.catchUp());
    const found: AgedSegment[] = [];
    for (const segment of due) {
      if (found.length >= perLeafMax || placeOf(segment.shard.number, segment.last) >= needed) break;
      // The key goes first: a segment whose texts can still be opened is held, or not due.
      if (fs.read(layout.epoch(directory, segment.epoch)) !== null) continue;
      if (!(await anyHeld([segment]))) found.push(segment);
    }
    return found;
  }

  async function anyHeld(segments: readonly AgedSegment[]): Promise<boolean> {
    for (const scope of holds.values()) {
      for (const { shard, first, last } of segments) {
        const [from, before] = [placeOf(shard.number, first), placeOf(shard.number, last) + 1];
        if (await exists({ ...scope, from, before, limit: 1 })) return true;
      }
    }
    return false;
  }

  async function exists(query: RecordQuery): Promise<boolean> {
    for (let next: RecordQuery | null = query; next !== null; ) {
      const page = await index.find(next);
      if (page.records.length > 0) return true;
      next = page.next === null ? null : { ...query, before: page.next };
    }
    return false;
  }

  /** Holds under which something of this subject lies. */
  async function holdsOn(subject: string): Promise<string[]> {
    await index.catchUp();
    const found: string[] = [];
    for (const [id, scope] of holds) {
      if (scope.subject !== undefined && scope.subject !== subject) continue;
      // What was recorded a moment ago may not be in the index yet: a hold on this very subject counts in any case.
      if (scope.subject === subject || (await exists({ ...scope, subject, limit: 1 }))) found.push(id);
    }
    return found;
  }

  async function erase(subject: string, order: Order): Promise<Result<Erased, 'not_found'>> {
    const key = subjects.find(subject);
    if (key === null) return err('not_found');
    const held = await holdsOn(subject);
    if (held.length > 0) {
      const record = await put('erase_deferred', { subject, keys: [key], holds: held, ...orderFacts(order) });
      deferred.set(record, { record, subject, order });
      return ok({ kind: 'deferred', record, holds: held });
    }
    return ok(await eraseNow(subject, key, order, null));
  }

  async function eraseNow(subject: string, key: string, order: Order, waiting: string | null): Promise<Erased> {
    const facts = { subject, keys: [key], ...(waiting === null ? {} : { deferred: waiting }), ...orderFacts(order) };
    const record = await put('erase', facts);
    step('destroy subject key');
    await subjects.destroy(key);
    if (subjects.find(subject) === key) throw new Fault('internal', 'an erased subject key is still there');
    return { kind: 'erased', record, keys: [key] };
  }

  async function eraseIfFree({ record, subject, order }: Deferred): Promise<boolean> {
    if ((await holdsOn(subject)).length > 0) return false;
    const key = subjects.find(subject);
    if (key !== null) await eraseNow(subject, key, order, record);
    deferred.delete(record);
    return key !== null;
  }

  async function release(
    id: string,
    order: Order,
  ): Promise<Result<{ readonly record: string; readonly erased: number }, 'not_found'>> {
    const scope = holds.get(id);
    if (scope === undefined || (scope.tenant ?? order.tenant) !== order.tenant) return err('not_found');
    const record = await put('release', { hold: id, ...orderFacts(order) });
    holds.delete(id);
    let erased = 0;
    for (const waiting of [...deferred.values()]) if (await eraseIfFree(waiting)) erased += 1;
    return ok({ record, erased });
  }

  async function destroyEpoch(epoch: string): Promise<void> {
    for (const path of [layout.epochAge(directory, epoch), layout.epoch(directory, epoch)]) {
      if (fs.read(path) === null) continue;
      step('destroy epoch key');
      fs.remove(path);
      await fs.syncDirectoryLater(dirname(path));
    }
  }

  async function removeSegment(name: string, first: number, last: number): Promise<void> {
    const shard = shardAt(directory, shardNumber(name) === null ? '' : name);
    const path = layout.segment(shard.folder, first);
    if (fs.identify(path) !== null) {
      step('remove segment');
      fs.remove(path);
      await fs.syncDirectoryLater(dirname(path));
    }
    step('forget rows');
    await index.forget(placeOf(shard.number, first), placeOf(shard.number, last));
  }

  function whenLoaded<T>(act: () => Promise<T>): Promise<T> {
    return inTurn(async () => {
      await load();
      return act();
    });
  }

  return {
    start: () => inTurn(start),
    expire: () => whenLoaded(expire),
    hold: (scope, order) =>
      whenLoaded(async () => {
        const id = await put('hold', { scope: scopeFacts(scope), ...orderFacts(order) });
        holds.set(id, scope);
        return { id, scope };
      }),
    release: (id, order) => whenLoaded(() => release(id, order)),
    erase: (subject, order) => whenLoaded(() => erase(subject, order)),
    holds: () => [...holds].map(([id, scope]) => ({ id, scope })),
  };
}

function orderFacts({ by, tenant, groups, reason }: Order): JsonObject {
  return { by: { issuer: by.issuer, id: by.id }, tenant, groups, reason };
}

function orderOf(facts: JsonObject): Order {
  const by = isJsonObject(facts['by']) ? facts['by'] : {};
  return {
    by: { issuer: text(by['issuer']), id: text(by['id']) },
    tenant: text(facts['tenant']),
    groups: texts(facts['groups']),
    reason: text(facts['reason']),
  };
}

function scopeFacts({ tenant, subject, session, exchange, fromMs, untilMs }: HoldScope): JsonObject {
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(subject === undefined ? {} : { subject }),
    ...(session === undefined ? {} : { session }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(fromMs === undefined ? {} : { from: new Date(fromMs).toISOString() }),
    ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
  };
}

function scopeOf(value: JsonValue | undefined): HoldScope {
  if (!isJsonObject(value)) return {};
  const { tenant, subject, session, exchange, from, until } = value;
  return {
    ...(typeof tenant === 'string' ? { tenant } : {}),
    ...(typeof subject === 'string' ? { subject } : {}),
    ...(typeof session === 'string' ? { session } : {}),
    ...(typeof exchange === 'string' ? { exchange } : {}),
    ...(typeof from === 'string' ? { fromMs: Date.parse(from) } : {}),
    ...(typeof until === 'string' ? { untilMs: Date.parse(until) } : {}),
  };
}

function rangesOf(value: JsonValue | undefined): { first: number; last: number }[] {
  return (Array.isArray(value) ? value : []).filter(isJsonObject).map((range) => ({
    first: Number(range['first']),
    last: Number(range['last']),
  }));
}

function texts(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
