import type { Log } from '../telemetry/telemetry.ts';
import type { Approval, ApprovalState } from './approval.ts';
import { decodeApproval, encodeApproval, malformed, states } from './codec.ts';
import { createHints } from './hints.ts';
import { loadScripts } from './lua-scripts.ts';
import { createRecordedStore, type RecordedStoreDeps, type RecordedStoreOptions } from './recorded-store.ts';
import { createRedisClient, type RedisClient, type RedisClientOptions } from './redis-client.ts';
import { createUseSearch } from './redis-uses.ts';
import { isDue } from './state-machine.ts';
import type { ApprovalStore, Changed } from './store.ts';
import type { ApprovalTable, Keeping, Row, Unsettled } from './table.ts';

export interface RedisStoreOptions extends RecordedStoreOptions, RedisClientOptions {
  /** Begins the name of every key. The braces keep all keys in one slot of a cluster. Default: `countersign:{approval}:`. */
  readonly prefix?: string;
}

/**
 * Approvals in Redis (6.2 or later), shared by all replicas. Atomic by Lua; durable as Redis is configured: with
 * `appendonly yes` and `appendfsync always` on a single node, and with `min-replicas-to-write` where a failover must not
 * bring a used grant back. Scripts read and write the master only. Starts although Redis is down, and recovers by itself.
 */
export async function createRedisStore(
  options: RedisStoreOptions,
  deps: RecordedStoreDeps & { readonly log: Log },
): Promise<ApprovalStore> {
  const client = await createRedisClient(options, deps.log);
  const table = await openRedisTable(client, options.prefix ?? 'countersign:{approval}:');
  return createRecordedStore(table, deps, options);
}

/** Keys live this much longer than their approval is kept, so that it is the sweep that forgets. */
const slackMs = 24 * 3_600_000;

/**
 * A row is a hash: `doc` (JSON) with its `version` and `state`, `staged` with `staged_version`, `open` (how many transitions are
 * unsettled, uses aside) and `w:<version>` for each of them, which the sorted set of unsettled ones has as `<id> <version>`.
 *
 * A use of a grant changes one field alone: `uses`, what is left to take. How many were taken is told from `granted`, the version of
 * each from `grant_version`, how many of them are settled from `settled` (the first so many) and `s:<number>` (each one beyond). When
 * the grant is about to end `uses` becomes 0, and `ended` says what it was. So a use needs no mark that it is not settled: redis-uses.ts
 * looks for such uses among `grants`, the ids of all that may have some.
 */
