import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verified } from '../support/records.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import { scripted } from '../support/upstream.ts';

const card = '4111 1111 1111 1111';
/** A made-up key in the form of a real one. */
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const lastBody = (): string => stack.upstream.seen.at(-1)?.body.toString('utf8') ?? '';

describe('requests through Envoy', () => {
  test('a clean request and answer pass byte for byte', async () => {
    const body =
      '{ "model": "m",\n "messages": [ {"role":"user","content":"Hi \\u00e9"} ], "seed": 12345678901234567890, "t": 1.0 }';
    const response = await stack.post('/v1/chat/completions', body);
    expect([response.status, await response.text()]).toEqual([200, body]);
    expect(lastBody()).toBe(body);
  });

  test('a card number is masked on the way up, everything else stays', async () => {
    const response = await stack.chat(`pay with ${card} today`);
    expect(response.status).toBe(200);
    expect(lastBody()).toMatch(
      /^\{"model":"scripted-1","messages":\[\{"role":"user","content":"pay with CREDIT_CARD_[0-9A-Z]{10} today"\}\]\}$/,
    );
  });

  test('our own headers and the identity token do not reach the model', async () => {
    await stack.chat('hello', { headers: { authorization: 'Bearer provider-key', 'accept-encoding': 'gzip' } });
    const headers = stack.upstream.seen.at(-1)?.headers ?? {};
    expect(headers['authorization']).toBe('Bearer provider-key');
    expect(Object.keys(headers).filter((name) => /countersign|accept-encoding/.test(name))).toEqual([]);
  });

  test.each([
    { name: 'no token', token: null, want: [401, 'identity_required'] },
    { name: 'not a token', token: 'abc', want: [401, 'identity_rejected'] },
    {
      name: 'an unsigned token',
      token: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYWxsb3J5In0.',
      want: [401, 'identity_rejected'],
    },
  ])('$name is refused in the dialect, and the model is not asked', async ({ token, want }) => {
    const before = stack.upstream.seen.length;
    const response = await stack.chat('hello', { token });
    const body = (await response.json()) as { error: { code: string; type: string } };
    expect([response.status, body.error.code]).toEqual(want);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(stack.upstream.seen.length).toBe(before);
  });

  test('an expired and a wrong-audience token are refused', async () => {
    const expired = await stack.mint({ sub: 'alice', exp: 1_000_000_000 });
    const elsewhere = await stack.mint({ sub: 'alice', aud: 'somewhere-else' });
    const answers = await Promise.all([expired, elsewhere].map((token) => stack.chat('hello', { token })));
    const reasons = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as { error: { reason: string } }).error.reason),
    );
    expect([answers.map((answer) => answer.status), reasons]).toEqual([
      [401, 401],
      ['expired', 'wrong_audience'],
    ]);
  });

  test.each([
    { name: 'invalid JSON', body: '{"messages": [', want: [400, 'invalid_json'] },
    {
      name: 'invalid UTF-8',
      body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      want: [400, 'invalid_utf8'],
    },
    {
      name: 'nesting without end',
      body: `{"messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      want: [400, 'too_deep'],
    },
  ])('$name is refused in the dialect', async ({ body, want }) => {
    const response = await stack.post('/v1/chat/completions', body);
    const answer = (await response.json()) as { error: { code: string } };
    expect([response.status, answer.error.code]).toEqual(want);
  });

  test('an unknown content encoding is refused', async () => {
    const response = await stack.post('/v1/chat/completions', 'x', { headers: { 'content-encoding': 'compress' } });
    expect([response.status, response.headers.get('x-countersign-code')]).toEqual([415, 'unsupported_encoding']);
  });

  test('half a surrogate pair in a name does no harm', async () => {
    const body =
      '{"model":"m\\ud800","messages":[{"role":"user","content":"x\\udfff"}],"metadata":{"session_id":"s\\ud800"}}';
    expect((await stack.post('/v1/chat/completions', body)).status).toBe(200);
  });

  test('a GET without a body passes', async () => {
    const response = await fetch(`${stack.baseUrl}/v1/models`, {
      headers: { [stack.tokenHeader]: stack.tokens.requester, ...scripted({ chunks: ['{"data":[]}'] }) },
    });
    expect([response.status, await response.text()]).toEqual([200, '{"data":[]}']);
  });
});

describe('answers through Envoy', () => {
  test('a secret in a JSON answer is masked', async () => {
    const answer = JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content: `use ${awsKey} now` } }],
    });
    const response = await stack.chat('hello', { headers: scripted({ chunks: [answer], whole: true }) });
    expect(await response.text()).toBe(answer.replace(awsKey, 'SECRET_AWS_ACCESS_KEY_ID_REDACTED'));
  });

  test('a secret in a stream is masked, wherever the events cut it', async () => {
    for (let cut = 1; cut < awsKey.length; cut += 3) {
      const events = [`use ${awsKey.slice(0, cut)}`, `${awsKey.slice(cut)} now`].map(delta);
      const response = await stack.chat('hello', {
        extra: { stream: true },
        headers: scripted({
          headers: { 'content-type': 'text/event-stream' },
          chunks: [...events, finish, 'data: [DONE]\n\n'],
        }),
      });
      expect(said(await response.text())).toBe('use SECRET_AWS_ACCESS_KEY_ID_REDACTED now');
    }
  });

  test('a gzip answer is read, masked and sent plain', async () => {
    const answer = JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content: `use ${awsKey}` } }],
    });
    const response = await stack.chat('hello', { headers: scripted({ chunks: [answer], gzip: true }) });
    expect([response.headers.get('content-encoding'), await response.text()]).toEqual([
      null,
      answer.replace(awsKey, 'SECRET_AWS_ACCESS_KEY_ID_REDACTED'),
    ]);
  });

  test('an answer that says JSON and is none is refused, not passed', async () => {
    const response = await stack.chat('hello', {
      headers: scripted({ chunks: [`{"broken": "${awsKey}`], whole: true }),
    });
    expect([response.status, response.headers.get('x-countersign-code')]).toEqual([502, 'response_invalid_json']);
    expect(await response.text()).not.toContain(awsKey);
  });

  test("the model's own errors pass with their status", async () => {
    const answer = '{"error":{"message":"slow down","type":"rate_limit_error"}}';
    const response = await stack.chat('hello', { headers: scripted({ status: 429, chunks: [answer], whole: true }) });
    expect([response.status, await response.text()]).toEqual([429, answer]);
  });
});

test('afterwards: no alarm of Envoy, no secret in any log, and the record is intact', async () => {
  expect(await alarms(stack)).toEqual(noAlarms);
  for (const secret of [card, awsKey, stack.tokens.requester]) expect(stack.output()).not.toContain(secret);
  const report = await verified(stack.auditFolder);
  expect([report.problems, report.openIntents]).toEqual([[], 0]);
  expect(report.records).toBeGreaterThan(20);
});

const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';

function delta(content: string): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
}

function said(stream: string): string {
  return stream
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map(
      (line) =>
        (JSON.parse(line.slice(6)) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? '',
    )
    .join('');
}
