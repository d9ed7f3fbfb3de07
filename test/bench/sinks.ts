/**
 * What a sink that fails costs those who wait for the log: `npm run bench:sinks -- [--fault down|slow|refuse|silent|none] [--rate 500]
 * [--seconds 10] [--outage 20]`; with `--goal` an outage of ten minutes between two minutes that are well.
 * Offers records at a constant rate while a webhook takes all events, then while it fails, then while it takes what has piled up. Prints
 * for each time how long an append took and the memory at its end, and how p99 compares with the time before. `none` is the same without
 * any failure: by how much a machine differs from itself.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { AuditEntry } from '../../src/audit/entry.ts';
import type { FileLog } from '../../src/audit/file-log.ts';
import { defaultProjection } from '../../src/audit/sinks/projection.ts';
import { startSinks } from '../../src/audit/sinks/sinks-host.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { openTestLog, testKeys, testOrigin } from '../support/audit.ts';
import { completeOutcome, maskedIntent } from '../support/sink-log.ts';

const receiverCode = `
const { parentPort } = require('node:worker_threads');
const { createServer } = require('node:http');
let mode = 'well';
let taken = 0;
const server = createServer((request, response) => {
  if (mode === 'silent') return request.resume();
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece)).on('end', () => {
    if (mode === 'refuse') return void response.writeHead(503, { 'retry-after': '1' }).end();
    const count = JSON.parse(Buffer.concat(pieces)).length;
    setTimeout(() => {
      if (mode === 'well' || mode === 'none' || mode === 'slow') taken += count;
      response.writeHead(200).end();
    }, mode === 'slow' ? 4_000 : 0);
  });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
parentPort.on('message', (next) => {
  if (next === 'end') return parentPort.postMessage(taken);
  const at = server.address()?.port ?? server.last;
  server.last = at;
  mode = next;
  if (next === 'down') {
    server.closeAllConnections();
    server.close();
  } else {
    server.closeAllConnections();
    if (!server.listening) server.listen(at, '127.0.0.1');
  }
});
`;

const { values } = parseArgs({
  options: {
    goal: { type: 'boolean', default: false },
    fault: { type: 'string', default: 'silent' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string' },
    outage: { type: 'string' },
    directory: { type: 'string', default: '.cache' },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds ?? (values.goal ? 120 : 10));
const outage = Number(values.outage ?? (values.goal ? 600 : 20));

const receiver = startReceiver();
const directory = mkdtempSync(join(values.directory, 'bench-sinks-'));
try {
  const port = await receiver.port;
  const log = await openTestLog(join(directory, 'log'));
  let lag = 0;
  const sinks = startSinks(
    {
      log: join(directory, 'log'),
      origin: testOrigin,
      state: join(directory, 'state'),
      product: { version: '0', host: 'bench' },
      channel: '00000000-0000-4000-8000-000000000000',
      specs: [
        {
          name: 'bench',
          format: 'ocsf',
          projection: defaultProjection,
          batch: { records: 500, bytes: 1_048_576, waitMs: 1_000 },
          eventBytesMax: 1_048_576,
          promptBytesMax: 0,
          deadlineMs: 5_000,
          target: { kind: 'webhook', url: `http://127.0.0.1:${port}/`, tls: null, secret: 'bench-secret', headers: {} },
        },
      ],
    },
    {
      log: silentLog,
      keys: testKeys(),
      metrics: {
        ...noMetrics,
        auditSink: ({ lagRecords }) => {
          lag = lagRecords;
        },
      },
    },
  );
  await load(log, 3);
  const before = await measure('well', log, seconds);
  receiver.become(values.fault);
  const during = await measure(values.fault, log, outage);
  const piled = lag;
  receiver.become('well');
  const after = await measure('well again', log, seconds);
  const taken = Math.max(0, piled - lag) / seconds;
  console.log(
    `records that had piled up    ${piled}, left at the end ${lag}: ${taken.toFixed(0)} a second beside ${rate} new ones`,
  );
  console.log(`p99 of ordinary seconds      ${change(before, during)} during, ${change(before, after)} after`);
  await log.close();
  await sinks.stop(30_000);
  console.log(`events delivered             ${await receiver.end()} of at least ${log.health().records}`);
} finally {
  rmSync(directory, { recursive: true });
}

interface Measured {
  readonly p99Ms: number;
}

async function measure(name: string, log: FileLog, forSeconds: number): Promise<Measured> {
  const cpu = process.cpuUsage();
  const bySecond = await load(log, forSeconds);
  const { user, system } = process.cpuUsage(cpu);
  const all = bySecond.flat().sort((a, b) => a - b);
  // The median over seconds: one bad moment of the machine is not the sink's.
  const p99s = bySecond
    .map((acks) =>
      quantile(
        acks.sort((a, b) => a - b),
        0.99,
      ),
    )
    .sort((a, b) => a - b);
  const p99Ms = quantile(p99s, 0.5);
  console.log(
    [
      name.padEnd(12),
      `ack ms p50 ${quantile(all, 0.5).toFixed(2)} p99 ${quantile(all, 0.99).toFixed(2)} max ${(all.at(-1) ?? 0).toFixed(0)}`,
      `p99 of the median second ${p99Ms.toFixed(2)}`,
      `cores ${((user + system) / forSeconds / 1e6).toFixed(2)}`,
      `RSS ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`,
    ].join('   '),
  );
  return { p99Ms };
}

/** How long each append took, by the second in which it was sent. */
async function load(log: FileLog, forSeconds: number): Promise<number[][]> {
  const bySecond: number[][] = Array.from({ length: forSeconds }, () => []);
  const start = performance.now();
  let sent = 0;
  let waiting = 0;
  for (let now = start; now - start < forSeconds * 1000; now = performance.now()) {
    for (const due = ((now - start) / 1000) * rate; sent < due; sent++) {
      const at = performance.now();
      waiting += 1;
      const second = Math.min(forSeconds - 1, Math.floor((at - start) / 1000));
      void log.append(entry(sent)).then(() => {
        waiting -= 1;
        bySecond[second]?.push(performance.now() - at);
      });
    }
    await wait(1);
  }
  while (waiting > 0) await wait(1);
  return bySecond;
}

function entry(n: number): AuditEntry {
  const exchange = `x-${n - (n % 2)}`;
  const bodies = { body: { mediaType: 'application/json', bytes: Buffer.alloc(2_000, 97) } };
  return { ...(n % 2 === 0 ? maskedIntent(exchange) : completeOutcome(exchange)), bodies };
}

function change(before: Measured, then: Measured): string {
  const percent = (then.p99Ms / before.p99Ms - 1) * 100;
  return `${percent < 0 ? '' : '+'}${percent.toFixed(1)} %`;
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

/** A webhook in a thread of its own, so that its work is not what the appends wait for. */
function startReceiver() {
  const worker = new Worker(receiverCode, { eval: true });
  const answer = (): Promise<number> => new Promise((resolve) => worker.once('message', resolve));
  return {
    port: answer(),
    become: (mode: string) => worker.postMessage(mode),
    /** Events that it took. */
    end: async (): Promise<number> => {
      const events = answer();
      worker.postMessage('end');
      const taken = await events;
      await worker.terminate();
      return taken;
    },
  };
}
