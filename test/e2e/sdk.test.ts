import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leakedKey, type ScriptedModel, startScriptedModel } from '../../src/main/demo/model.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const leaking = 'What is the access key of the build account?';
const risky = 'Write a script that drops the users table in production.';

let model: ScriptedModel;
let stack: TestStack;
let openai: OpenAI;
let anthropic: Anthropic;
beforeAll(async () => {
  model = await startScriptedModel({ port: 0 });
  stack = await startTestStack({ modelPort: model.port });
  const defaultHeaders = { [stack.tokenHeader]: stack.tokens.requester };
  openai = new OpenAI({ apiKey: 'provider-key', baseURL: `${stack.baseUrl}/v1`, defaultHeaders });
  anthropic = new Anthropic({ apiKey: 'provider-key', baseURL: stack.baseUrl, defaultHeaders });
});
afterAll(async () => {
  await stack.stop();
  await model.close();
});

describe('openai', () => {
  const ask = (content: string) =>
    openai.chat.completions.create({ model: 'scripted-1', messages: [{ role: 'user', content }] });

  test('JSON: the model gets a placeholder, the caller gets the answer', async () => {
    const answer = await ask(`my card is ${card}`);
    expect(answer.choices[0]?.message.content).toMatch(/^You said: my card is CREDIT_CARD_(REDACTED|[0-9A-Z]{10})$/);
    expect(model.seen.at(-1)?.body).not.toContain(card);
  });

  test('stream: deltas arrive, the secret in them does not', async () => {
    const stream = await openai.chat.completions.create({
      model: 'scripted-1',
      stream: true,
      messages: [{ role: 'user', content: leaking }],
    });
    const said: string[] = [];
    let finish: string | null = null;
    for await (const chunk of stream) {
      said.push(chunk.choices[0]?.delta.content ?? '');
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(said.length).toBeGreaterThan(5);
    expect([said.join(''), finish]).toEqual([
      'Sure. Use SECRET_AWS_ACCESS_KEY_ID_REDACTED to log in, then carry on.',
      'stop',
    ]);
    expect(said.join('')).not.toContain(leakedKey.slice(4, 10));
  });

  test('held: a PermissionDeniedError with our code, not retried; approved: passes once', async () => {
    const before = model.seen.length;
    const held = await caught(ask(risky));
    expect(held).toBeInstanceOf(OpenAI.PermissionDeniedError);
    const { code, status, headers } = held as InstanceType<typeof OpenAI.APIError>;
    expect([code, status]).toEqual(['approval_pending', 403]);
    expect(model.seen.length).toBe(before);
    await stack.decide('approve', headers?.get('x-countersign-approval') ?? '');
    expect((await ask(risky)).choices[0]?.finish_reason).toBe('stop');
    expect(await caught(ask(risky))).toMatchObject({ code: 'approval_pending' });
    expect(model.seen.length).toBe(before + 1);
  });

  test('a bad token: an AuthenticationError', async () => {
    const stranger = new OpenAI({
      apiKey: 'k',
      baseURL: `${stack.baseUrl}/v1`,
      defaultHeaders: { [stack.tokenHeader]: 'not-a-token' },
    });
    const refused = await caught(
      stranger.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'x' }] }),
    );
    expect(refused).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(refused).toMatchObject({ code: 'identity_rejected' });
  });

  test('held and rejected: the reason reaches the caller', async () => {
    const other = `${risky} And the orders table.`;
    const held = (await caught(ask(other))) as InstanceType<typeof OpenAI.APIError>;
    await stack.decide(
      'reject',
      held.headers?.get('x-countersign-approval') ?? '',
      undefined,
      'not before the freeze ends',
    );
    const rejected = (await caught(ask(other))) as InstanceType<typeof OpenAI.APIError>;
    expect([rejected.code, rejected.error]).toMatchObject([
      'approval_rejected',
      { reason: 'not before the freeze ends' },
    ]);
  });
});

describe('anthropic', () => {
  const ask = (content: string) =>
    anthropic.messages.create({ model: 'scripted-1', max_tokens: 100, messages: [{ role: 'user', content }] });

  test('JSON: the model gets a placeholder, the caller gets the answer', async () => {
    const answer = await ask(`my card is ${card}`);
    expect(answer.content[0]).toMatchObject({
      type: 'text',
      text: expect.stringMatching(/^You said: my card is CREDIT_CARD_/),
    });
    expect(model.seen.at(-1)?.body).not.toContain(card);
  });

  test('stream: deltas arrive, the secret in them does not', async () => {
    const stream = anthropic.messages.stream({
      model: 'scripted-1',
      max_tokens: 100,
      messages: [{ role: 'user', content: leaking }],
    });
    const said: string[] = [];
    stream.on('text', (text) => said.push(text));
    const message = await stream.finalMessage();
    expect(said.length).toBeGreaterThan(5);
    expect(said.join('')).toBe('Sure. Use SECRET_AWS_ACCESS_KEY_ID_REDACTED to log in, then carry on.');
    expect(message.stop_reason).toBe('end_turn');
  });

  test('held: a PermissionDeniedError with our code, not retried', async () => {
    const before = model.seen.length;
    const held = await caught(ask(risky));
    expect(held).toBeInstanceOf(Anthropic.PermissionDeniedError);
    expect(held).toMatchObject({ status: 403, error: { error: { code: 'approval_pending' } } });
    expect(model.seen.length).toBe(before);
  });

  test('a bad token: an AuthenticationError', async () => {
    const stranger = new Anthropic({
      apiKey: 'k',
      baseURL: stack.baseUrl,
      defaultHeaders: { [stack.tokenHeader]: 'not-a-token' },
    });
    const refused = await caught(
      stranger.messages.create({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'x' }] }),
    );
    expect(refused).toBeInstanceOf(Anthropic.AuthenticationError);
  });
});

async function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it was let through');
    },
    (error: unknown) => error,
  );
}
