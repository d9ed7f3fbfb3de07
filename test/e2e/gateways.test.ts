import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allRecords, verified } from '../support/records.ts';
import { freePorts, root, startTestStack, type TestStack } from '../support/stack.ts';

const key = 'a-key-that-gateways-show';
let stack: TestStack;
let base = '';

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  base = `http://127.0.0.1:${port}`;
  process.env['COUNTERSIGN_TEST_GATEWAY_KEY'] = key;
  const gateways = `gateways: { listen: { address: '127.0.0.1:${port}' }, key: '\${env:COUNTERSIGN_TEST_GATEWAY_KEY}' }`;
  stack = await startTestStack({ serviceConfig: (yaml) => `${yaml}\n${gateways}\n` });
});
afterAll(() => stack.stop());

/** A body as the gateway sends it, with the caller's token in its place. */
function recorded(name: string, changes: readonly (readonly [string, string])[] = []): string {
  const text = readFileSync(join(root, 'test/cases/gateways', `${name}.json`), 'utf8');
  return [['TOKEN', stack.tokens.requester] as const, ...changes].reduce(
    (body, [from, to]) => body.replaceAll(from, to),
    text,
  );
}

async function ask(path: string, body: string, headers: Record<string, string> = {}): Promise<unknown> {
  const response = await fetch(`${base}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-countersign-key': key, ...headers },
    body,
  });
  expect(response.status).toBe(200);
  return response.json();
}

const litellm = '/beta/litellm_basic_guardrail_api';

describe('LiteLLM', () => {
  test('gets texts and tools back masked', async () => {
    expect(await ask(litellm, recorded('litellm_request'))).toEqual({
      action: 'GUARDRAIL_INTERVENED',
      texts: ['You are a clerk.', expect.stringMatching(/^Charge CREDIT_CARD_[0-9A-Z]{10} please\.$/)],
      tools: [
        {
          type: 'function',
          function: {
            name: 'charge',
            description: expect.stringMatching(/^Charges a card, such as that of EMAIL_ADDRESS_[0-9A-Z]{10}\.$/),
            parameters: { type: 'object', properties: { card: { type: 'string' } } },
          },
        },
      ],
    });
  });

  test('goes on with what has nothing in it', async () => {
    const clean = [
      ['4111 1111 1111 1111', 'my card'],
      ['jane.doe@example.com', 'Jane'],
    ] as const;
    expect(await ask(litellm, recorded('litellm_request', clean))).toEqual({ action: 'NONE' });
    expect(await ask(litellm, recorded('litellm_response', clean))).toEqual({ action: 'NONE' });
  });

  test('gets answers back masked', async () => {
    expect(await ask(litellm, recorded('litellm_response'))).toEqual({
      action: 'GUARDRAIL_INTERVENED',
      texts: ['Done. Write to EMAIL_ADDRESS_REDACTED.'],
    });
  });

  test('is told no: who is unknown, and what waits for approval', async () => {
    const anonymous = [['"x-countersign-token"', '"x-other"']] as const;
    expect(await ask(litellm, recorded('litellm_request', anonymous))).toEqual({
      action: 'BLOCKED',
      blocked_reason: expect.stringMatching(/^identity_required: /),
    });
    const deploy = [['Charge 4111 1111 1111 1111 please.', 'Deploy to production.']] as const;
    const held = (await ask(litellm, recorded('litellm_request', deploy))) as { blocked_reason: string };
    const approval = /^approval_pending: .*approval ([0-9a-f-]{36})/.exec(held.blocked_reason)?.[1] ?? '';
    await stack.decide('approve', approval);
    expect(await ask(litellm, recorded('litellm_request', deploy))).toMatchObject({ action: 'GUARDRAIL_INTERVENED' });
    expect(await ask(litellm, recorded('litellm_request', deploy))).toMatchObject({ action: 'BLOCKED' });
  });

  test('cannot mask the arguments of a call, so that is refused', async () => {
    const call =
      '[{"id":"c","type":"function","function":{"name":"pay","arguments":"{\\"to\\":\\"a@example.org\\"}"}}]';
    const changes = [['"tool_calls": null', `"tool_calls": ${call}`]] as const;
    for (const name of ['litellm_request', 'litellm_response']) {
      expect(await ask(litellm, recorded(name, changes))).toEqual({
        action: 'BLOCKED',
        blocked_reason: expect.stringMatching(/^masking_not_possible: /),
      });
    }
  });
});

describe('agentgateway', () => {
  const token = (): Record<string, string> => ({ 'x-countersign-token': stack.tokens.requester });

  test('gets messages back masked', async () => {
    expect(await ask('/request', recorded('agentgateway_request'), token())).toEqual({
      action: {
        body: {
          messages: [
            { role: 'system', content: 'You are a clerk.' },
            { role: 'user', content: expect.stringMatching(/^Charge CREDIT_CARD_[0-9A-Z]{10} please\.$/) },
          ],
        },
        reason: 'masked',
      },
    });
  });

  test('goes on with what has nothing in it', async () => {
    const clean = recorded('agentgateway_request', [['4111 1111 1111 1111', 'my card']]);
    expect(await ask('/request', clean, token())).toEqual({ action: { reason: 'nothing to object to' } });
  });

  test('gets answers back masked', async () => {
    expect(await ask('/response', recorded('agentgateway_response'), token())).toEqual({
      action: {
        body: { choices: [{ message: { role: 'assistant', content: 'Done. Write to EMAIL_ADDRESS_REDACTED.' } }] },
        reason: 'masked',
      },
    });
  });

  test('is told no: a request is rejected, an answer replaced', async () => {
    expect(await ask('/request', recorded('agentgateway_request'))).toEqual({
      action: {
        body: expect.stringMatching(/^identity_required: /),
        status_code: 401,
        reason: 'identity_required',
      },
    });
    const bad = { 'x-countersign-token': 'no-token' };
    expect(await ask('/response', recorded('agentgateway_response'), bad)).toMatchObject({
      action: { body: { choices: [{ message: { content: expect.stringMatching(/^identity_rejected: /) } }] } },
    });
  });
});

test('a stranger gets no word', async () => {
  for (const [path, headers, status] of [
    ['/request', {}, 401],
    ['/request', { 'x-countersign-key': 'another-key-altogether' }, 401],
    ['/elsewhere', { 'x-countersign-key': key }, 404],
  ] as const) {
    const response = await fetch(`${base}${path}`, { method: 'POST', headers, body: '{}' });
    expect(response.status).toBe(status);
  }
});

test('afterwards: everything is on record, nothing of it in a log', async () => {
  const report = await verified(stack.auditFolder);
  expect([report.problems, report.openIntents]).toEqual([[], 0]);
  const records = await allRecords(stack.auditFolder);
  const intents = records.filter(({ kind, facts }) => kind === 'intent' && facts['host'] === 'litellm');
  expect(intents.filter(({ facts }) => facts['final'] === true).length).toBeGreaterThanOrEqual(3);
  const answers = intents.filter(({ facts }) => facts['operation'] === 'answer');
  expect(answers.length).toBeGreaterThanOrEqual(2);
  for (const { exchange, session } of answers) {
    expect(session).toBe('7b9b7c0e-5a5b-4a8e-8d8c-2a1c1b0f9e77');
    expect(records.filter((record) => record.exchange === exchange).map(({ kind }) => kind)).toEqual([
      'intent',
      'outcome',
    ]);
  }
  for (const secret of ['4111 1111', 'jane.doe@example.com', key]) expect(stack.output()).not.toContain(secret);
});
