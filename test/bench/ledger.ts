/**
 * What a durable record costs: `npm run bench:ledger -- [--rate 2000] [--seconds 10] [--bodies 3] [--bytes 4096]`, or with `--goal` what
 * docs/performance.md asks for: 10,000 records a second of 5 KB on disk each, for a minute.
 * Offers records at a constant rate (0: as many as the log takes with 256 waiting), and prints CPU per record by thread, how long an
 * append took, how far the signed head was behind and how much memory was in use and alive, and beside it what the machine takes by itself:
 * an fdatasync of one such record, the same load written by a loop that does nothing else, how late a process wakes that only sleeps, and
 * how much of two cores two busy threads get.
 */
import { createCipheriv, hash } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { AuditEntry, AuditLog, SealedBodySource } from '../../src/audit/entry.ts';
import type { FileLog } from '../../src/audit/file-log.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { openTestLog } from '../support/audit.ts';
import { aliveByThread, inProbedProcess } from './alive.ts';
import { busyPair } from './busy-pair.ts';
import { startIdleProcess, stolenTicks } from './idle-process.ts';
import { cpuBetween, threadCpu } from './thread-cpu.ts';

inProbedProcess();

const { values } = parseArgs({
  options: {
    goal: { type: 'boolean', default: false },
    rate: { type: 'string' },
    seconds: { type: 'string' },
    bodies: { type: 'string' },
    bytes: { type: 'string' },
    directory: { type: 'string', default: '.cache' },
  },
});
const defaults = values.goal
  ? { rate: 10_000, seconds: 60, bodies: 2, bytes: 1_750 }
  : { rate: 2_000, seconds: 10, bodies: 3, bytes: 4_096 };
const rate = Number(values.rate ?? defaults.rate);
const seconds = Number(values.seconds ?? defaults.seconds);
const bodies = Number(values.bodies ?? defaults.bodies);
const bytes = Number(values.bytes ?? defaults.bytes);

/** In order, as the exchange writes them down. */
const facts: JsonObject = {
  caller: {
    groups: ['engineering', 'staff'],
    issuer: 'https://idp.example.com',
    kind: 'human',
    pseudonym: 'a1b2c3d4e5f6',
  },
  decision: {
    action: 'allow',
    capture: 'full',
    labels: {},
    reasons: [],
    redact: [{ entity: '*', method: 'token' }],
    rules: ['pii'],
  },
  dialect: 'openai.chat',
  findings: [{ count: 2, detector: 'email', entity: 'EMAIL_ADDRESS', role: 'user' }],
  host: 'api.example.com',
  method: 'POST',
  model: 'gpt-x',
  path: '/v1/chat/completions',
  policy: { revision: `sha256:${'0'.repeat(64)}` },
  t: { decided: '1795376943123456789', received: '1795376943123456789' },
};
const sealed: Record<string, SealedBodySource> = {};
for (let i = 0; i < bodies; i++) {
  sealed[`body_${i}`] = { mediaType: 'application/json', bytes: Buffer.alloc(bytes, 97 + i) };
}

/** How often memory is looked at. */
const watchMs = 100;

const directory = mkdtempSync(join(values.directory, 'bench-ledger-'));
try {
  const log = await openTestLog(directory, { limits: { checkpointIntervalMs: 1_000 } });
  await load(log, 2, rate);
  const harness = await harnessCpu();
  const acks = ackTimes();
  const aliveBefore = await aliveByThread();
  const idle = startIdleProcess();
  const ticks = stolenTicks();
  const watch = watchLog(log);
  const cpu = process.cpuUsage();
  const threads = threadCpu();
  const started = performance.now();
  const refused = await load(log, seconds, rate, acks.add);
  const took = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  const { eventLoop, busiest, others } = cpuBetween(threads, threadCpu());
  const ticksAfter = stolenTicks();
  const idleLate = await idle.stop();
  watch.stop();
  const aliveAfter = await aliveByThread();
  await log.close();
  const acksMs = acks.all();
  const records = acksMs.length;
  const each = (us: number): string => (us / records).toFixed(1);
  print('records/s', (records / took).toFixed(0));
  print('refused', refused);
  print('bytes on disk/record', (segmentBytes(join(directory, 'segments')) / log.health().records).toFixed(0));
  print('CPU us/record', each(used.user + used.system - harness));
  print('  event loop', each(eventLoop - harness));
  print("  the writer's thread", each(busiest));
  print('  collector, thread pool', each(others));
  print('  crypto alone', cryptoAlone().toFixed(1));
  print('cores', ((used.user + used.system - harness) / took / 1e6).toFixed(2));
  print('ack ms', quantiles(acksMs));
  print('ack ms, median second', quantiles(acks.medianSecond()));
  print('  seconds with p99 over 25', acks.secondsOver(25));
  print('  asked late by, ms', quantiles(acks.lateness()));
  print('  an idle process woke late', quantiles(idleLate));
  if (ticks !== null && ticksAfter !== null) {
    const stolen = (100 * (ticksAfter.stolen - ticks.stolen)) / (ticksAfter.all - ticks.all);
    print('  taken by the host, %', stolen.toFixed(1));
  }
  print('signed head behind, ms', quantiles(watch.behindMs));
  print('RSS MB, by fifths', fifths(watch.rssMb).join(' '));
  print('  grew in the second half', `${perMinute(watch.rssMb.slice(watch.rssMb.length / 2)).toFixed(1)} MB a minute`);
  print("  event loop's heap, by fifths", fifths(watch.heapMb).join(' '));
  print('  its buffers, by fifths', fifths(watch.buffersMb).join(' '));
  print('alive MB, before', aliveBefore);
  print('alive MB, after', aliveAfter);
  const pair = await busyPair();
  print('two busy threads get', `${pair.cores.toFixed(2)} cores, longest pause ${pair.longestPauseMs.toFixed(1)} ms`);
  print('raw fdatasync ms', quantiles(rawSyncs(join(directory, 'raw'))));
  if (rate > 0) print('  the same load, raw', quantiles(rawLoad(join(directory, 'raw'))));
} finally {
  rmSync(directory, { recursive: true });
}

