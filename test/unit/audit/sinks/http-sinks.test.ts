import { afterEach, describe, expect, test } from 'vitest';
import { createElasticsearchSink } from '../../../../src/audit/sinks/elasticsearch-sink.ts';
import { createRenderer, type Format } from '../../../../src/audit/sinks/format.ts';
import { createOtlpSink } from '../../../../src/audit/sinks/otlp-sink.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import { type Delivery, documentOf, type Sink, type SinkEvent } from '../../../../src/audit/sinks/sink.ts';
import { createSplunkHecSink } from '../../../../src/audit/sinks/splunk-hec-sink.ts';
import { createWebhookSink, webhookSignature } from '../../../../src/audit/sinks/webhook-sink.ts';
import { testOrigin } from '../../../support/audit.ts';
import { type ReceivedRequest, type Receiver, type Reply, startReceiver } from '../../../support/receiver.ts';
import { testProduct } from '../../../support/sink-log.ts';
import { sampleRecords } from '../../../support/sink-samples.ts';

const records = await sampleRecords();
let receiver: Receiver | null = null;
afterEach(() => receiver?.close());

function rendered(format: Format): readonly SinkEvent[] {
  const renderer = createRenderer(format, defaultProjection, testProduct, testOrigin);
  return records.flatMap((record) => renderer.record(record));
}

async function deliver(
  make: (url: string) => Sink,
  events: readonly SinkEvent[],
  reply: (request: ReceivedRequest) => Reply,
): Promise<{ delivery: Delivery; requests: readonly ReceivedRequest[] }> {
  receiver = await startReceiver(reply);
  const sink = make(receiver.url);
  const delivery = await sink.deliver(events, AbortSignal.timeout(5_000));
  await sink.close();
  return { delivery, requests: receiver.requests };
}

const done: Delivery = { kind: 'settled', rejected: [], retry: [], afterMs: null };

/** How every HTTP sink answers to statuses, whatever its receiver's own words are. */
const statuses: readonly (readonly [number, Delivery])[] = [
  [401, { kind: 'failed', reason: 'HTTP 401', afterMs: null }],
  [403, { kind: 'failed', reason: 'HTTP 403', afterMs: null }],
  [404, { kind: 'failed', reason: 'HTTP 404', afterMs: null }],
  [413, { kind: 'refused', reason: 'HTTP 413' }],
  [429, { kind: 'failed', reason: 'HTTP 429', afterMs: 7_000 }],
  [503, { kind: 'failed', reason: 'HTTP 503', afterMs: 7_000 }],
];
const busy = (status: number): Reply => ({ status, ...(status < 429 ? {} : { headers: { 'retry-after': '7' } }) });

describe('webhook', () => {
  const secret = ['signing', 'key'].join('-');
  const make = (url: string): Sink =>
    createWebhookSink({ url, tls: null, secret, headers: {}, nowMs: () => 1_795_376_943_999 });

  test('posts a signed array under a key of the batch', async () => {
    const events = rendered('ocsf');
    const { delivery, requests } = await deliver(make, events, ({ headers, body }) => {
      const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['countersign-signature'])) ?? [];
      const isRight = signature === webhookSignature(secret, Number(seconds), body) && seconds === '1795376943';
      return { status: isRight ? 202 : 401 };
    });
    expect(delivery).toEqual(done);
    expect(requests).toHaveLength(1);
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual(events.map(documentOf));
    expect(requests[0]?.headers['idempotency-key']).toBe(`${events[0]?.id}-${events.at(-1)?.id}`);
  });

  test.each(statuses)('answers %i', async (status, want) => {
    expect((await deliver(make, rendered('ocsf'), () => busy(status))).delivery).toEqual(want);
  });

  test('does not follow a redirect with what it carries', async () => {
    const redirect = { status: 307, headers: { location: 'http://127.0.0.1:9/elsewhere' } };
    expect((await deliver(make, rendered('ocsf'), () => redirect)).delivery).toEqual({
      kind: 'failed',
      reason: 'HTTP 307: redirects are not followed',
      afterMs: null,
    });
  });
});

