import type { Address } from './redis-client.ts';

/** A connection to one node of a cluster that does not connect again by itself: what is needed of ioredis' `Redis`. */
export interface NodeConnection {
  on(event: 'ready' | 'moved' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'message' | 'smessage', listener: (channel: string, message: string) => void): unknown;
  ssubscribe(channel: string): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  disconnect(): void;
}

export interface ShardListenerDeps {
  /** Nodes to begin with; any of them says where the channel is. */
  readonly nodes: () => readonly Address[];
  readonly connect: (node: Address) => NodeConnection;
  readonly backOffMs: (attempt: number) => number;
  readonly onMessage: (message: string) => void;
  /** The subscription stands (again): messages may have been lost before now. */
  readonly onGap: () => void;
  /** The server has no sharded pub/sub (Redis before 7): the channel is an ordinary one. Told once. */
  readonly onPlain: () => void;
  readonly onProblem: (reason: string) => void;
}

/**
 * Listens to a channel of sharded pub/sub for as long as it is not closed. The channel lives with its slot, so messages stay on
 * one node instead of going to all. The listener asks any node, goes where `MOVED` sends it, and begins anew when the connection
 * ends or the slot moves away (the server then ends the subscription by itself).
 */
export function listenToShard(channel: string, deps: ShardListenerDeps): { close(): void } {
  let current: NodeConnection | null = null;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let isPlainTold = false;
  let attempts = 0;

  const begin = (): void => {
    const nodes = deps.nodes();
    const node = nodes[attempts % Math.max(1, nodes.length)];
    if (node === undefined) again(null);
    else follow(node);
  };

  /** `moved`: where to go instead, at once the first time; a cluster that sends in circles is asked more and more slowly. */
  const again = (moved: Address | null): void => {
    if (isClosed) return;
    const waitMs = moved !== null && attempts === 0 ? 0 : deps.backOffMs(attempts);
    attempts += 1;
    timer = setTimeout(() => (moved === null ? begin() : follow(moved)), waitMs);
  };

  const follow = (node: Address): void => {
    const connection = deps.connect(node);
    current = connection;
    let moved: Address | null = null;
    connection.on('error', (error) => deps.onProblem(error.message));
    connection.on('message', (_channel, message) => deps.onMessage(message));
    connection.on('smessage', (_channel, message) => deps.onMessage(message));
    connection.on('moved', () => connection.disconnect());
    connection.on('end', () => again(moved));
    connection.on('ready', () => {
      subscribe(connection).then(
        () => {
          attempts = 0;
          deps.onGap();
        },
        (thrown: unknown) => {
          const reason = thrown instanceof Error ? thrown.message : String(thrown);
          moved = movedTo(reason, node);
          if (moved === null && !isClosed) deps.onProblem(reason);
          connection.disconnect();
        },
      );
    });
  };

  const subscribe = async (connection: NodeConnection): Promise<void> => {
    try {
      await connection.ssubscribe(channel);
    } catch (thrown) {
      if (!(thrown instanceof Error) || !/^ERR unknown command/i.test(thrown.message)) throw thrown;
      if (!isPlainTold) deps.onPlain();
      isPlainTold = true;
      await connection.subscribe(channel);
    }
  };

  begin();
  return {
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      current?.disconnect();
    },
  };
}

/** `MOVED 3999 127.0.0.1:6381`; without a host it is the one that was asked (Redis Cluster specification, "MOVED Redirection"). */
export function movedTo(reason: string, asked: Address): Address | null {
  const [, host = '', port] = /^MOVED \d+ (.*):(\d+)$/.exec(reason) ?? [];
  return port === undefined ? null : { host: host === '' ? asked.host : host, port: Number(port) };
}
