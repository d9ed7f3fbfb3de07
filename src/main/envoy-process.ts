import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface EnvoyProcess {
  readonly pid: number;
  readonly adminPort: number;
  /** All of Envoy's counters and gauges whose name matches. */
  stats(filter: string): Promise<ReadonlyMap<string, number>>;
  /** The tail of what Envoy printed, for error messages. */
  output(): string;
  readonly exited: Promise<number | null>;
  stop(): Promise<void>;
}

/** Port numbers as they stand in the shipped configuration → the ones to use instead. */
export type PortMap = Readonly<Record<number, number>>;

/** The Envoy to run: COUNTERSIGN_ENVOY, else `envoy` on PATH, else the one that set-up put into `.cache`. Null: none. */
export function findEnvoy(root: string, env: NodeJS.ProcessEnv): string | null {
  const given = env['COUNTERSIGN_ENVOY'];
  if (given) return given;
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'envoy');
    if (isExecutable(path)) return path;
  }
  const cached = join(root, '.cache', 'envoy-1.40.0', 'envoy', '_bin', 'envoy');
  return existsSync(cached) ? cached : null;
}

/** Rewrites the ports of a shipped Envoy configuration, and only those: the rest is what users run. */
export function withPorts(yaml: string, ports: PortMap): string {
  return yaml.replace(/port_value: (\d+)/g, (whole, port: string) => {
    const replaced = ports[Number(port)];
    return replaced === undefined ? whole : `port_value: ${replaced}`;
  });
}

/** Starts Envoy on a configuration and resolves when it serves. Rejects with Envoy's own words when it does not within 30 s. */
export async function startEnvoy(options: {
  readonly binary: string;
  readonly configFile: string;
  readonly runFolder: string;
  readonly ports?: PortMap;
  readonly adminPort: number;
  readonly logLevel?: string;
  /** Runtime flags (`envoy.reloadable_features.…`). */
  readonly onOutput?: (line: string) => void;
}): Promise<EnvoyProcess> {
  const config = withPorts(readFileSync(options.configFile, 'utf8'), options.ports ?? {});
  const file = join(options.runFolder, `envoy-${options.adminPort}.yaml`);
  writeFileSync(file, config);
  const child = spawn(
    options.binary,
    [
      '-c',
      file,
      '--disable-hot-restart',
      '--concurrency',
      '1',
      '-l',
      options.logLevel ?? 'warning',
      '--drain-time-s',
      '1',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const tail: string[] = [];
  const keep = (chunk: Buffer): void => {
    const text = chunk.toString('utf8');
    tail.push(text);
    if (tail.length > 200) tail.shift();
    options.onOutput?.(text);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', () => resolve(null));
  });
  const output = (): string => tail.join('').slice(-4000);
  await waitUntilLive(options.adminPort, child, exited, output);
  return {
    pid: child.pid ?? 0,
    adminPort: options.adminPort,
    exited,
    output,
    async stats(filter) {
      const response = await fetch(`http://127.0.0.1:${options.adminPort}/stats?filter=${encodeURIComponent(filter)}`);
      const found = new Map<string, number>();
      for (const line of (await response.text()).split('\n')) {
        const [name = '', value = ''] = line.split(': ');
        if (/^\d+$/.test(value)) found.set(name, Number(value));
      }
      return found;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

async function waitUntilLive(
  port: number,
  child: ChildProcess,
  exited: Promise<number | null>,
  output: () => string,
): Promise<void> {
  let gone = false;
  exited.then(() => {
    gone = true;
  });
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline && !gone) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/ready`);
      if ((await response.text()).startsWith('LIVE')) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.kill('SIGKILL');
  throw new Error(`Envoy did not start:\n${output()}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
