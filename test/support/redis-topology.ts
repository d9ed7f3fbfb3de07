import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisTarget } from '../../src/approval/redis-client.ts';
import { scratch } from './approvals.ts';
import { eventually } from './eventually.ts';
import { type RedisServer, startRedis } from './redis.ts';

export interface SentinelStand {
  readonly target: RedisTarget;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** Resolves when the sentinels say that another server is the master, and it is. */
  failedOver(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A master and its replica, watched by three sentinels of which two must agree. The master takes a write only while its replica
 * follows (`min-replicas-to-write`), as the operations page asks for; its successor has none to wait for.
 */
export async function startSentinels(): Promise<SentinelStand> {
  const safe = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '1'];
  const master = await startRedis(safe);
  const replica = await startRedis(['--replicaof', `127.0.0.1 ${master.port}`]);
  const folder = scratch('sentinels');
  const config = `sentinel monitor approvals 127.0.0.1 ${master.port} 2
sentinel down-after-milliseconds approvals 500
sentinel failover-timeout approvals 3000
`;
  const sentinels = await Promise.all(
    [0, 1, 2].map((n) => {
      const file = join(folder.directory, `sentinel-${n}.conf`);
      writeFileSync(file, config);
      return startRedis([], file);
    }),
  );
  await asked(replica.port, async (redis) => {
    await eventually('a replica that follows', async () =>
      (await redis.info('replication')).includes('master_link_status:up') ? true : undefined,
    );
  });
  for (const { port } of sentinels) {
    await asked(port, (redis) =>
      eventually('sentinels that know each other and the replica', async () => {
        const facts = await redis.info('sentinel');
        return /slaves=1,sentinels=3/.test(facts) ? true : undefined;
      }),
    );
  }
  const [observer] = sentinels;
  return {
    target: {
      kind: 'sentinel',
      name: 'approvals',
      sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    },
    master,
    replica,
    failedOver: () =>
      asked(observer?.port ?? 0, async (redis) => {
        await eventually(
          'another master',
          async () => {
            const address = await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'approvals');
            return Array.isArray(address) && Number(address[1]) === replica.port ? true : undefined;
          },
          30_000,
        );
        await asked(replica.port, (promoted) =>
          eventually('a master that knows it', async () =>
            (await promoted.info('replication')).includes('role:master') ? true : undefined,
          ),
        );
      }),
    close: async () => {
      await Promise.all([...sentinels, replica, master].map((server) => server.close()));
      folder.remove();
    },
  };
}

export interface ClusterStand {
  readonly target: RedisTarget;
  readonly nodes: readonly RedisServer[];
  /** The node that holds the slot of a key. */
  ownerOf(key: string): Promise<RedisServer>;
  /** Moves the whole slot of a key to the next node, its keys with it. */
  moveSlotOf(key: string): Promise<void>;
  close(): Promise<void>;
}

/** Three masters that share all slots. */
export async function startCluster(): Promise<ClusterStand> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-node-timeout', '2000'];
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis(settings)));
  const ids = await Promise.all(nodes.map(({ port }) => asked(port, (redis) => redis.cluster('MYID'))));
  const [first] = nodes;
  for (const [index, { port }] of nodes.entries()) {
    await asked(port, async (redis) => {
      await redis.cluster('ADDSLOTSRANGE', Math.ceil((index * 16_384) / 3), Math.ceil(((index + 1) * 16_384) / 3) - 1);
      if (index > 0) await redis.cluster('MEET', '127.0.0.1', first?.port ?? 0);
    });
  }
  for (const { port } of nodes) {
    await asked(port, (redis) =>
      eventually('a cluster', async () => {
        const facts = String(await redis.cluster('INFO'));
        return facts.includes('cluster_state:ok') && facts.includes('cluster_known_nodes:3') ? true : undefined;
      }),
    );
  }
  const slotOf = (key: string) => asked(first?.port ?? 0, (redis) => redis.cluster('KEYSLOT', key));
  const ownerIndex = async (key: string): Promise<number> => {
    const slot = await slotOf(key);
    const ranges = await asked(first?.port ?? 0, (redis) => redis.cluster('SLOTS'));
    const range = ranges.find(([from, to]) => slot >= Number(from) && slot <= Number(to));
    const id = Array.isArray(range?.[2]) ? String(range[2][2]) : '';
    return ids.indexOf(id);
  };
  const node = (index: number): RedisServer => {
    const found = nodes[index];
    if (found === undefined) throw new Error('no node has the slot');
    return found;
  };
  return {
    target: { kind: 'cluster', nodes: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) },
    nodes,
    ownerOf: async (key) => node(await ownerIndex(key)),
    moveSlotOf: async (key) => {
      const slot = await slotOf(key);
      const from = await ownerIndex(key);
      const to = (from + 1) % nodes.length;
      const [source, target] = [node(from), node(to)];
      await asked(target.port, (redis) => redis.cluster('SETSLOT', slot, 'IMPORTING', ids[from] ?? ''));
      await asked(source.port, async (redis) => {
        await redis.cluster('SETSLOT', slot, 'MIGRATING', ids[to] ?? '');
        const keys = await redis.cluster('GETKEYSINSLOT', slot, 10_000);
        await redis.migrate('127.0.0.1', target.port, '', 0, 5_000, 'KEYS', ...keys);
      });
      for (const { port } of [target, source, ...nodes]) {
        await asked(port, (redis) => redis.cluster('SETSLOT', slot, 'NODE', ids[to] ?? ''));
      }
    },
    close: async () => {
      await Promise.all(nodes.map((server) => server.close()));
    },
  };
}

/** Asks one server something, on a connection of its own. */
export async function asked<T>(port: number, what: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(port, '127.0.0.1');
  redis.on('error', () => {});
  try {
    return await what(redis);
  } finally {
    redis.disconnect();
  }
}
