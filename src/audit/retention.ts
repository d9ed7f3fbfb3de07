import { basename } from 'node:path';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { createTurns } from '../lib/turns.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { createDestruction } from './destruction.ts';
import type { AuditEntry, AuditLog } from './entry.ts';
import { createExpiry, type Expired, type RetentionLimits } from './expiry.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import { layout } from './layout.ts';
import { createLegalHolds, type Hold } from './legal-holds.ts';
import type { IndexedRecord, RecordIndex } from './record-index.ts';
import { type Order, orderFacts, orderOf, rangesOf, scopeFacts, scopeOf, text, texts } from './retention-facts.ts';
import type { HoldScope } from './retention-plan.ts';
import type { SteadyClock } from './steady-clock.ts';
import type { SubjectKeys } from './subject-keys.ts';

export type Erased =
  | { readonly kind: 'erased'; readonly record: string; readonly keys: readonly string[] }
  /** It waits for these holds to be released, and is then done by itself. */
  | { readonly kind: 'deferred'; readonly record: string; readonly holds: readonly string[] };

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

interface Deferred {
  readonly record: string;
  readonly subject: string;
  readonly order: Order;
}

export function createRetention(deps: RetentionDeps, limits: RetentionLimits): Retention {
  const { directory, fs, log, index, subjects } = deps;
  const step = deps.onStep ?? (() => undefined);
  const holds = createLegalHolds(index);
  const deferred = new Map<string, Deferred>();
  const inTurn = createTurns(null);
  let isLoaded = false;
  const destruction = createDestruction({ directory, fs, index, step });
  const expire = createExpiry(
    {
      ...deps,
      holds,
      destruction,
      put: (facts) => put('expire', facts),
      openOrders: () => [...holds.all().map(({ id }) => id), ...deferred.keys()],
      step,
    },
    limits,
  );

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
        holds.add({ id, scope: scopeOf(facts['scope']) });
        return;
      case 'release':
        holds.remove(text(facts['hold']));
        return;
      case 'erase_deferred':
        deferred.set(id, { record: id, subject: text(facts['subject']), order: orderOf(facts) });
        return;
      case 'erase':
        deferred.delete(text(facts['deferred']));
        for (const key of texts(facts['keys'])) await subjects.destroy(key);
        return;
      case 'expire':
        for (const epoch of texts(facts['epochs'])) await destruction.destroyEpoch(epoch);
        if (facts['class'] === 'shard') await destruction.removeShard(basename(text(facts['log'])));
        for (const { first, last } of rangesOf(facts['segments'])) {
          await destruction.removeSegment(
            facts['log'] === undefined ? inShard : basename(text(facts['log'])),
            first,
            last,
          );
        }
        return;
      default:
        return;
    }
  }

  async function erase(subject: string, order: Order): Promise<Result<Erased, 'not_found'>> {
    const key = subjects.find(subject);
    if (key === null) return err('not_found');
    const held = await holds.onSubject(subject);
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
    if ((await holds.onSubject(subject)).length > 0) return false;
    const key = subjects.find(subject);
    if (key !== null) await eraseNow(subject, key, order, record);
    deferred.delete(record);
    return key !== null;
  }

  async function release(
    id: string,
    order: Order,
  ): Promise<Result<{ readonly record: string; readonly erased: number }, 'not_found'>> {
    const scope = holds.scopeOf(id);
    if (scope === null || (scope.tenant ?? order.tenant) !== order.tenant) return err('not_found');
    const record = await put('release', { hold: id, ...orderFacts(order) });
    holds.remove(id);
    let erased = 0;
    for (const waiting of [...deferred.values()]) if (await eraseIfFree(waiting)) erased += 1;
    return ok({ record, erased });
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
        const hold = { id, scope };
        holds.add(hold);
        return hold;
      }),
    release: (id, order) => whenLoaded(() => release(id, order)),
    erase: (subject, order) => whenLoaded(() => erase(subject, order)),
    holds: holds.all,
  };
}
