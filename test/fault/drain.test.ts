import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRecords } from '../../src/audit/read.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { eventually } from '../support/eventually.ts';
import { completion, delta, eventStream, said, streamEnd } from '../support/model-stream.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { outcomeOf } from '../support/records.ts';
import { expectNeverSent, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const maskedKey = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';

let stack: TestStack;
let policy: PolicyVariant;
beforeEach(async () => {
  policy = await policyVariant({ settings: { hold: { wait_s: 45 } } });
  stack = await startTestStack({ serviceConfig: withBundle(policy.bundle) });
});
afterEach(async () => {
  await stack?.stop();
  policy.remove();
});

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

test('SIGTERM while a request waits for people: it is answered at once, and the approval outlives the process', async () => {
  const exited = once(stack.service, 'exit');
  const waiting = say(stack, 'openai', { text: `Write a script that drops the users table in production. ${card}` });
  const { id } = await stack.pending('users table');
  const stoppedMs = performance.now();
  stack.service.kill('SIGTERM');
  const held = await waiting;
  expect([held.status, held.headers['x-countersign-code']]).toEqual([403, 'approval_pending']);
  expect(held.headers['x-countersign-approval']).toBe(id);
  expect(await exited).toEqual([0, null]);
  expect(performance.now() - stoppedMs).toBeLessThan(10_000);
  expectNeverSent(stack, card);
  const report = await verifyLog({ directory: stack.auditFolder });
  expect([report.problems, report.openIntents]).toEqual([[], 0]);
});