describe('Splunk HEC', () => {
  const token = ['hec', 'token'].join('-');
  const channel = '0197a0b0-0000-7000-8000-000000000001';
  const make =
    (acks: boolean, ackWaitMs = 5_000) =>
    (url: string): Sink =>
      createSplunkHecSink({
        url,
        tls: null,
        token,
        index: 'ai_audit',
        host: 'gw-0',
        acks,
        channel,
        ackWaitMs,
        ackPollMs: 5,
      });

  /** Refuses what Splunk would; takes an acknowledgement at the third question. */
  function splunk(): (request: ReceivedRequest) => Reply {
    let asked = 0;
    return ({ headers, path, body }) => {
      if (headers.authorization !== `Splunk ${token}`) return { status: 403, body: { text: 'Invalid token', code: 4 } };
      if (headers['x-splunk-request-channel'] !== channel) {
        return { status: 400, body: { text: 'Data channel is missing', code: 10 } };
      }
      if (path === `/services/collector/ack?channel=${channel}`) {
        const { acks } = JSON.parse(body);
        expect(acks).toEqual([41]);
        asked += 1;
        return { status: 200, body: { acks: { 41: asked >= 3 } } };
      }
      return { status: 200, body: { text: 'Success', code: 0, ackId: 41 } };
    };
  }

  test('sends events as the collector wants them and waits for the indexers', async () => {
    const events = rendered('ocsf');
    const { delivery, requests } = await deliver(make(true), events, splunk());
    expect(delivery).toEqual(done);
    expect(requests.map(({ path }) => path.split('?')[0])).toEqual([
      '/services/collector/event',
      ...Array(3).fill('/services/collector/ack'),
    ]);
    const sent = (requests[0]?.body ?? '').split('\n').map((line) => JSON.parse(line));
    expect(sent.map(({ event }) => event)).toEqual(events.map(documentOf));
    expect(sent[0]).toMatchObject({
      host: 'gw-0',
      source: 'countersign',
      sourcetype: 'ocsf:6002',
      index: 'ai_audit',
      fields: { record_id: events[0]?.id },
    });
    // Microseconds survive, which a float of milliseconds would not promise.
    expect(requests[0]?.body).toMatch(/^\{"time":\d{10}\.\d{6},/);
  });

  test('an indexer that never says so means sending again', async () => {
    const reply = ({ path }: ReceivedRequest): Reply =>
      path.includes('/ack')
        ? { status: 200, body: { acks: { 1: false } } }
        : { status: 200, body: { code: 0, ackId: 1 } };
    const { delivery } = await deliver(make(true, 30), rendered('ocsf'), reply);
    expect(delivery).toEqual({ kind: 'failed', reason: 'the indexers have not acknowledged', afterMs: null });
  });

  test.each([
    ['invalid data format', { status: 400, body: { code: 6 } }, 'refused'],
    ['no data', { status: 400, body: { code: 5 } }, 'refused'],
    ['channel missing', { status: 400, body: { code: 10 } }, 'failed'],
    ['server busy', { status: 503, body: { code: 9 } }, 'failed'],
    ['success without an ackId', { status: 200, body: { code: 0 } }, 'failed'],
    ['a success that is none', { status: 200, body: { code: 8 } }, 'failed'],
  ] as const)('%s', async (_, reply, want) => {
    expect((await deliver(make(true), rendered('ocsf'), () => reply)).delivery.kind).toBe(want);
  });
});

describe('Elasticsearch', () => {
  const authorization = ['ApiKey', 'made-up'].join(' ');
  const make = (url: string): Sink =>
    createElasticsearchSink({ url, tls: null, index: 'logs-countersign.audit-default', authorization });

  /** Creates once by id, and refuses bodies that a server would refuse. */
  function elastic(answers: (index: number) => number, known = new Set<string>()): (r: ReceivedRequest) => Reply {
    return ({ path, headers, body }) => {
      if (headers.authorization !== authorization) return { status: 401 };
      if (path !== '/_bulk' || headers['content-type'] !== 'application/x-ndjson' || !body.endsWith('\n')) {
        return { status: 400 };
      }
      const lines = body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const items = lines.flatMap((line, i) => {
        if (i % 2 === 1) {
          expect(Date.parse(line['@timestamp'])).not.toBeNaN();
          return [];
        }
        const { _id, _index } = line.create;
        expect(_index).toBe('logs-countersign.audit-default');
        const wanted = answers(i / 2);
        const status = wanted === 201 && known.has(_id) ? 409 : wanted;
        if (status === 201) known.add(_id);
        return [{ create: { _id, status, ...(status < 300 ? {} : { error: { type: 'made_up' } }) } }];
      });
      return { status: 200, body: { errors: items.some(({ create }) => create.status > 201), items } };
    };
  }

  test.each(['ecs', 'ocsf'] as const)('creates %s documents once by their id', async (format) => {
    const known = new Set<string>();
    const events = rendered(format);
    expect(
      (
        await deliver(
          make,
          events,
          elastic(() => 201, known),
        )
      ).delivery,
    ).toEqual(done);
    await receiver?.close();
    expect(
      (
        await deliver(
          make,
          events,
          elastic(() => 201, known),
        )
      ).delivery,
    ).toEqual(done);
    expect(known.size).toBe(events.length);
  });

  test('judges each item by itself', async () => {
    const reply = elastic((index) => (index === 1 ? 400 : index === 2 ? 429 : index === 4 ? 503 : 201));
    expect((await deliver(make, rendered('ecs'), reply)).delivery).toEqual({
      kind: 'settled',
      rejected: [{ index: 1, reason: '400 made_up' }],
      retry: [2, 4],
      afterMs: null,
    });
  });

  test.each(statuses)('answers %i', async (status, want) => {
    expect((await deliver(make, rendered('ecs'), () => busy(status))).delivery).toEqual(want);
  });

  test('an answer that does not list every item proves nothing', async () => {
    const reply = { status: 200, body: { errors: false, items: [] } };
    expect((await deliver(make, rendered('ecs'), () => reply)).delivery.kind).toBe('failed');
  });
});

describe('OTLP', () => {
  const make = (url: string): Sink =>
    createOtlpSink({ url, tls: null, headers: {}, version: '1.2.3', host: 'gw-0', nowNs: () => 5n });

  interface LogRecord {
    readonly timeUnixNano: string;
    readonly severityNumber: number;
    readonly eventName: string;
    readonly body?: { readonly stringValue: string };
    readonly traceId?: string;
    readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  }

  function logRecords({ body }: ReceivedRequest): readonly LogRecord[] {
    const { resourceLogs } = JSON.parse(body);
    expect(resourceLogs).toHaveLength(1);
    expect(resourceLogs[0].resource.attributes).toContainEqual({
      key: 'service.instance.id',
      value: { stringValue: testOrigin },
    });
    return resourceLogs[0].scopeLogs[0].logRecords;
  }

  test('sends GenAI events as log records, 64-bit integers as strings', async () => {
    const events = rendered('otel');
    const { delivery, requests } = await deliver(make, events, ({ path }) => ({
      status: path === '/v1/logs' ? 200 : 404,
      body: {},
    }));
    expect(delivery).toEqual(done);
    const [request] = requests;
    const sent = request === undefined ? [] : logRecords(request);
    expect(sent).toHaveLength(events.length);
    for (const [index, { timeUnixNano, attributes }] of sent.entries()) {
      expect(timeUnixNano).toBe(String(events[index]?.timeNs));
      expect(attributes).toContainEqual({ key: 'log.record.uid', value: { stringValue: events[index]?.id } });
      for (const { value } of attributes) {
        expect(Object.keys(value)).toHaveLength(1);
        if ('intValue' in value) expect(value['intValue']).toBeTypeOf('string');
      }
    }
    const outcome = sent.find(({ attributes }) => attributes.some(({ key }) => key === 'gen_ai.usage.input_tokens'));
    expect(outcome).toMatchObject({
      eventName: 'gen_ai.client.inference.operation.details',
      severityNumber: 9,
      traceId: '0af7651916cd43dd8448eb211c80319c',
    });
  });

  test('sends other formats as text', async () => {
    const { requests } = await deliver(make, rendered('ocsf'), () => ({ status: 200, body: {} }));
    const [first] = requests[0] === undefined ? [] : logRecords(requests[0]);
    expect(JSON.parse(first?.body?.stringValue ?? '')).toMatchObject({ class_uid: 6002 });
  });

  test('a partial success is not sent again', async () => {
    const events = rendered('otel');
    const reply = { status: 200, body: { partialSuccess: { rejectedLogRecords: '2', errorMessage: 'no' } } };
    const { delivery } = await deliver(make, events, () => reply);
    expect(delivery).toMatchObject({ kind: 'settled', retry: [] });
    expect(delivery.kind === 'settled' && delivery.rejected.length).toBe(events.length);
  });

  test.each(statuses)('answers %i', async (status, want) => {
    expect((await deliver(make, rendered('otel'), () => busy(status))).delivery).toEqual(want);
  });
});
