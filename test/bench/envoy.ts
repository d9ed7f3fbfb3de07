import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Stack, startStack } from '../../src/main/demo/stack.ts';
import { type EnvoyProcess, startEnvoy } from '../../src/main/envoy-process.ts';
import { envoyBinary, freePorts, root } from '../support/stack.ts';

/**
 * `npm run bench [-- --seconds N] [--json]`: what countersign costs, through a real Envoy, beside (a) Envoy alone and (b) Envoy with an
 * ext_proc server that agrees to everything. All three run at once and are visited in turn in short slices (A B C A B C …), so that
 * what the machine does meanwhile falls on all alike. CPU is that of the service's own process, worker threads included, per exchange.
 * Medians over slices; quartiles behind them. Read the ratios; the absolute numbers are this machine's.
 */
interface Subject {
  readonly name: string;
  readonly port: number;
  /** Process whose CPU time counts; null: none. */
  readonly pid: number | null;
  readonly headers: Readonly<Record<string, string>>;
}

interface Work {
  readonly name: string;
  readonly body: (n: number) => Buffer;
  readonly stream: boolean;
  /** How many of the others one exchange is worth when processes are warmed up. */
  readonly weight?: number;
}

interface Slice {
  readonly cpuUs: number;
  readonly perSecond: number;
}

const seconds = Number(option('--seconds') ?? 40);
const sliceMs = 600;
const warmUpExchanges = 2_000;
const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
const jsonAnswer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1700000000,
    model: 'bench-1',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: prose(900), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
  }),
);
/** By the model that is asked for; each event says 40 characters. */
const streams: ReadonlyMap<string, readonly Buffer[]> = new Map(
  [40, 400].map((count) => [`bench-${count}`, sseAnswer(count)]),
);

const works: readonly Work[] = [
  { name: '1 KB JSON', body: (n) => prompt(1024, n), stream: false },
  { name: '4 KB JSON', body: (n) => prompt(4096, n), stream: false },
  { name: '16 KB JSON', body: (n) => prompt(16_384, n), stream: false },
  { name: '4 KB, 40-event SSE', body: (n) => prompt(4096, n, 40), stream: true },
  // The difference to the row above, by 360, is what one event costs.
  { name: '4 KB, 400-event SSE', body: (n) => prompt(4096, n, 400), stream: true, weight: 10 },
];

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
    else console.table(rows);
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

/** A compiler that is still at work would be measured too. */
async function warmUp(subject: Subject, work: Work): Promise<void> {
  for (let done = 0; done < warmUpExchanges; ) {
    const { perSecond } = await slice(subject, work, sliceMs, 16);
    done += (perSecond * sliceMs * (work.weight ?? 1)) / 1000;
  }
}

/** As fast as `concurrency` keep-alive connections go, for a while. */
async function slice(subject: Subject, work: Work, ms: number, concurrency: number): Promise<Slice> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const until = Date.now() + ms;
  let done = 0;
  const started = process.hrtime.bigint();
  const cpuBefore = cpuTicks(subject.pid);
  await Promise.all(
    Array.from({ length: concurrency }, async (_, lane) => {
      for (let n = lane; Date.now() < until; n += concurrency) {
        await ask(subject, work, agent, n);
        done++;
      }
    }),
  );
  const tookMs = Number(process.hrtime.bigint() - started) / 1e6;
  agent.destroy();
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

function ask(subject: Subject, work: Work, agent: Agent, n: number): Promise<number> {
  const body = work.body(n);
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    let first = 0n;
    const call = request(
      {
        host: '127.0.0.1',
        port: subject.port,
        path: '/v1/chat/completions',
        method: 'POST',
        agent,
        headers: { ...subject.headers, 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        if (response.statusCode !== 200) reject(new Error(`${subject.name} answered ${response.statusCode}`));
        response.on('data', () => {
          first ||= process.hrtime.bigint();
        });
        response.on('end', () => resolve(Number((first || process.hrtime.bigint()) - started) / 1e6));
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

function cpuTicks(pid: number | null): number {
  if (pid === null) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

function startModel(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((incoming: IncomingMessage, response) => {
    let events: readonly Buffer[] | undefined;
    incoming.on('data', (chunk: Buffer) => {
      events ??= streams.get(/"model":"(bench-\d+)","stream":true/.exec(chunk.toString('latin1'))?.[1] ?? '');
    });
    incoming.on('end', () => {
      if (events === undefined) {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': jsonAnswer.length });
        response.end(jsonAnswer);
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const answer = events.values();
      const next = (): void => {
        const event = answer.next().value;
        if (event === undefined) response.end();
        else response.write(event, () => setImmediate(next));
      };
      next();
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({ port: (server.address() as AddressInfo).port, close: () => server.close() }),
    );
  });
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

/** Access logs cost all three alike; they are left out so that Envoy's pipe is not measured. */
function quiet(yaml: string): string {
  return yaml.replace(/ {16}access_log:[\s\S]*?(?= {16}route_config:)/, '');
}

function withoutFilter(yaml: string): string {
  return yaml.replace(
    / {18}- name: envoy\.filters\.http\.ext_proc[\s\S]*?(?= {18}- name: envoy\.filters\.http\.router)/,
    '',
  );
}

/** 64 different prompts, each with one card, one social security number and one e-mail address of reserved ranges. */
/** `events`: of the streamed answer; 0: it is not to be streamed. */
function prompt(bytes: number, n: number, events = 0): Buffer {
  const variant = n % 64;
  const facts = ` Card 4111 1111 1111 1111, number 536-22-${String(1000 + variant)}, mail user${variant}@example.com. `;
  const text = prose(Math.max(0, bytes - 260), variant);
  const middle = Math.floor(text.length / 2);
  return Buffer.from(
    JSON.stringify({
      model: `bench-${events}`,
      stream: events > 0,
      messages: [
        { role: 'system', content: 'You are a helpful assistant.' },
        { role: 'user', content: text.slice(0, middle) + facts + text.slice(middle) },
      ],
    }),
  );
}

function prose(length: number, variant = 0): string {
  const sentence = `Please look at item ${variant} of the quarterly report and tell me, in a few words, what changed since the last review. `;
  return sentence.repeat(Math.ceil(length / sentence.length)).slice(0, length);
}

function sseAnswer(count: number): Buffer[] {
  const chunk = (delta: unknown, finish: string | null): Buffer =>
    Buffer.from(
      `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1700000000, model: 'bench-1', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })}\n\n`,
    );
  const words = prose(count * 40);
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...Array.from({ length: count - 2 }, (_, at) => chunk({ content: words.slice(at * 40, at * 40 + 40) }, null)),
    chunk({}, 'stop'),
    Buffer.from('data: [DONE]\n\n'),
  ];
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
