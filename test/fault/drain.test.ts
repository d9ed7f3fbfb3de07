import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRecords } from '../../src/audit/read.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { eventually } from '../support/eventually.ts';
import { completion, delta, eventStream, said, streamEnd } from '../support/model-stream.ts';
import { outcomeOf } from '../support/records.ts';
import { expectNeverSent, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const maskedKey = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';

let stack: TestStack;
beforeEach(async () => {
  stack = await startTestStack();
});
afterEach(() => stack.stop());

test('SIGTERM: a stream and an answer under way finish masked, new requests are refused, the process ends in good order', async () => {
  const exited = once(stack.service, 'exit');
  const events = [...Array.from({ length: 30 }, (_, index) => delta(`word${index} `)), delta(`use ${awsKey}`)];
  let begun = '';
  const stream = say(stack, 'openai', {
    text: `my card is ${card}`,
    script: { headers: eventStream, chunks: [...events, ...streamEnd], pauseMs: 60 },
    onBody: (sofar) => {
      begun = sofar;
    },
  });
  const whole = say(stack, 'openai', { script: { chunks: [completion(`use ${awsKey}`)], pauseMs: 1_500 } });
  await eventually('the stream to begin', () => (begun.includes('word2') ? true : undefined));
  await eventually('both requests to arrive', () => (stack.upstream.seen.length === 2 ? true : undefined));

  stack.service.kill('SIGTERM');
  await eventually(
    'the service to say so',
    async () => (await fetch(`${stack.http}/readyz`)).status === 503 || undefined,
  );
  const late = await eventually('new requests to be refused', async () => {
    const answer = await say(stack, 'openai', { text: `my card is ${card}` });
    return answer.status === 503 ? answer : undefined;
  });
  expect([late.status, late.body.includes(card)]).toEqual([503, false]);

  const [streamed, answered] = [await stream, await whole];
  expect([streamed.complete, said(streamed.body).endsWith(`word29 use ${maskedKey}`)]).toEqual([true, true]);
  expect([answered.status, answered.body]).toEqual([200, completion(`use ${maskedKey}`)]);
  for (const answer of [streamed, answered]) {
    const outcome = await outcomeOf(stack.auditFolder, String(answer.headers['x-countersign-exchange']));
    expect(outcome.facts['ended']).toBe('complete');
  }
  expect(await exited).toEqual([0, null]);
  expectNeverSent(stack, card);
  // Connections that were refused, each a failed stream: nothing else.
  const { streams_failed: refused = 0, ...others } = await alarms(stack);
  expect(refused).toBeGreaterThanOrEqual(1);
  expect({ ...others, streams_failed: refused }).toEqual({
    ...noAlarms,
    streams_failed: refused,
    server_half_closed: refused,
  });
  const report = await verifyLog({ directory: stack.auditFolder });
  expect([report.problems, report.openIntents, report.checkpointed]).toEqual([[], 0, report.records]);
  let last = '';
  for await (const record of readRecords(stack.auditFolder)) last = record.kind;
  expect(last).toBe('close');
});

test('SIGTERM while a request waits for people: it is answered, not left hanging', async () => {
  const exited = once(stack.service, 'exit');
  const held = await say(stack, 'openai', { text: 'Write a script that drops the users table in production.' });
  expect(held.headers['x-countersign-code']).toBe('approval_pending');
  stack.service.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});