/** By how much a minute a sample of `watchLog` goes up: the slope of its regression line. */
function perMinute(sample: readonly number[]): number {
  const middle = (sample.length - 1) / 2;
  const mean = sample.reduce((sum, each) => sum + each, 0) / sample.length;
  let along = 0;
  let square = 0;
  for (const [i, each] of sample.entries()) {
    along += (i - middle) * (each - mean);
    square += (i - middle) ** 2;
  }
  return (along / square) * (60_000 / watchMs);
}

/** Looks at memory and at the signed head. */
function watchLog(log: FileLog): {
  readonly rssMb: number[];
  readonly heapMb: number[];
  readonly buffersMb: number[];
  readonly behindMs: number[];
  stop(): void;
} {
  const rssMb: number[] = [];
  const heapMb: number[] = [];
  const buffersMb: number[] = [];
  const behindMs: number[] = [];
  /** What was durable, and when. */
  const seen: { readonly records: number; readonly atMs: number }[] = [];
  const timer = setInterval(() => {
    const { records, checkpointed } = log.health();
    const now = performance.now();
    seen.push({ records, atMs: now });
    while ((seen[0]?.records ?? Number.POSITIVE_INFINITY) <= checkpointed) seen.shift();
    behindMs.push(now - (seen[0]?.atMs ?? now));
    const { rss, heapTotal, arrayBuffers } = process.memoryUsage();
    rssMb.push(rss / 1e6);
    heapMb.push(heapTotal / 1e6);
    buffersMb.push(arrayBuffers / 1e6);
  }, watchMs);
  return { rssMb, heapMb, buffersMb, behindMs, stop: () => clearInterval(timer) };
}