export async function openRedisTable(client: RedisClient, prefix: string): Promise<ApprovalTable> {
  const scripts = loadScripts();
  const hints = createHints();
  const channel = `${prefix}changes`;
  const all = `${prefix}all`;
  const next = `${prefix}next`;
  const unsettled = `${prefix}unsettled`;
  const changed = `${prefix}changed`;
  const grants = `${prefix}grants`;
  const exchangeKey = (exchange: string) => `${prefix}exchange:${exchange}`;
  const rowKey = (id: string) => `${prefix}row:${id}`;
  const digestKey = (digest: string) => `${prefix}digest:${digest}`;
  const stateKey = (state: ApprovalState) => `${prefix}state:${state}`;
  const stateKeys = states.map(stateKey);
  await client.listen(
    channel,
    (id) => hints.tell({ kind: 'changed', id }),
    () => hints.tell({ kind: 'resync' }),
  );

  const load = async (id: string): Promise<Row | null> =>
    rowFrom(await client.ask((redis) => redis.hmget(rowKey(id), ...rowFields)));

  const loadMany = async (ids: readonly string[]): Promise<readonly (Row | null)[]> => {
    if (ids.length === 0) return [];
    return client.ask(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hmget(rowKey(id), ...rowFields);
      return ((await pipeline.exec()) ?? []).map(([error, values]) => {
        if (error !== null) throw error;
        return rowFrom(Array.isArray(values) ? values : malformed('row'));
      });
    });
  };

  const lostUses = createUseSearch(client, grants, rowKey);

  /** Ids whose row ran out before a sweep came by. Ids are not used twice, so nothing can come between. */
  const forget = async (ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    await client.ask((redis) => {
      const pipeline = redis.pipeline();
      for (const key of [all, next, changed, grants, ...stateKeys]) pipeline.zrem(key, ...ids);
      return pipeline.exec();
    });
  };

  const forgetRow = async (id: string, digest: string, exchange: string): Promise<void> => {
    const keys = [rowKey(id), digestKey(digest), all, next, ...stateKeys, changed, grants, exchangeKey(exchange)];
    await client.run(scripts.remove, keys, [id]);
  };

  return {
    read: load,
    latest: async (digest) => {
      const id = await client.ask((redis) => redis.get(digestKey(digest)));
      const row = id === null ? null : await load(id);
      // Evicted by a Redis that ran out of memory: what is left of it must not block the digest.
      if (id !== null && row === null) await forgetRow(id, digest, '');
      return row;
    },
    insert: async (approval, replaces, keeping, nowMs) => {
      const { id, digest, state, version } = approval;
      const done = await client.run(
        scripts.insert,
        [rowKey(id), digestKey(digest), stateKey(state), all, next, unsettled, exchangeKey(approval.held.exchange)],
        [id, replaces ?? '', encodeApproval(approval), version, state, keeping.nextAtMs, nowMs, ttlMs(keeping, nowMs)],
      );
      return done === 1;
    },
    stage: async (after, nowMs) => {
      const args = [after.id, after.version, encodeApproval(after), nowMs];
      return (await client.run(scripts.stage, [rowKey(after.id), unsettled], args)) === 1;
    },
    consume: async (seen, _keeping, nowMs) => {
      // The end of a grant is set once: whoever has seen the grant knows it.
      if (isDue(seen, nowMs)) return null;
      const { id, version, usesLeft } = seen;
      const left = await client.run(scripts.consume, [rowKey(id)], []);
      if (typeof left !== 'number') return malformed('consumption');
      // Each use makes the version one larger and the uses one fewer, whoever took it.
      return left < 0 ? null : consumed(seen, version + usesLeft - left, left);
    },
    settle: async (after, keeping, nowMs) => {
      const { id, digest, version, state, usesLeft } = after;
      await client.run(
        scripts.settle,
        [rowKey(id), digestKey(digest), next, unsettled, ...stateKeys, changed, grants],
        [
          id,
          version,
          state,
          usesLeft,
          keeping.nextAtMs,
          ttlMs(keeping, nowMs),
          channel,
          nowMs,
          client.publish,
          ...states,
        ],
      );
    },
    unsettled: async (untilMs, nowMs, count) => {
      const members = await client.ask((redis) => redis.zrangebyscore(unsettled, '-inf', untilMs, 'LIMIT', 0, count));
      const found: Unsettled[] = [];
      for (const member of members) {
        const [id = '', version = ''] = member.split(' ');
        const written = await client.ask((redis) => redis.hget(rowKey(id), `w:${version}`));
        const row = await load(id);
        if (row !== null && written !== null) found.push(unsettledFrom(row, Number(version), written));
        else await client.ask((redis) => redis.zrem(unsettled, member));
      }
      for (const { id, version, usesLeft } of await lostUses(untilMs, nowMs, count - members.length)) {
        const row = await load(id);
        if (row !== null) found.push(useOf(row.approval, version, usesLeft));
      }
      return found;
    },
    due: async (nowMs, count) => {
      const ids = await client.ask((redis) => redis.zrangebyscore(next, '-inf', nowMs, 'LIMIT', 0, count));
      const rows = await loadMany(ids);
      await forget(ids.filter((_id, index) => rows[index] === null));
      return ids.filter((_id, index) => rows[index] !== null);
    },
    remove: ({ id, digest, held }) => forgetRow(id, digest, held.exchange),
    scan: async (state, after, count) => {
      const key = state === null ? all : stateKey(state);
      const max = after === null ? '+' : `(${after}`;
      const ids = await client.ask((redis) => redis.zrevrangebylex(key, max, '-', 'LIMIT', 0, count));
      const rows = await loadMany(ids);
      return {
        approvals: rows.flatMap((row) => (row === null ? [] : [row.approval])),
        last: ids.length < count ? null : (ids.at(-1) ?? null),
      };
    },
    byExchange: async (exchange) => {
      const id = await client.ask((redis) => redis.get(exchangeKey(exchange)));
      return id === null ? null : load(id);
    },
    changes: async (after, count) => {
      const found = await client.ask((redis) =>
        redis.zrangebyscore(changed, `(${after}`, '+inf', 'WITHSCORES', 'LIMIT', 0, count),
      );
      return changesFrom(found);
    },
    lastChange: async () => {
      const [last] = changesFrom(await client.ask((redis) => redis.zrange(changed, '-1', '-1', 'WITHSCORES')));
      return last?.at ?? 0;
    },
    count: (state, from, to) => client.ask((redis) => redis.zlexcount(stateKey(state), `[${from}`, `(${to}`)),
    claim: async (key, content, untilMs, nowMs) => {
      const ttl = Math.max(1, Math.ceil(untilMs - nowMs));
      return String(await client.run(scripts.claim, [`${prefix}claim:${key}`], [content, ttl]));
    },
    release: async (key, content) => {
      await client.run(scripts.release, [`${prefix}claim:${key}`], [content]);
    },
    // They have a time to live of their own.
    forgetClaims: async () => {},
    subscribe: hints.subscribe,
    close: client.close,
  };
}

