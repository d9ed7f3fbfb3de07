import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import { scripted } from '../support/upstream.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ serviceConfig: (yaml) => `${yaml}\nencoding: { requests: same, answers: same }\n` });
});
afterAll(() => stack.stop());

const mail = 'jane.doe@example.com';

test('a masked request goes on in gzip, an untouched one byte for byte', async () => {
  for (const content of [`write to ${mail}`, 'hello']) {
    const body = gzipSync(JSON.stringify({ messages: [{ role: 'user', content }] }));
    await stack.post('/v1/chat/completions', body, { headers: { 'content-encoding': 'gzip' } });
    const seen = stack.upstream.seen.at(-1);
    expect(seen?.headers['content-encoding']).toBe('gzip');
    const sent = seen?.body ?? Buffer.alloc(0);
    if (content === 'hello') expect(sent).toEqual(body);
    else expect(gunzipSync(sent).toString()).toMatch(/write to EMAIL_ADDRESS_[0-9A-Z]{10}/);
  }
});

test('a masked answer and a masked stream come in gzip', async () => {
  const answer = JSON.stringify({ choices: [{ index: 0, message: { content: `write to ${mail}` } }] });
  const json = await stack.chat('hello', { headers: scripted({ chunks: [answer], gzip: true }) });
  expect([json.headers.get('content-encoding'), await json.text()]).toEqual([
    'gzip',
    answer.replace(mail, 'EMAIL_ADDRESS_REDACTED'),
  ]);
  const event = (content: string): string =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
  const stream = await stack.chat('hello', {
    extra: { stream: true },
    headers: scripted({
      headers: { 'content-type': 'text/event-stream' },
      chunks: [event(`write to ${mail} `), event('now'), 'data: [DONE]\n\n'],
      gzip: true,
    }),
  });
  expect([stream.headers.get('content-encoding'), await stream.text()]).toEqual([
    'gzip',
    `${event('write to EMAIL_ADDRESS_REDACTED ')}${event('now')}data: [DONE]\n\n`,
  ]);
  expect(await alarms(stack)).toEqual(noAlarms);
});
