import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inBodyModes } from '../support/body-modes.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import { scripted } from '../support/upstream.ts';

const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const masked = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';
const card = '4111 1111 1111 1111';

/** Body modes that Envoy offers, in the combinations in which they are used. */
const combinations = [
  { request: 'BUFFERED', response: 'BUFFERED', trailers: 'SKIP' },
  { request: 'BUFFERED', response: 'STREAMED', trailers: 'SKIP' },
  { request: 'BUFFERED', response: 'BUFFERED_PARTIAL', trailers: 'SKIP' },
  { request: 'BUFFERED_PARTIAL', response: 'BUFFERED', trailers: 'SKIP' },
  { request: 'STREAMED', response: 'STREAMED', trailers: 'SKIP' },
  { request: 'FULL_DUPLEX_STREAMED', response: 'FULL_DUPLEX_STREAMED', trailers: 'SEND' },
] as const;

describe.each(combinations)('request $request, response $response', ({ request, response, trailers }) => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({
      envoyConfig: inBodyModes({ request, response, trailers }),
    });
  });
  afterAll(() => stack.stop());

  const upstreamBody = (): string => stack.upstream.seen.at(-1)?.body.toString('utf8') ?? '';

  test('a request is masked, longer or shorter, and arrives whole', async () => {
    const answer = await stack.chat(`card ${card}, again ${card}`);
    expect(answer.status).toBe(200);
    expect(JSON.parse(upstreamBody()).messages[0].content).toMatch(
      /^card CREDIT_CARD_[0-9A-Z]{10}, again CREDIT_CARD_[0-9A-Z]{10}$/,
    );
  });

  test('a large request is judged whole', async () => {
    const answer = await stack.chat(`${'word '.repeat(40_000)} ${card}`);
    expect(answer.status).toBe(200);
    expect(upstreamBody()).not.toContain(card);
    expect(upstreamBody().length).toBeGreaterThan(200_000);
  });

  test('a JSON answer is masked', async () => {
    const json = JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content: `use ${awsKey} now` } }],
    });
    const answer = await stack.chat('hello', { headers: scripted({ chunks: [json.slice(0, 60), json.slice(60)] }) });
    expect([answer.status, await answer.text()]).toEqual([200, json.replace(awsKey, masked)]);
  });

  test('a streamed answer is masked', async () => {
    const event = (content: string): string =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
    const answer = await stack.chat('hello', {
      extra: { stream: true },
      headers: scripted({
        headers: { 'content-type': 'text/event-stream' },
        chunks: [event('use '), event(awsKey.slice(0, 9)), event(awsKey.slice(9)), event(' now'), 'data: [DONE]\n\n'],
      }),
    });
    expect(await answer.text()).toBe(
      [event('use '), event(masked), event(''), event(' now'), 'data: [DONE]\n\n'].join(''),
    );
  });

  test('a denied request reaches nobody', async () => {
    const before = stack.upstream.seen.length;
    const answer = await stack.chat('hello', { token: null });
    expect([answer.status, answer.headers.get('x-countersign-code')]).toEqual([401, 'identity_required']);
    expect(stack.upstream.seen.length).toBe(before);
  });

  test('requests and answers without a body pass', async () => {
    const headers = { [stack.tokenHeader]: stack.tokens.requester };
    const answer = await fetch(`${stack.baseUrl}/v1/models`, {
      headers: { ...headers, ...scripted({ status: 204, chunks: [] }) },
    });
    expect(answer.status).toBe(204);
  });

  test('no alarm of Envoy', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});

describe('a gateway that does not show request bodies', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({
      envoyConfig: (yaml) => yaml.replace('request_body_mode: BUFFERED', 'request_body_mode: NONE'),
    });
  });
  afterAll(() => stack.stop());

  test('a request with a body is not let through unread', async () => {
    const before = stack.upstream.seen.length;
    const answer = await stack.chat('hello');
    expect([answer.status, answer.headers.get('x-countersign-code')]).toEqual([403, 'uninspected_part']);
    expect(stack.upstream.seen.length).toBe(before);
  });

  test('a request without one passes', async () => {
    const headers = { [stack.tokenHeader]: stack.tokens.requester, ...scripted({ chunks: ['{"data":[]}'] }) };
    expect((await fetch(`${stack.baseUrl}/v1/models`, { headers })).status).toBe(200);
  });
});
