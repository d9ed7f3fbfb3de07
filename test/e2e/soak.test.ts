import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type Agent, createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { completion, delta, eventStream, streamEnd } from '../support/model-stream.ts';
import { keepAlive, rawRequest } from '../support/raw-client.ts';
import { verified } from '../support/records.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

/**
 * Many exchanges over one Envoy, whose clients keep their connections. Envoy ends every ext_proc stream with a reset, and Node closes an
 * HTTP/2 connection after a thousand of them: without the service's own care some hundred exchanges of these would fail.
 */
const exchanges = 20_000;
const warmUp = 5_000;
const connections = 32;
/** Every tenth answer is a stream. */
const streamEvery = 10;
/**
 * By how much what the service keeps alive may grow after the warm-up: a kilobyte left behind by each exchange would be 15 MB. A heap
 * snapshot collects all garbage first, so that the number after it says what is alive; seen: none, while resident memory goes up and down by 100 MB.
 */
const aliveGrowthMax = 6 * 1024 * 1024;
const card = '4111 1111 1111 1111';
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const maskedKey = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';
const maskedCard = /my card is CREDIT_CARD_[0-9A-Z]{10}"/;

const wholeAnswer = completion(`use ${awsKey} now`);
const streamAnswer = [delta('use '), delta(awsKey.slice(0, 9)), delta(awsKey.slice(9)), delta(' now'), ...streamEnd];
const wholeWanted = completion(`use ${maskedKey} now`);
const streamWanted = [delta('use '), delta(maskedKey), delta(''), delta(' now'), ...streamEnd].join('');

describe.each([
  { name: 'as shipped', envoyConfig: (yaml: string) => yaml },
  { name: 'without the request limit of the shipped configuration', envoyConfig: withoutRequestLimit },
])('20,000 exchanges over one Envoy, $name', ({ name, envoyConfig }) => {
  let model: Model;
  let stack: TestStack;
  let agent: Agent;
  let snapshots: string;
  beforeAll(async () => {
    model = await startModel();
    snapshots = mkdtempSync(join(tmpdir(), 'countersign-soak-'));
    // The service inherits it.
    process.env['NODE_OPTIONS'] = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${snapshots}`;
    stack = await startTestStack({ modelPort: model.port, envoyConfig });
    delete process.env['NODE_OPTIONS'];
    agent = keepAlive(connections);
  });
  afterEach(() => agent.destroy());
  afterAll(async () => {
    delete process.env['NODE_OPTIONS'];
    await stack?.stop();
    model.close();
    rmSync(snapshots, { recursive: true, force: true });
  });

  test('no failure, no alarm, no growth, an intact record', { timeout: 300_000 }, async () => {
    const startedMs = performance.now();
    const failures = await drive(warmUp);
    const warm = await alive();
    failures.push(...(await drive(exchanges - warmUp)));
    const seconds = (performance.now() - startedMs) / 1000;
    const end = await alive();
    const report = await verified(stack.auditFolder);
    const numbers = [
      `${Math.round(exchanges / seconds)} exchanges/s`,
      `alive ${megabytes(warm)} MB after ${warmUp}, ${megabytes(end)} MB after ${exchanges}`,
      `${report.records} records`,
    ];
    process.stdout.write(`soak ${name}: ${numbers.join(', ')}\n`);

    expect(failures).toEqual([]);
    expect([model.received(), model.wrong()]).toEqual([exchanges, 0]);
    expect(await alarms(stack)).toEqual(noAlarms);
    expect(await streams(stack)).toEqual({ streams_started: exchanges, streams_closed: exchanges });
    expect(end - warm).toBeLessThan(aliveGrowthMax);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
    // An intent and an outcome each, and what the service says of itself.
    expect(report.records).toBeGreaterThanOrEqual(2 * exchanges);
  });

  async function alive(): Promise<number> {
    stack.service.kill('SIGUSR2');
    const [snapshot = ''] = await eventually('a heap snapshot', () => {
      const files = readdirSync(snapshots).filter((name) => name.endsWith('.heapsnapshot'));
      return files.length > 0 ? files : undefined;
    });
    // Answered as soon as the snapshot is written: until then the event loop stands still.
    const heap = await metric(stack, 'nodejs_heap_size_used_bytes');
    const external = await metric(stack, 'nodejs_external_memory_bytes');
    rmSync(join(snapshots, snapshot));
    return heap + external;
  }

  /** Returns what went wrong. */
  async function drive(count: number): Promise<string[]> {
    const failures: string[] = [];
    let started = 0;
    const one = async (): Promise<void> => {
      while (started < count) {
        const isStream = ++started % streamEvery === 0;
        const answer = await rawRequest(`${stack.baseUrl}/v1/chat/completions`, {
          agent,
          headers: { 'content-type': 'application/json', [stack.tokenHeader]: stack.tokens.requester },
          body: JSON.stringify({
            model: 'm',
            stream: isStream,
            messages: [{ role: 'user', content: `my card is ${card}` }],
          }),
        });
        const isRight = answer.complete && answer.body === (isStream ? streamWanted : wholeWanted);
        if (answer.status !== 200 || !isRight) failures.push(`${answer.status} ${answer.complete} ${answer.body}`);
      }
    };
    await Promise.all(Array.from({ length: connections }, one));
    return failures;
  }
});

function withoutRequestLimit(yaml: string): string {
  return yaml.replace('common_http_protocol_options: { max_requests_per_connection: 500 }', '');
}

interface Model {
  readonly port: number;
  received(): number;
  /** Requests that came with a raw value, or not as they should. */
  wrong(): number;
  close(): void;
}

/** A model that looks at what it gets and keeps nothing of it. */
async function startModel(): Promise<Model> {
  let received = 0;
  let wrong = 0;
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      received++;
      if (!maskedCard.test(body)) wrong++;
      answer(response, body.includes('"stream":true'));
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
    wrong: () => wrong,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(response: ServerResponse, isStream: boolean): void {
  if (!isStream) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(wholeAnswer);
    return;
  }
  response.writeHead(200, eventStream);
  for (const event of streamAnswer) response.write(event);
  response.end();
}

async function metric(stack: TestStack, name: string): Promise<number> {
  const metrics = await (await fetch(`${stack.http}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(metrics)?.[1]);
}

async function streams(stack: TestStack): Promise<Record<string, number>> {
  const stats = await stack.envoy.stats('ext_proc\\.streams_(started|closed)$');
  return Object.fromEntries([...stats].map(([name, value]) => [name.split('.').at(-1) ?? name, value]));
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
