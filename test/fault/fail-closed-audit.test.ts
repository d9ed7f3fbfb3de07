import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type FullDisk, limitedDisk, smallDisk } from '../support/full-disk.ts';
import { completion, delta, eventStream, streamEnd } from '../support/model-stream.ts';
import { allRecords, verified } from '../support/records.ts';
import { expectErrorOf, expectNeverSent, expectRefused, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const text = `my card is ${card}`;
const away = { status: 503, code: 'audit_unavailable', recordedIn: 'none' } as const;
/** A file system of its own takes the right to mount one; the other way takes none. */
const disks: readonly FullDisk[] = [limitedDisk(), smallDisk()].filter((disk) => disk !== null);

describe.each(disks)('the disk of the record $name', (disk) => {
  let stack: TestStack;
  const audit = join(disk.folder, 'audit');
  beforeAll(async () => {
    stack = await startTestStack({
      serviceConfig: (yaml) => yaml.replace(/directory: \$\{env:COUNTERSIGN_DATA.*\}\/audit$/m, `directory: ${audit}`),
    });
  });
  afterAll(async () => {
    await stack?.stop();
    disk.remove();
  });
  const pid = (): number => stack.service.pid ?? 0;
  /** Exchanges whose callers were told that the record cannot be written. */
  const unrecorded = new Set<string>();
  const tell: typeof say = async (...args) => {
    const answer = await say(...args);
    if (answer.body.includes('audit_unavailable')) unrecorded.add(String(answer.headers['x-countersign-exchange']));
    return answer;
  };
  const passes = () =>
    eventually('the record to be writable', async () => {
      const answer = await tell(stack, 'openai', { text });
      return answer.status === 503 ? undefined : answer;
    });

  test('nothing leaves while it does, and everything does again afterwards', async () => {
    expect((await tell(stack, 'openai', { text })).status).toBe(200);
    disk.fill(pid());
    await eventually('the log to notice', async () =>
      (await fetch(`${stack.http}/readyz`)).ok && (await tell(stack, 'openai', { text })).status === 200
        ? undefined
        : true,
    );
    for (const spoken of ['openai', 'anthropic', 'json'] as const) await expectRefused(stack, spoken, { text }, away);
    // A refusal, too, is an exchange that cannot be put on record.
    await expectRefused(stack, 'openai', { text, token: null }, away);
    expect((await fetch(`${stack.http}/readyz`)).status).toBe(503);
    disk.free(pid());
    expect((await passes()).status).toBe(200);
    await eventually('the service to be ready', async () =>
      (await fetch(`${stack.http}/readyz`)).ok ? true : undefined,
    );
  });

  test('in the middle of a stream: what was released stays, the end is withheld and is an error', async () => {
    let isFull = false;
    const events = Array.from({ length: 30 }, (_, index) => delta(`word${index} `));
    const answer = await tell(stack, 'openai', {
      script: { headers: eventStream, chunks: [...events, ...streamEnd], pauseMs: 60 },
      onBody: () => {
        if (!isFull) disk.fill(pid());
        isFull = true;
      },
    });
    disk.free(pid());
    const [, last] = /data: (\{[^\n]*\})\n\n$/.exec(answer.body) ?? [];
    expect([answer.status, answer.complete]).toEqual([200, true]);
    expectErrorOf('openai', JSON.parse(last ?? '{}'), 'audit_unavailable');
    expect((await passes()).status).toBe(200);
  });

  test('between a request and its whole answer: the answer is withheld', async () => {
    const waiting = tell(stack, 'openai', { script: { chunks: [completion(`use ${card}`)], pauseMs: 2_500 } });
    const reached = stack.upstream.seen.length;
    await eventually('the request to arrive', () => (stack.upstream.seen.length > reached ? true : undefined));
    disk.fill(pid());
    const answer = await waiting;
    disk.free(pid());
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([503, 'audit_unavailable']);
    expect(answer.body).not.toContain('choices');
    expect((await passes()).status).toBe(200);
  });

  test('afterwards: no raw value ever left, no alarm of Envoy, the record is intact', async () => {
    expectNeverSent(stack, card);
    expect(await alarms(stack)).toEqual(noAlarms);
    const report = await verified(audit);
    expect(report.problems).toEqual([]);
    const records = await allRecords(audit);
    const exchangesOf = (kind: string) =>
      records.filter((record) => record.kind === kind).map(({ exchange }) => exchange);
    const intents = exchangesOf('intent');
    expect(intents.length).toBeGreaterThanOrEqual(stack.upstream.seen.length);
    // Only answers that ended in an error because of it lack an outcome; the next start of the service records them as aborted.
    const outcomes = new Set(exchangesOf('outcome'));
    const open = intents.filter((exchange) => !outcomes.has(exchange));
    expect(open.length).toBe(report.openIntents);
    expect(open.length).toBeGreaterThanOrEqual(2);
    expect(open.filter((exchange) => !unrecorded.has(exchange))).toEqual([]);
  });
});
