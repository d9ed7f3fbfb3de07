/**
 * What a log costs when it is read again: `node .dev/bench.mjs verify [--mib 1024] [--bytes 3500] [--runs 3]`. A process writes as
 * much of a log without a checkpoint and is killed; then how long the next one takes to open it, and how many leaves a second
 * `verify` checks at each level, in wall-clock and in CPU time.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { verifyLog } from '../../src/audit/verify.ts';
import { intentEntry, openTestLog, outcomeEntry } from '../support/audit.ts';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    bytes: { type: 'string', default: '3500' },
    runs: { type: 'string', default: '3' },
    directory: { type: 'string', default: '.cache' },
    write: { type: 'string' },
  },
});
const mib = Number(values.mib);

if (values.write !== undefined) {
  await writeAndDie(values.write);
} else {
  const directory = mkdtempSync(join(values.directory, 'bench-verify-'));
  try {
    await measure(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(directory: string): Promise<void> {
  const self = fileURLToPath(import.meta.url);
  spawnSync(process.execPath, [self, '--write', directory, '--mib', values.mib, '--bytes', values.bytes], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  print('MiB without checkpoint', (segmentBytes(directory) / 2 ** 20).toFixed(0));
  const cpu = process.cpuUsage();
  const started = performance.now();
  const log = await openTestLog(directory);
  const used = process.cpuUsage(cpu);
  print('recovery', `${since(started)}, CPU ${seconds(used)}, ${log.health().records} records`);
  await log.close();
  for (const level of [2, 3, 4] as const) {
    for (let run = 0; run < Number(values.runs); run++) await verify(directory, level);
  }
}

async function verify(directory: string, level: 2 | 3 | 4): Promise<void> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const report = await verifyLog({ directory, level });
  const tookMs = performance.now() - started;
  const used = process.cpuUsage(cpu);
  if (report.problems.length > 0) throw new Error(JSON.stringify(report.problems[0]));
  const rate = (report.checkpointed / tookMs).toFixed(0);
  print(`verify level ${level}`, `${rate}k leaves/s, ${since(started)}, CPU ${seconds(used)}`);
}

/** Appends, many at a time, until there is enough. Dies without a last checkpoint. */
async function writeAndDie(directory: string): Promise<void> {
  // Far beyond the run.
  const log = await openTestLog(directory, { limits: { checkpointIntervalMs: 2 ** 31 - 1 } });
  const prompt = 'x'.repeat(Number(values.bytes));
  for (let i = 0; segmentBytes(directory) < mib * 2 ** 20; i++) {
    const exchanges = Array.from({ length: 256 }, (_, lane) => `x-${i}-${lane}`);
    await Promise.all(exchanges.map((exchange) => log.append(intentEntry(exchange, prompt))));
    await Promise.all(exchanges.map((exchange) => log.append(outcomeEntry(exchange, prompt))));
  }
  process.kill(process.pid, 'SIGKILL');
}

function segmentBytes(directory: string): number {
  const segments = join(directory, 'segments');
  return readdirSync(segments).reduce((sum, name) => sum + statSync(join(segments, name)).size, 0);
}

function since(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(2)} s`;
}

function seconds({ user, system }: NodeJS.CpuUsage): string {
  return `${((user + system) / 1e6).toFixed(2)} s`;
}

function print(name: string, value: string | number): void {
  process.stdout.write(`${name.padEnd(26)} ${value}\n`);
}
