import { type Agent, createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
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
 * By how much the service's resident memory may be larger at the end than after the warm-up, each the lowest of several looks: between
 * collections it goes up and down by 50 MB. Over 60,000 exchanges it was seen not to grow; 7 KB left behind by each would be 105 MB.
 */
const growthMax = 96 * 1024 * 1024;
const looks = 4;
const betweenLooks = 1_000;

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
  beforeAll(async () => {
    model = await startModel();
    stack = await startTestStack({ modelPort: model.port, envoyConfig });
    agent = keepAlive(connections);
  });
  afterEach(() => agent.destroy());
  afterAll(async () => {
    await stack?.stop();
    model.close();
  });

  test('no failure, no alarm, no growth, an intact record', { timeout: 300_000 }, async () => {
    const startedMs = performance.now();
    const failures = await drive(warmUp - looks * betweenLooks);
    const warmBytes = await lowestResident(failures);
    failures.push(...(await drive(exchanges - warmUp - looks * betweenLooks)));
    const endBytes = await lowestResident(failures);
    const seconds = (performance.now() - startedMs) / 1000;
    const report = await verified(stack.auditFolder);
    const numbers = [
      `${Math.round(exchanges / seconds)} exchanges/s`,
      `resident ${megabytes(warmBytes)} MB after ${warmUp}, ${megabytes(endBytes)} MB after ${exchanges}`,
      `${report.records} records`,
    ];
    process.stdout.write(`soak ${name}: ${numbers.join(', ')}\n`);

    expect(failures).toEqual([]);
    expect([model.received(), model.wrong()]).toEqual([exchanges, 0]);
    expect(await alarms(stack)).toEqual(noAlarms);
    expect(await streams(stack)).toEqual({ streams_started: exchanges, streams_closed: exchanges });
    expect(endBytes - warmBytes).toBeLessThan(growthMax);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
    // An intent and an outcome each, and what the service says of itself.
    expect(report.records).toBeGreaterThanOrEqual(2 * exchanges);
  });

  async function lowestResident(failures: string[]): Promise<number> {
    let lowest = Number.POSITIVE_INFINITY;
    for (let look = 0; look < looks; look++) {
      failures.push(...(await drive(betweenLooks)));
      lowest = Math.min(lowest, await residentBytes(stack));
    }
    return lowest;
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

async function residentBytes(stack: TestStack): Promise<number> {
  const metrics = await (await fetch(`${stack.http}/metrics`)).text();
  return Number(/^process_resident_memory_bytes(?:\{.*\})? (\S+)$/m.exec(metrics)?.[1]);
}

async function streams(stack: TestStack): Promise<Record<string, number>> {
  const stats = await stack.envoy.stats('ext_proc\\.streams_(started|closed)$');
  return Object.fromEntries([...stats].map(([name, value]) => [name.split('.').at(-1) ?? name, value]));
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
