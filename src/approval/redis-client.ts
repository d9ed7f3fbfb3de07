import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, Redis, ReplyError } from 'ioredis';
import { Fault } from '../lib/fault.ts';
import { unreachable } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { Script } from './lua-scripts.ts';
import { createDeadlines } from './redis-deadlines.ts';
import { listenToShard } from './redis-shard-listener.ts';
import { watchSilence } from './redis-silence.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is. */
export type RedisTarget =
  /** `redis://` or `rediss://`, with user, password and database where needed. */
  | { readonly kind: 'single'; readonly url: string }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Address[];
      /** Name of the master group. */
      readonly name: string;
      readonly username?: string;
      readonly password?: string;
      readonly sentinelPassword?: string;
      readonly tls?: boolean;
    }
  | {
      readonly kind: 'cluster';
      readonly nodes: readonly Address[];
      readonly username?: string;
      readonly password?: string;
      readonly tls?: boolean;
    };

export type Connection = Redis | Cluster;

/**
 * A connection to Redis that never makes anyone wait longer than the deadline: what cannot be sent now fails now (no offline
 * queue), what is not answered in time fails then, and a connection that lost its peer is made anew in the background for
 * as long as the client is open. Nothing is ever sent twice. All failures are Fault `approval_unavailable`.
 */
export interface RedisClient {
  ask<T>(what: (redis: Connection) => Promise<T>): Promise<T>;
  /** Runs a script by its digest; loads it where the server has forgotten it. */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** How scripts are to tell a channel of something. In a cluster by SPUBLISH, so that it does not go to every node. */
  readonly publish: 'PUBLISH' | 'SPUBLISH';
  /**
   * Listens to a channel for as long as the client is open. `onGap`: messages may have been lost before now. Resolves when
   * it listens, or after one deadline without.
   */
  listen(channel: string, onMessage: (message: string) => void, onGap: () => void): Promise<void>;
  close(): Promise<void>;
}

export interface RedisClientOptions {
  readonly target: RedisTarget;
  /** For every single call. Default: 2 s. */
  readonly deadlineMs?: number;
}

/** Resolves when connected, or after one deadline without: Redis may come later. */
export async function createRedisClient(options: RedisClientOptions, log: Log): Promise<RedisClient> {
  const { target, deadlineMs = 2_000 } = options;
  const redis = connect(target, target.kind === 'cluster' ? watchedOptions(deadlineMs) : commonOptions(deadlineMs));
  const silence = redis instanceof Redis ? watchSilence(redis, deadlineMs) : null;
  const opened: Pick<Connection, 'disconnect'>[] = [redis];
  const deadlines = createDeadlines(deadlineMs);
  let underWay = 0;
  let isClosed = false;
  redis.on('error', (error: Error) => log.warn('redis connection failed', { reason: error.message }));

  // Of promises no more than it takes: this stands on the way of every single command.
  const ask: RedisClient['ask'] = <T>(what: (connection: Connection) => Promise<T>) => {
    if (isClosed) return Promise.reject(unavailable('the Redis client is closed'));
    if (underWay >= limits.storeCallsMax) {
      return Promise.reject(unavailable(`more than ${limits.storeCallsMax} calls to Redis are under way`));
    }
    underWay += 1;
    return new Promise<T>((resolve, reject) => {
      const mark = silence?.mark() ?? 0;
      const timed = deadlines.begin(() => {
        underWay -= 1;
        silence?.late(mark);
        reject(unavailable(`Redis did not answer within ${deadlineMs} ms`));
      });
      what(redis).then(
        (value) => {
          silence?.heard();
          if (!deadlines.end(timed)) return;
          underWay -= 1;
          resolve(value);
        },
        (thrown: unknown) => {
          if (thrown instanceof ReplyError) silence?.heard();
          if (!deadlines.end(timed)) return;
          underWay -= 1;
          reject(thrown instanceof Fault ? thrown : unavailable(reasonOf(thrown), thrown));
        },
      );
    });
  };

  const run: RedisClient['run'] = (script, keys, args) =>
    ask<unknown>((connection) =>
      connection.evalsha(script.sha1, keys.length, ...keys, ...args).catch((thrown: unknown) => {
        if (!(thrown instanceof Error) || !thrown.message.startsWith('NOSCRIPT')) throw thrown;
        return connection.eval(script.source, keys.length, ...keys, ...args);
      }),
    );

  const listenInCluster = async (
    cluster: Extract<RedisTarget, { kind: 'cluster' }>,
    ...[channel, onMessage, onGap]: Parameters<RedisClient['listen']>
  ): Promise<void> => {
    const known = (): readonly Address[] => {
      const masters = redis instanceof Cluster ? redis.nodes('master') : [];
      const found = masters.map(({ options: { host = '', port = 0 } }) => ({ host, port }));
      return found.length > 0 ? found : cluster.nodes;
    };
    await atMost(
      new Promise<void>((resolve) => {
        opened.push({
          disconnect: listenToShard(channel, {
            nodes: known,
            connect: (node) => new Redis({ ...watchedOptions(deadlineMs), ...credentials(cluster), ...node, ...once }),
            backOffMs,
            onMessage,
            onGap: () => {
              onGap();
              resolve();
            },
            onPlain: () => log.warn('redis has no sharded pub/sub: hints go to every node of the cluster', {}),
            onProblem: (reason) => log.warn('redis subscription failed', { reason }),
          }).close,
        });
      }),
      deadlineMs,
    );
  };

  const listen: RedisClient['listen'] = async (channel, onMessage, onGap) => {
    if (target.kind === 'cluster') return listenInCluster(target, channel, onMessage, onGap);
    const subscriber = connect(target, watchedOptions(deadlineMs));
    opened.push(subscriber);
    subscriber.on('error', (error: Error) => log.warn('redis subscription failed', { reason: error.message }));
    subscriber.on('message', (_channel: string, message: string) => onMessage(message));
    const listening = new Promise<void>((resolve) => {
      // Not ioredis' own re-subscription: whoever waits must read again once the new subscription stands.
      subscriber.on('ready', () => {
        subscriber.subscribe(channel).then(
          () => {
            onGap();
            resolve();
          },
          (error: unknown) => {
            log.warn('redis subscription failed', { reason: reasonOf(error) });
            if (!isClosed) subscriber.disconnect(true);
          },
        );
      });
    });
    await atMost(listening, deadlineMs);
  };

  await atMost(new Promise((resolve) => redis.once('ready', resolve)), deadlineMs);
  return {
    ask,
    run,
    listen,
    publish: target.kind === 'cluster' ? 'SPUBLISH' : 'PUBLISH',
    close: async () => {
      isClosed = true;
      silence?.close();
      for (const connection of opened) connection.disconnect();
    },
  };
}

