import { limits } from '../lib/limits.ts';
import { malformed } from './codec.ts';
import type { RedisClient } from './redis-client.ts';

/** A use of a grant that nobody has settled. */
export interface LostUse {
  readonly id: string;
  /** What the use made of the approval. */
  readonly version: number;
  readonly usesLeft: number;
}

/** How many uses of a grant had been taken when one of them was first found unsettled. */
interface Sighting {
  readonly used: number;
  readonly atMs: number;
}

interface Grant {
  readonly granted: number;
  readonly version: number;
  readonly used: number;
  /** So many of the first uses are settled; of those beyond some may be. */
  readonly settled: number;
}

/**
 * What finds uses whose takers died, for somebody waits for a use and it leaves no mark but the one in its row. Each call looks at
 * the next `count` grants, all of them in turn, and at those where something was unsettled before. It returns at most `count`
 * uses that it first found unsettled at or before `untilMs`. What it has seen is known to this process alone; another, or the same one
 * after a restart, begins to count anew.
 */
export function createUseSearch(
  client: Pick<RedisClient, 'ask'>,
  grants: string,
  rowKey: (id: string) => string,
): (untilMs: number, nowMs: number, count: number) => Promise<readonly LostUse[]> {
  const sightings = new Map<string, Sighting>();
  /** Where the last call stopped; null: at the end. */
  let last: string | null = null;

  const nextIds = async (count: number): Promise<readonly string[]> => {
    const max = last === null ? '+' : `(${last}`;
    const ids = await client.ask((redis) => redis.zrevrangebylex(grants, max, '-', 'LIMIT', 0, count));
    last = ids.length < count ? null : (ids.at(-1) ?? null);
    return ids;
  };

  const read = async (ids: readonly string[]): Promise<readonly (Grant | null)[]> => {
    if (ids.length === 0) return [];
    return client.ask(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hmget(rowKey(id), 'granted', 'grant_version', 'uses', 'ended', 'settled');
      return ((await pipeline.exec()) ?? []).map(([error, values]) => {
        if (error !== null) throw error;
        return grantFrom(Array.isArray(values) ? values : malformed('row'));
      });
    });
  };

  /** Those of the uses `from` to `to` that are not settled. */
  const unsettled = async (id: string, from: number, to: number): Promise<readonly number[]> => {
    const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
    const marks = await client.ask((redis) => redis.hmget(rowKey(id), ...numbers.map((number) => `s:${number}`)));
    return numbers.filter((_number, index) => marks[index] === null);
  };

  return async (untilMs, nowMs, count) => {
    if (count <= 0) return [];
    const ids = [...new Set([...sightings.keys(), ...(await nextIds(count))])];
    const found: LostUse[] = [];
    for (const [index, grant] of (await read(ids)).entries()) {
      const id = ids[index] ?? '';
      const seen = sightings.get(id);
      if (grant === null || grant.settled >= grant.used) {
        sightings.delete(id);
        // Its row ran out before a sweep came by. Ids are not used twice, so nothing can come between.
        if (grant === null) await client.ask((redis) => redis.zrem(grants, id));
        continue;
      }
      const since = seen === undefined || seen.used <= grant.settled ? { used: grant.used, atMs: nowMs } : seen;
      if (seen !== undefined || sightings.size < limits.approvalsSweptMax) sightings.set(id, since);
      if (since.atMs > untilMs || found.length >= count) continue;
      const to = Math.min(since.used, grant.used, grant.settled + count - found.length);
      for (const number of await unsettled(id, grant.settled + 1, to)) {
        found.push({ id, version: grant.version + number, usesLeft: grant.granted - number });
      }
    }
    return found;
  };
}

function grantFrom(values: readonly unknown[]): Grant | null {
  const [granted, version, uses, ended, settled] = values;
  if (typeof granted !== 'string') return null;
  const left = Number(ended ?? uses);
  return { granted: Number(granted), version: Number(version), used: Number(granted) - left, settled: Number(settled) };
}
