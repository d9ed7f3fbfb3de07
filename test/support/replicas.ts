import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from './approvals.ts';
import { eventually } from './eventually.ts';
import { type PolicyChanges, policyVariant, withBundle } from './policy-variant.ts';
import { freePorts, root, startTestStack, type TestStack } from './stack.ts';

export interface Replica {
  /** Address of its gRPC API. */
  readonly api: string;
  readonly http: string;
  readonly auditFolder: string;
  /** `kill -9`. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, on the same ports and data. */
  start(): Promise<void>;
}

/** Several countersign processes behind one Envoy, over one Redis. */
export interface ReplicaStack extends TestStack {
  /** All of them; the first is the one that the stack itself started, and cannot be started again. */
  readonly replicas: readonly Replica[];
}

export interface ReplicaOptions {
  readonly count: number;
  /** The `approval.store` member: `redis: { url: … }`. */
  readonly store: string;
  /** Absent: the policies as shipped. */
  readonly policy?: PolicyChanges;
  /** Milliseconds by which the clock of the replica is off. */
  readonly skewMs?: readonly number[];
  readonly serviceConfig?: (yaml: string) => string;
}

/** Envoy hands requests to the replicas in turn. */
export async function startReplicas(options: ReplicaOptions): Promise<ReplicaStack> {
  const { count, store, skewMs = [], serviceConfig = (yaml) => yaml } = options;
  const policy = options.policy === undefined ? null : await policyVariant(options.policy);
  const keys = scratch('replicas');
  const keyFile = join(keys.directory, 'masking-key');
  writeFileSync(keyFile, 'for-tests-'.repeat(4));
  const ports = await freePorts((count - 1) * 3);
  const pepPorts = ports.filter((_port, index) => index % 3 === 0);
  const stack = await startTestStack({
    serviceConfig: (yaml) =>
      serviceConfig(policy === null ? yaml : withBundle(policy.bundle)(yaml))
        .replace(/embedded: \{.*\}/, store)
        .replace('scope: session', `scope: session\n  key: \${file:${keyFile}}`),
    envoyConfig: (yaml) =>
      yaml.replace(/^( +)- endpoint: .*port_value: 9191.*$/m, (line, indent: string) =>
        [
          line,
          ...pepPorts.map(
            (port) =>
              `${indent}- endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } }`,
          ),
        ].join('\n'),
      ),
  });
  const first: Replica = {
    api: stack.api,
    http: stack.http,
    auditFolder: stack.auditFolder,
    kill: () => killed(stack.service),
    start: () => Promise.reject(new Error('the first replica is the stack itself')),
  };
  const others: Started[] = [];
  try {
    for (let n = 1; n < count; n += 1) {
      const [pep = 0, api = 0, http = 0] = ports.slice((n - 1) * 3);
      others.push(await startReplica(stack, n, { pep, api, http }, skewMs[n] ?? 0));
    }
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  async function stop(): Promise<void> {
    for (const other of others) await other.stop();
    await stack.stop();
    policy?.remove();
    keys.remove();
  }
  return { ...stack, replicas: [first, ...others], stop };
}

interface Started extends Replica {
  stop(): Promise<void>;
}

interface Ports {
  readonly pep: number;
  readonly api: number;
  readonly http: number;
}

async function startReplica(stack: TestStack, n: number, ports: Ports, skewMs: number): Promise<Started> {
  const folder = join(stack.dataFolder, `replica-${n}`);
  mkdirSync(folder);
  const config = join(folder, 'countersign.yaml');
  const [pep, api, http] = ['pep', 'api', 'http'].map(
    (name) => new RegExp(`(${name}: \\{ address: 127\\.0\\.0\\.1:)\\d+`),
  );
  const yaml = readFileSync(join(stack.dataFolder, 'countersign.yaml'), 'utf8')
    .replace(pep ?? '', `$1${ports.pep}`)
    .replace(api ?? '', `$1${ports.api}`)
    .replace(http ?? '', `$1${ports.http}`)
    .replace('gateway-0', `gateway-${n}`);
  writeFileSync(config, yaml);
  const said: string[] = [];
  let child: ChildProcess;

  const start = async (): Promise<void> => {
    const skew = `data:text/javascript,const now=Date.now;Date.now=()=>now()+(${skewMs})`;
    child = spawn(
      process.execPath,
      [...(skewMs === 0 ? [] : ['--import', skew]), join(root, 'dist', 'main.js'), 'serve', '--config', config],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          COUNTERSIGN_DATA: folder,
          COUNTERSIGN_BUNDLE: join(root, '.cache', 'policy', 'bundle.tar.gz'),
          COUNTERSIGN_ISSUER: 'https://issuer.demo.invalid',
          COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json'),
        },
      },
    );
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => void said.push(chunk.toString('utf8')));
    await eventually(
      `replica ${n}`,
      async () => {
        if (child.exitCode !== null) throw new Error(`replica ${n} ended: ${said.join('').slice(-2_000)}`);
        const answer = await fetch(`http://127.0.0.1:${ports.http}/readyz`).catch(() => null);
        return answer?.ok ? true : undefined;
      },
      90_000,
    ).catch(async (thrown: unknown) => {
      await killed(child);
      throw thrown;
    });
  };

  await start();
  return {
    api: `127.0.0.1:${ports.api}`,
    http: `http://127.0.0.1:${ports.http}`,
    auditFolder: join(folder, 'audit'),
    start,
    kill: () => killed(child),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