/** For a connection that whoever holds it replaces. */
const once = { enableOfflineQueue: false, retryStrategy: null };

function commonOptions(deadlineMs: number) {
  return {
    connectTimeout: deadlineMs,
    disconnectTimeout: 100,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // After a failover the old master answers READONLY: look for the new one, but do not send again.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  };
}

/** For connections whose peer nobody watches but ioredis: where it stops answering the socket goes, and with it what waits on it. */
function watchedOptions(deadlineMs: number) {
  return { ...commonOptions(deadlineMs), commandTimeout: deadlineMs, socketTimeout: 2 * deadlineMs };
}

function connect(target: RedisTarget, common: ReturnType<typeof commonOptions>): Connection {
  const again = { enableOfflineQueue: false, retryStrategy: backOffMs };
  switch (target.kind) {
    case 'single':
      return new Redis(target.url, { ...common, ...again });
    case 'sentinel':
      return new Redis({
        ...common,
        ...again,
        ...credentials(target),
        ...(target.sentinelPassword === undefined ? {} : { sentinelPassword: target.sentinelPassword }),
        sentinels: target.sentinels.map((sentinel) => ({ ...sentinel })),
        sentinelRetryStrategy: backOffMs,
        name: target.name,
      });
    case 'cluster':
      return new Cluster(
        target.nodes.map((node) => ({ ...node })),
        {
          enableOfflineQueue: false,
          clusterRetryStrategy: backOffMs,
          redisOptions: { ...common, ...credentials(target) },
        },
      );
    default:
      return unreachable(target);
  }
}

function credentials(target: { username?: string; password?: string; tls?: boolean }): Credentials {
  return {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls === true ? { tls: {} } : {}),
  };
}

interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
}

function backOffMs(attempt: number): number {
  return Math.min(25 * 2 ** Math.min(attempt, 6), 1_000);
}

/** Waits for something that may as well come later. */
async function atMost(what: Promise<unknown>, ms: number): Promise<void> {
  const stop = new AbortController();
  const late = pause(ms, undefined, { signal: stop.signal }).catch(() => undefined);
  await Promise.race([what, late]);
  stop.abort();
}

function unavailable(reason: string, cause?: unknown): Fault {
  return new Fault('approval_unavailable', reason, cause);
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
