import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { verified } from '../support/records.ts';
import { expectNeverSent, expectRefused, say } from '../support/refusals.ts';
import { alarms, freePorts, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const text = `my card is ${card}`;
const away = { status: 503, code: 'identity_unavailable' };

/** What the key server does; each fault is one of these. */
const faults: readonly { readonly name: string; readonly answer: (response: ServerResponse) => void }[] = [
  { name: 'cuts connections', answer: (response) => response.destroy() },
  { name: 'answers 500', answer: (response) => response.writeHead(500).end() },
  { name: 'answers what is no key set', answer: (response) => response.end('<html>maintenance</html>') },
  { name: 'answers an empty key set', answer: (response) => response.end('{"keys":[]}') },
  {
    name: 'redirects elsewhere',
    answer: (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  },
  { name: 'never answers', answer: () => {} },
];

describe.each(faults)('the key server $name', ({ answer }) => {
  let stack: TestStack;
  let server: Server;
  let isBroken = true;
  beforeAll(async () => {
    isBroken = true;
    const [port = 0] = await freePorts(1);
    let keys = '';
    server = createServer((_, response) => {
      if (isBroken) answer(response);
      else response.end(keys);
    }).listen(port, '127.0.0.1');
    stack = await startTestStack({
      serviceConfig: (yaml) =>
        yaml.replace(/jwks: \{.*\}/, `jwks: { url: 'http://127.0.0.1:${port}/jwks.json', timeout: 500ms }`),
    });
    keys = readFileSync(join(stack.dataFolder, 'jwks.json'), 'utf8');
  });
  afterAll(async () => {
    await stack.stop();
    server.closeAllConnections();
    server.close();
  });

  test('a caller with a token is refused; without one it is still told so; both as themselves once the keys are there', async () => {
    await expectRefused(stack, 'openai', { text }, away);
    await expectRefused(stack, 'anthropic', { text }, away);
    await expectRefused(stack, 'json', { text, token: null }, { status: 401, code: 'identity_required' });
    isBroken = false;
    const passed = await eventually('the keys', async () => {
      const tried = await say(stack, 'openai', { text });
      return tried.status === 503 ? undefined : tried;
    });
    expect(passed.status).toBe(200);
    expect(stack.upstream.seen.at(-1)?.body.toString('utf8')).toMatch(/my card is CREDIT_CARD_/);
    // Known keys outlive the next outage.
    isBroken = true;
    expect((await say(stack, 'openai', { text })).status).toBe(200);
    expectNeverSent(stack, card);
    expect(await alarms(stack)).toEqual(noAlarms);
    expect((await verified(stack.auditFolder)).problems).toEqual([]);
  });
});