function segmentBytes(path: string): number {
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

/** The sample at the beginning, after each fifth of the time, and at the end. */
function fifths(sample: readonly number[]): string[] {
  return [0, 1, 2, 3, 4, 5].map((n) => (sample[Math.floor(((sample.length - 1) * n) / 5)] ?? 0).toFixed(0));
}

interface AckTimes {
  /** `lateMs`: by how much later than it was due it was asked for. */
  add(ms: number, second: number, lateMs: number): void;
  lateness(): readonly number[];
  all(): readonly number[];
  /** Those of the second whose 99th percentile is the median of all: what the run was like but for its bad moments. */
  medianSecond(): readonly number[];
  /** Of how many seconds the 99th percentile is above this. */
  secondsOver(ms: number): number;
}

/** All memory that it needs is in use from the start, so that it is no part of what the log is seen to take. */
function ackTimes(): AckTimes {
  const times = new Float32Array(Math.ceil((rate === 0 ? 20_000 : rate) * (seconds + 1))).fill(-1);
  const secondOf = new Uint16Array(times.length).fill(1);
  const late = new Float32Array(times.length).fill(-1);
  let count = 0;
  /** Those of each second, by their 99th percentile. */
  function seconds99(): readonly { readonly sample: readonly number[]; readonly at: number }[] {
    const bySecond = Array.from({ length: seconds + 1 }, (): number[] => []);
    for (let i = 0; i < count; i++) bySecond[secondOf[i] ?? 0]?.push(times[i] ?? 0);
    return bySecond
      .filter((sample) => sample.length > 0)
      .map((sample) => ({ sample, at: sample.sort((a, b) => a - b)[Math.floor(sample.length * 0.99)] ?? 0 }))
      .sort((a, b) => a.at - b.at);
  }
  return {
    add: (ms, second, lateMs) => {
      times[count] = ms;
      late[count] = lateMs;
      secondOf[count] = second;
      if (count < times.length) count += 1;
    },
    all: () => [...times.subarray(0, count)],
    lateness: () => [...late.subarray(0, count)],
    medianSecond: () => seconds99()[Math.floor(seconds99().length / 2)]?.sample ?? [],
    secondsOver: (ms) => seconds99().filter(({ at }) => at > ms).length,
  };
}

/** CPU of this program when it offers the same load to a log that does nothing. */
async function harnessCpu(): Promise<number> {
  const cpu = process.cpuUsage();
  await load({ append: () => Promise.resolve({ id: '', sequence: 0n }) }, seconds, rate === 0 ? 5_000 : rate);
  const used = process.cpuUsage(cpu);
  return used.user + used.system;
}

/** Tells of each acknowledgement how long it took, and in which second of the run it was asked for. Returns how many were refused. */
async function load(
  log: AuditLog,
  forSeconds: number,
  rate: number,
  onAck: AckTimes['add'] = () => undefined,
): Promise<number> {
  let refused = 0;
  let waiting = 0;
  let sent = 0;
  const start = performance.now();
  const appended: Promise<void>[] = [];
  for (let now = start; now - start < forSeconds * 1000; now = performance.now()) {
    const due = rate === 0 ? sent + 256 - waiting : ((now - start) / 1000) * rate;
    for (; sent < due; sent++) {
      const at = performance.now();
      const lateMs = rate === 0 ? 0 : at - start - (sent / rate) * 1000;
      waiting += 1;
      const one = log.append(entry(sent)).then(
        () => {
          waiting -= 1;
          onAck(performance.now() - at, Math.floor((at - start) / 1000), lateMs);
        },
        () => {
          waiting -= 1;
          refused += 1;
        },
      );
      if (appended.length < 1_000) appended.push(one);
    }
    await wait(1);
  }
  while (waiting > 0) await wait(1);
  await Promise.all(appended);
  return refused;
}

/** The facts and bodies of an ordinary exchange. Outside of a benchmark every entry has buffers of its own. */
function entry(n: number): AuditEntry {
  return {
    kind: n % 2 === 0 ? 'intent' : 'outcome',
    exchange: `x-${n - (n % 2)}`,
    session: 'session-1',
    facts,
    bodies: sealed,
  };
}

/** The hashes and ciphers that the format asks for, and nothing else: what is left over is our own overhead. */
function cryptoAlone(): number {
  const body = Buffer.alloc(32 + bytes, 1);
  const all = Buffer.alloc(bodies * body.length, 1);
  const manifest = Buffer.alloc(1_500, 1);
  const key = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(12, 1);
  const before = process.cpuUsage();
  const rounds = 10_000;
  for (let i = 0; i < rounds; i++) {
    for (let j = 0; j < bodies; j++) hash('sha256', body, 'base64url');
    for (const plaintext of bodies === 0 ? [] : [key, all]) {
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.update(plaintext);
      cipher.final();
      cipher.getAuthTag();
    }
    hash('sha256', all, 'base64url');
    hash('sha256', manifest, 'base64url');
    hash('sha256', key, 'buffer');
  }
  const used = process.cpuUsage(before);
  return (used.user + used.system) / rounds;
}

function rawSyncs(path: string): number[] {
  const fd = openSync(path, 'w');
  const record = Buffer.alloc(bodies * bytes + 1_500, 1);
  const tookMs: number[] = [];
  for (let i = 0; i < 500; i++) {
    const at = performance.now();
    writeSync(fd, record);
    fdatasyncSync(fd);
    tookMs.push(performance.now() - at);
  }
  closeSync(fd);
  return tookMs;
}

/** As many bytes a second as the log was offered, in groups of 20 ms at most, by a loop that does nothing else: the disk's own part. */
function rawLoad(path: string): number[] {
  const fd = openSync(path, 'w');
  const record = bodies * bytes + 1_500;
  const groups = Buffer.alloc(Math.ceil(record * rate * 0.02), 1);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const tookMs: number[] = [];
  const start = performance.now();
  let sent = 0;
  for (let now = start; now - start < 5_000; now = performance.now()) {
    const due = Math.floor(((now - start) / 1000) * rate) - sent;
    if (due > 0) {
      writeSync(fd, groups.subarray(0, Math.min(groups.length, due * record)));
      fdatasyncSync(fd);
      tookMs.push(performance.now() - now);
      sent += due;
    }
    Atomics.wait(pause, 0, 0, 1);
  }
  closeSync(fd);
  return tookMs;
}

function quantiles(sample: readonly number[]): string {
  const sorted = [...sample].sort((a, b) => a - b);
  const at = (q: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(2);
  return `p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)}  max ${at(1)}`;
}

function print(name: string, value: string | number): void {
  process.stdout.write(`${name.padEnd(26)} ${value}\n`);
}
