import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A real redis-server of its own: own port, own directory, gone at `close`. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Ends the process, keeps port and data. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with what the append-only file holds. */
  start(): Promise<void>;
  /** Connections stay, answers do not come. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/**
 * Starts `redis-server` from PATH (or `$REDIS_SERVER`) on 127.0.0.1; as a sentinel with `sentinelConfig`, a file that it
 * may rewrite.
 */
export async function startRedis(settings: readonly string[] = [], sentinelConfig?: string): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-redis-'));
  const port = await freePort();
  let server: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    const durable =
      sentinelConfig === undefined ? ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''] : ['--sentinel'];
    const config = sentinelConfig === undefined ? [] : [sentinelConfig];
    const where = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
    const child = spawn(process.env['REDIS_SERVER'] ?? 'redis-server', [...config, ...where, ...durable, ...settings], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    server = child;
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code} before it was ready`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve();
      });
    });
    child.removeAllListeners('exit');
  };
  const stop = async (): Promise<void> => {
    const child = server;
    server = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await gone;
  };

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop,
    start,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    close: async () => {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** redis-server cannot choose a port itself. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  probe.close();
  await once(probe, 'close');
  return port;
}
