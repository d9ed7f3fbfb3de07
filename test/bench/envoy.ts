import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Stack, startStack } from '../../src/main/demo/stack.ts';
import { type EnvoyProcess, startEnvoy } from '../../src/main/envoy-process.ts';
import { envoyBinary, freePorts, root } from '../support/stack.ts';
import { ask, keepAsking, quiet, type Subject, startModel, type Work, works } from './exchange-load.ts';

/**
 * `npm run bench [-- --seconds N] [--json]`: what countersign costs, through a real Envoy, beside (a) Envoy alone and (b) Envoy with an
 * ext_proc server that agrees to everything. All three run at once and are visited in turn in short slices (A B C A B C …), so that
 * what the machine does meanwhile falls on all alike. CPU is that of the service's own process, worker threads included, per exchange.
 * Medians over slices; quartiles behind them. Read the ratios; the absolute numbers are this machine's.
 */
interface Slice {
  readonly cpuUs: number;
  readonly perSecond: number;
}

const seconds = Number(option('--seconds') ?? 40);
const sliceMs = 600;
/** Until then the compiler is still at work on what a service in use has compiled long since. */
const warmUpExchanges = 8_000;
const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));

await main();

async function main(): Promise<void> {
  const upstream = await startModel();
  const noop = await startNoop();
  const [aloneListener = 0, aloneAdmin = 0, noopListener = 0, noopAdmin = 0, ...ports] = await freePorts(9);
  const envoys: EnvoyProcess[] = [];
  let stack: Stack | null = null;
  try {
    envoys.push(await envoy('alone', withoutFilter, { 10000: aloneListener, 9901: aloneAdmin, 9900: upstream.port }));
    envoys.push(
      await envoy('noop', (yaml) => yaml, {
        10000: noopListener,
        9901: noopAdmin,
        9900: upstream.port,
        9191: noop.port,
      }),
    );
    stack = await startStack({
      root,
      dataFolder: join(folder, 'countersign'),
      envoyBinary: envoyBinary('1.40.0'),
      envoyConfig: configFile('countersign', quiet),
      serviceConfig: join(root, 'envoy', 'countersign.yaml'),
      ports: {
        10000: ports[0] ?? 0,
        9901: ports[1] ?? 0,
        9191: ports[2] ?? 0,
        9192: ports[3] ?? 0,
        9193: ports[4] ?? 0,
        9900: upstream.port,
      },
    });
    const subjects: readonly Subject[] = [
      { name: 'Envoy alone', port: aloneListener, pid: null, headers: {} },
      { name: 'no-op ext_proc', port: noopListener, pid: noop.process.pid ?? 0, headers: {} },
      {
        name: 'countersign',
        port: ports[0] ?? 0,
        pid: stack.service.pid ?? 0,
        headers: { [stack.tokenHeader]: stack.tokens.requester },
      },
    ];
    for (const subject of subjects) for (const work of works) await warmUp(subject, work);
    const rows: Record<string, string>[] = [];
    for (const work of works) rows.push(...(await measure(subjects, work)));
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(rows)}\n`);
    else {
      console.table(rows);
      console.log(eventCost(rows));
    }
  } finally {
    await stack?.stop();
    for (const each of envoys) await each.stop();
    noop.process.kill('SIGKILL');
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(subjects: readonly Subject[], work: Work): Promise<Record<string, string>[]> {
  const busy = new Map<Subject, Slice[]>();
  const first = new Map<Subject, number[]>();
  const rounds = Math.max(3, Math.floor((seconds * 1000) / works.length / subjects.length / (sliceMs * 1.5)));
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      push(busy, subject, await slice(subject, work, sliceMs, 16));
      for (const ms of await latencies(subject, work, sliceMs / 2)) push(first, subject, ms);
    }
  }
  const [, baseline] = subjects;
  return subjects.map((subject) => {
    const cpu = (busy.get(subject) ?? []).map((each) => each.cpuUs);
    const baseCpu = baseline ? (busy.get(baseline) ?? []).map((each) => each.cpuUs) : [];
    const times = first.get(subject) ?? [];
    const baseTimes = baseline ? (first.get(baseline) ?? []) : [];
    return {
      work: work.name,
      subject: subject.name,
      'req/s': median((busy.get(subject) ?? []).map((each) => each.perSecond)).toFixed(0),
      'cpu us':
        subject.pid === null
          ? '-'
          : `${median(cpu).toFixed(0)} (${quantile(cpu, 0.25).toFixed(0)}-${quantile(cpu, 0.75).toFixed(0)})`,
      'x no-op': subject.pid === null ? '-' : (median(cpu) / median(baseCpu)).toFixed(2),
      [work.stream ? 'first byte p50 ms' : 'p50 ms']: median(times).toFixed(2),
      'over no-op ms': (median(times) - median(baseTimes)).toFixed(2),
    };
  });
}

/** What one event of a stream costs: the difference of the two rows of streams. */
function eventCost(rows: readonly Record<string, string>[]): string {
  const cpuOf = (subject: string, work: string): number =>
    Number.parseFloat(rows.find((row) => row['subject'] === subject && row['work'] === work)?.['cpu us'] ?? '');
  const [noop = Number.NaN, ours = Number.NaN] = ['no-op ext_proc', 'countersign'].map(
    (subject) => (cpuOf(subject, '4 KB, 400-event SSE') - cpuOf(subject, '4 KB, 40-event SSE')) / 360,
  );
  return `an SSE event of 40 characters: ${ours.toFixed(1)} us, no-op ${noop.toFixed(1)} us, x ${(ours / noop).toFixed(2)}`;
}

async function warmUp(subject: Subject, work: Work): Promise<void> {
  for (let done = 0; done < warmUpExchanges; ) {
    const { perSecond } = await slice(subject, work, sliceMs, 16);
    done += (perSecond * sliceMs * (work.weight ?? 1)) / 1000;
  }
}

async function slice(subject: Subject, work: Work, ms: number, concurrency: number): Promise<Slice> {
  const until = Date.now() + ms;
  const started = process.hrtime.bigint();
  const cpuBefore = cpuTicks(subject.pid);
  const done = await keepAsking(subject, work, concurrency, () => Date.now() >= until);
  const tookMs = Number(process.hrtime.bigint() - started) / 1e6;
  // Linux counts in ticks of 10 ms.
  return { cpuUs: ((cpuTicks(subject.pid) - cpuBefore) * 10_000) / done, perSecond: (done * 1000) / tookMs };
}

/** One after the other: milliseconds to the first byte of the body. */
async function latencies(subject: Subject, work: Work, ms: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const until = Date.now() + ms;
  const found: number[] = [];
  for (let n = 0; Date.now() < until; n++) found.push(await ask(subject, work, agent, n));
  agent.destroy();
  return found;
}

function cpuTicks(pid: number | null): number {
  if (pid === null) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

function startNoop(): Promise<{ readonly process: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./noop-server.js', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: root,
  });
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => resolve({ process: child, port: Number(line.toString()) }));
    child.once('exit', () => reject(new Error('the no-op server did not start')));
  });
}

function envoy(name: string, rewrite: (yaml: string) => string, ports: Record<number, number>): Promise<EnvoyProcess> {
  const file = configFile(name, (yaml) => quiet(rewrite(yaml)));
  return startEnvoy({
    binary: envoyBinary('1.40.0'),
    configFile: file,
    runFolder: folder,
    ports,
    adminPort: ports[9901] ?? 0,
  });
}

function configFile(name: string, rewrite: (yaml: string) => string): string {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, rewrite(readFileSync(join(root, 'envoy', 'envoy.yaml'), 'utf8')));
  return file;
}

function withoutFilter(yaml: string): string {
  return yaml.replace(
    / {18}- name: envoy\.filters\.http\.ext_proc[\s\S]*?(?= {18}- name: envoy\.filters\.http\.router)/,
    '',
  );
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
