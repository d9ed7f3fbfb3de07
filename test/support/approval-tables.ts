import { afterAll, beforeAll } from 'vitest';
import { openLevelTable } from '../../src/approval/level-store.ts';
import { createRedisClient } from '../../src/approval/redis-client.ts';
import { openRedisTable } from '../../src/approval/redis-store.ts';
import type { ApprovalTable } from '../../src/approval/table.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import { scratch } from './approvals.ts';
import { type RedisServer, startRedis } from './redis.ts';

export interface OpenTable {
  readonly table: ApprovalTable;
  /** Closes the table, and takes away what it was kept in. */
  close(): Promise<void>;
}

export interface TableImplementation {
  readonly name: 'level' | 'redis';
  /** An empty table, beside any that is open. */
  open(): Promise<OpenTable>;
}

/** A Redis that runs as long as the test file. To be called at its top; there is none before the tests run. */
export function redisOfFile(settings: readonly string[] = []): { url(): string } {
  let redis: RedisServer | null = null;
  beforeAll(async () => {
    redis = await startRedis(settings);
  });
  afterAll(() => redis?.close());
  return {
    url: () => {
      if (redis === null) throw new Error('Redis runs while tests do');
      return redis.url;
    },
  };
}

/** Every table of approvals: on a disk, and in this Redis under keys of its own. */
export function tablesIn(redis: { url(): string }, name: string): readonly TableImplementation[] {
  let made = 0;
  return [
    {
      name: 'level',
      open: async () => {
        const { directory, remove } = scratch(name);
        const table = await openLevelTable(directory);
        return { table, close: () => table.close().finally(remove) };
      },
    },
    {
      name: 'redis',
      open: async () => {
        made += 1;
        const client = await createRedisClient({ target: { kind: 'single', url: redis.url() } }, silentLog);
        const table = await openRedisTable(client, `${name}-${made}:{approval}:`);
        return { table, close: () => table.close() };
      },
    },
  ];
}
