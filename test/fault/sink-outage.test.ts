import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createWebhookSink } from '../../src/audit/sinks/webhook-sink.ts';
import { bareEntry, openTestLog } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { type ReceivedRequest, type Receiver, type Reply, startReceiver } from '../support/receiver.ts';
import { fastLimits, startTestShipper } from '../support/sink-log.ts';
import { freePorts } from '../support/stack.ts';

const root = mkdtempSync(join(tmpdir(), 'sink-outage-'));
afterAll(() => rmSync(root, { recursive: true }));
let receiver: Receiver | null = null;
afterEach(() => receiver?.close());

const impatient = { random: (size: number) => Buffer.alloc(size) };
const secret = ['outage', 'secret'].join('-');
let count = 0;

/** A log under load, its webhook, and what the receiver took in the end. */
async function outage(reply: (request: ReceivedRequest, isOver: boolean) => Reply) {
  count += 1;
  let isOver = false;
  const taken: string[] = [];
  receiver = await startReceiver((request) => {
    const answer = reply(request, isOver);
    if (typeof answer === 'object' && answer.status === 200) {
      taken.push(
        ...JSON.parse(request.body).map((document: object) => String(Reflect.get(document, 'id') ?? 'checkpoint')),
      );
    }
    return answer;
  });
  const directory = join(root, `log-${count}`);
  const state = join(root, `state-${count}`);
  const sink = createWebhookSink({ url: receiver.url, tls: null, secret, headers: {}, nowMs: Date.now });
  const log = await openTestLog(directory);
  const shipper = await startTestShipper(directory, state, sink, {
    ...impatient,
    limits: { ...fastLimits, deadlineMs: 100 },
  });
  const ids: string[] = [];
  let slowestMs = 0;
  for (let round = 0; round < 20; round += 1) {
    const started = performance.now();
    const receipts = await Promise.all(Array.from({ length: 20 }, () => log.append(bareEntry('policy'))));
    slowestMs = Math.max(slowestMs, performance.now() - started);
    ids.push(...receipts.map(({ id }) => id));
  }
  return {
    ids,
    taken,
    state,
    slowestMs,
    shipper,
    end: async () => {
      isOver = true;
      await log.close();
      await shipper.stop(20_000);
    },
  };
}

describe('a receiver that', () => {
  const ok: Reply = { status: 200 };
  const faults: readonly (readonly [string, Reply])[] = [
    ['resets every connection', 'reset'],
    ['accepts and never answers', 'hang'],
    ['answers a byte and no more', 'drip'],
    ['is too busy', { status: 429, headers: { 'retry-after': '0' } }],
    ['is broken', { status: 503 }],
  ];
  test.each(faults)('%s holds up no append, and has everything in the end', async (_, fault) => {
    const run = await outage((_request, isOver) => (isOver ? ok : fault));
    const { shipper, ids, taken } = run;
    await eventually('a lag over all that was written', () =>
      shipper.status().lagRecords >= ids.length && shipper.status().failing !== null ? true : undefined,
    );
    expect(taken).toEqual([]);
    // Appending never waits for a sink: it would have waited for ever.
    expect(run.slowestMs).toBeLessThan(4_000);
    await run.end();
    expect(new Set(taken)).toEqual(new Set([...taken, ...ids]));
    expect(shipper.status()).toMatchObject({ lagRecords: 0, failing: null, deadLetters: 0 });
  });

  test('has one poison record loses that one alone', async () => {
    let poison = '';
    const run = await outage(({ body }) => {
      poison ||= String(Reflect.get(JSON.parse(body).at(-1), 'id'));
      return { status: body.includes(poison) ? 400 : 200 };
    });
    await run.end();
    const dead = readFileSync(join(run.state, 'test.dead.jsonl'), 'utf8').trimEnd().split('\n');
    expect(dead.map((line) => JSON.parse(line).id)).toEqual([poison]);
    expect(run.ids.filter((id) => !run.taken.includes(id)).every((id) => id === poison)).toBe(true);
    expect(new Set(run.taken).size).toBe(run.taken.length);
  });

  test('is not there at all, and comes back', async () => {
    count += 1;
    const [port = 0] = await freePorts(1);
    const directory = join(root, `log-${count}`);
    const log = await openTestLog(directory);
    const sink = createWebhookSink({
      url: `http://127.0.0.1:${port}`,
      tls: null,
      secret,
      headers: {},
      nowMs: Date.now,
    });
    const shipper = await startTestShipper(directory, join(root, `state-${count}`), sink, {
      limits: { ...fastLimits, deadlineMs: 100 },
    });
    await log.append(bareEntry('policy'));
    await eventually('a failure', () => shipper.status().failing ?? undefined);
    await log.close();
    await shipper.stop(50);
    // What could not be sent waits for the next start.
    expect(shipper.status().lagRecords).toBe(3);
  });
});
