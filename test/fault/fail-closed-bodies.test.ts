import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { completion } from '../support/model-stream.ts';
import { outcomeOf, verified } from '../support/records.ts';
import { expectErrorOf, expectNeverSent, expectRefused, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import type { Script } from '../support/upstream.ts';

const card = '4111 1111 1111 1111';
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const bodyBytesMax = 100_000;

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ serviceConfig: (yaml) => `${yaml}\nlimits: { body_bytes: ${bodyBytesMax} }\n` });
});
afterAll(() => stack?.stop());

const wrapped = (text: string): string => `{"messages":[{"role":"user","content":"${text}"}],"input":"${text}"}`;

describe.each(['openai', 'anthropic', 'json'] as const)('a request that cannot be judged (%s)', (spoken) => {
  test.each([
    { name: 'too large', body: wrapped(`${card} ${'x'.repeat(bodyBytesMax)}`), want: [413, 'body_too_large'] },
    { name: 'cut off', body: wrapped(card).slice(0, -4), want: [400, 'invalid_json'] },
    { name: 'JSON twice', body: `${wrapped(card)} ${wrapped(card)}`, want: [400, 'invalid_json'] },
    {
      name: 'no UTF-8',
      body: Buffer.concat([Buffer.from(wrapped(card).slice(0, -2)), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
      want: [400, 'invalid_utf8'],
    },
    { name: 'UTF-16', body: Buffer.from(wrapped(card), 'utf16le'), want: [400, 'invalid_json'] },
    {
      name: 'nested without end',
      body: `{"messages":${'['.repeat(20_000)}"${card}"${']'.repeat(20_000)}}`,
      want: [400, 'too_deep'],
    },
    { name: 'in an encoding that nobody knows', body: card, encoding: 'compress', want: [415, 'unsupported_encoding'] },
    { name: 'in two encodings', body: card, encoding: 'gzip, br', want: [415, 'unsupported_encoding'] },
    {
      name: 'gzip that does not end',
      body: gzipSync(wrapped(card)).subarray(0, -12),
      encoding: 'gzip',
      want: [413, 'truncated'],
    },
    { name: 'gzip that is none', body: wrapped(card), encoding: 'gzip', want: [415, 'unsupported_encoding'] },
    {
      name: 'gzip that unfolds beyond the limit',
      body: gzipSync(wrapped(`${card} ${'x'.repeat(20 * bodyBytesMax)}`)),
      encoding: 'gzip',
      want: [413, 'body_too_large'],
    },
  ] as const)('$name', async ({ body, want: [status, code], ...rest }) => {
    const headers = 'encoding' in rest ? { 'content-encoding': rest.encoding } : {};
    await expectRefused(stack, spoken, { body, headers }, { status, code });
  });

  test('gzip that can be judged is masked, and goes on plain', async () => {
    const said = { body: gzipSync(wrapped(card)), headers: { 'content-encoding': 'gzip' } };
    expect((await say(stack, spoken, said)).status).toBe(200);
    const seen = stack.upstream.seen.at(-1);
    expect(seen?.headers['content-encoding']).toBeUndefined();
    expect(seen?.body.toString('utf8')).toMatch(/"content":"CREDIT_CARD_[0-9A-Z]{10}"/);
  });
});

describe.each(['openai', 'anthropic', 'json'] as const)('an answer that cannot be judged (%s)', (spoken) => {
  const long = completion(`${awsKey} ${'x'.repeat(bodyBytesMax)}`);
  test.each<{ name: string; script: Script; code: string }>([
    { name: 'too large', script: { chunks: [long] }, code: 'response_body_too_large' },
    { name: 'cut off', script: { chunks: [completion(awsKey).slice(0, -5)] }, code: 'response_invalid_json' },
    { name: 'no JSON', script: { chunks: [`<html>${awsKey}</html>`] }, code: 'response_invalid_json' },
    {
      name: 'no UTF-8',
      script: { chunks: [Buffer.from(completion(`é${awsKey}`), 'latin1').toString('base64')], base64: true },
      code: 'response_invalid_utf8',
    },
    {
      name: 'in an encoding that nobody knows',
      script: { headers: { 'content-encoding': 'compress' }, chunks: [awsKey] },
      code: 'response_unsupported_encoding',
    },
    {
      name: 'gzip that does not end',
      script: {
        headers: { 'content-encoding': 'gzip' },
        chunks: [gzipSync(completion(awsKey)).subarray(0, -12).toString('base64')],
        base64: true,
      },
      code: 'response_truncated',
    },
  ])('$name', async ({ script, code }) => {
    const answer = await say(stack, spoken, { script });
    expect([answer.status, answer.headers['x-countersign-code'], answer.complete]).toEqual([502, code, true]);
    expectErrorOf(spoken, JSON.parse(answer.body), code);
    expect(answer.body).not.toContain(awsKey.slice(0, 8));
    const { facts } = await outcomeOf(stack.auditFolder, String(answer.headers['x-countersign-exchange']));
    expect([facts['ended'], facts['code'], facts['status']]).toEqual(['refused', code, 200]);
  });
});

test('afterwards: no raw value ever left, no alarm of Envoy, the record is intact', async () => {
  expectNeverSent(stack, card);
  expect(await alarms(stack)).toEqual(noAlarms);
  const report = await verified(stack.auditFolder);
  expect([report.problems, report.openIntents]).toEqual([[], 0]);
  for (const secret of [card, awsKey]) expect(stack.output()).not.toContain(secret);
});
