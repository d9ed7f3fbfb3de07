import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { type EnvoyProcess, type PortMap, startEnvoy } from '../envoy-process.ts';
import { CliError } from '../output.ts';
import { createDemoIssuer, createSigningKey } from './issuer.ts';

export interface StackOptions {
  /** The checkout, or wherever envoy/ and the bundle stand. */
  readonly root: string;
  /** Everything that the stack writes goes below it. */
  readonly dataFolder: string;
  readonly envoyBinary: string;
  readonly envoyConfig: string;
  readonly serviceConfig: string;
  /** Port in the shipped files → port to use; absent: as shipped. */
  readonly ports?: PortMap;
  readonly onServiceOutput?: (text: string) => void;
  readonly onEnvoyOutput?: (text: string) => void;
  readonly tokenLifetimeS?: number;
  /** What must answer before the stack counts as started: `ready` (default), or `live` for one that cannot be ready yet. */
  readonly until?: 'ready' | 'live';
  /** Options of Node for the service's process, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[];
}

/** Envoy and countersign, running on this machine as their shipped configurations say. */
export interface Stack {
  readonly baseUrl: string;
  /** Address of countersign's own gRPC API. */
  readonly api: string;
  /** Base address of metrics and health. */
  readonly http: string;
  readonly tokens: { readonly requester: string; readonly approver: string; readonly auditor: string };
  /** Header that carries them. */
  readonly tokenHeader: string;
  readonly auditFolder: string;
  readonly auditKeyFile: string;
  readonly envoy: EnvoyProcess;
  readonly service: ChildProcess;
  /** A token with claims of the caller's choice, from the issuer that the stack trusts. */
  mint(claims: Record<string, string | number | boolean | string[]>, lifetimeS?: number): Promise<string>;
  /** Ends the service in good order (SIGTERM), then Envoy. */
  stop(): Promise<void>;
}

const issuerName = 'https://issuer.demo.invalid';
const audience = 'countersign';

/** People of the demo. Groups as the shipped policy data names them. */
const people = {
  requester: { sub: 'alice', name: 'Alice (requester)', groups: ['engineering'] },
  approver: { sub: 'bob', name: 'Bob (approver)', groups: ['engineering', 'production-approvers'] },
  auditor: { sub: 'carol', name: 'Carol (auditor)', groups: ['auditors'] },
};

export async function startStack(options: StackOptions): Promise<Stack> {
  const { root, dataFolder } = options;
  const port = (shipped: number): number => options.ports?.[shipped] ?? shipped;
  mkdirSync(dataFolder, { recursive: true });
  await Promise.all([10000, 9901, 9191, 9192, 9193].map((shipped) => mustBeFree(port(shipped))));

  const issuer = createDemoIssuer(
    { clock: systemClock },
    { issuer: issuerName, keys: [await createSigningKey('demo-1', 'ES256')] },
  );
  const jwksFile = join(dataFolder, 'jwks.json');
  writeFileSync(jwksFile, JSON.stringify(issuer.jwks()));
  const lifetimeS = options.tokenLifetimeS ?? 8 * 3600;
  const mint: Stack['mint'] = (claims, seconds) => issuer.mint({ aud: audience, ...claims }, seconds ?? lifetimeS);

  const auditFolder = join(dataFolder, 'audit');
  const configFile = join(dataFolder, 'countersign.yaml');
  writeFileSync(configFile, withAddresses(readFileSync(options.serviceConfig, 'utf8'), port));
  const command = [...(options.nodeOptions ?? []), join(root, 'dist', 'main.js'), 'serve', '--config', configFile];
  const service = spawn(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      COUNTERSIGN_DATA: dataFolder,
      COUNTERSIGN_BUNDLE: join(root, '.cache', 'policy', 'bundle.tar.gz'),
      COUNTERSIGN_ISSUER: issuerName,
      COUNTERSIGN_JWKS: jwksFile,
    },
  });
  const said: string[] = [];
  const keep = (chunk: Buffer): void => {
    said.push(chunk.toString('utf8'));
    if (said.length > 500) said.shift();
    options.onServiceOutput?.(chunk.toString('utf8'));
  };
  service.stdout?.on('data', keep);
  service.stderr?.on('data', keep);
  const exited = new Promise<void>((resolve) => service.once('exit', () => resolve()));
  const http = `http://127.0.0.1:${port(9193)}`;
  const starting = startEnvoy({
    binary: options.envoyBinary,
    configFile: options.envoyConfig,
    runFolder: dataFolder,
    adminPort: port(9901),
    ...(options.ports ? { ports: options.ports } : {}),
    ...(options.onEnvoyOutput ? { onOutput: options.onEnvoyOutput } : {}),
  });
  try {
    const [envoy] = await Promise.all([
      starting,
      untilAnswers(`${http}/${options.until === 'live' ? 'healthz' : 'readyz'}`, service, () => said.join('')),
    ]);
    const [requester, approver, auditor] = await Promise.all([
      mint(people.requester),
      mint(people.approver),
      mint(people.auditor),
    ]);
    return {
      baseUrl: `http://127.0.0.1:${port(10000)}`,
      api: `127.0.0.1:${port(9192)}`,
      http,
      tokens: { requester, approver, auditor },
      tokenHeader: 'x-countersign-token',
      auditFolder,
      auditKeyFile: join(dataFolder, 'audit-key.json'),
      envoy,
      service,
      mint,
      stop: async () => {
        if (isRunning(service)) service.kill('SIGTERM');
        await exited;
        await envoy.stop();
      },
    };
  } catch (thrown) {
    service.kill('SIGKILL');
    await starting.then(
      (envoy) => envoy.stop(),
      () => {},
    );
    throw thrown;
  }
}

/** The shipped configuration with other ports, and nothing else changed. */
function withAddresses(yaml: string, port: (shipped: number) => number): string {
  return yaml.replace(/127\.0\.0\.1:(919[123])/g, (_, shipped: string) => `127.0.0.1:${port(Number(shipped))}`);
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function untilAnswers(url: string, service: ChildProcess, output: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline && isRunning(service)) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new CliError(`countersign did not start:\n${output().slice(-4000)}`);
}

async function mustBeFree(port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', () =>
      reject(
        new CliError(`Port ${port} on 127.0.0.1 is in use. Stop what listens there, or another demo that still runs.`),
      ),
    );
    probe.listen(port, '127.0.0.1', () => resolve());
  });
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}