const rowFields = ['doc', 'uses', 'ended', 'staged'] as const;

function rowFrom(values: readonly unknown[]): Row | null {
  const [doc, uses, ended, staged] = values;
  if (typeof doc !== 'string') return null;
  const approval = afterUses(decodeApproval(doc), Number(ended ?? uses));
  return { approval, staged: typeof staged === 'string' ? decodeApproval(staged) : null };
}

/** What the uses of its grant have made of an approval since its document was written. */
function afterUses(approval: Approval, usesLeft: number): Approval {
  const used = approval.usesLeft - usesLeft;
  if (approval.state !== 'approved' || used === 0) return approval;
  if (!(used > 0 && usesLeft >= 0)) return malformed('uses');
  return consumed(approval, approval.version + used, usesLeft);
}

/** Members and scores in turn. */
function changesFrom(found: readonly string[]): readonly Changed[] {
  const changes: Changed[] = [];
  for (let index = 0; index + 1 < found.length; index += 2) {
    changes.push({ id: found[index] ?? '', at: Number(found[index + 1]) });
  }
  return changes;
}

/** What a transition made of a row, told from what the row has become since. */
function unsettledFrom(row: Row, version: number, written: string): Unsettled {
  if (written === 'staged' && row.staged !== null) return { approval: row.staged, before: row.approval };
  if (written !== 'opened') return malformed('transition');
  const opened: Approval = {
    ...row.approval,
    version,
    state: 'pending',
    usesLeft: 0,
    grantUntilMs: null,
    decisions: [],
  };
  return { approval: opened, before: null };
}

function useOf(approval: Approval, version: number, usesLeft: number): Unsettled {
  const after = consumed(approval, version, usesLeft);
  return { approval: after, before: { ...after, state: 'approved', version: version - 1, usesLeft: usesLeft + 1 } };
}

/** A grant can only have been used while it stood, so a decision that ended it later is no part of the picture. */
function consumed(approval: Approval, version: number, usesLeft: number): Approval {
  const decisions = approval.decisions.filter((made) => made.verdict !== 'revoke');
  return { ...approval, version, usesLeft, state: usesLeft === 0 ? 'consumed' : 'approved', decisions };
}

function ttlMs(keeping: Keeping, nowMs: number): number {
  return Math.max(1, Math.ceil(keeping.purgeAtMs - nowMs)) + slackMs;
}
