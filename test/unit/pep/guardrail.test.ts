import { describe, expect, test } from 'vitest';
import type { AnswerVerdict } from '../../../src/exchange/answer-service.ts';
import type { RequestHead, RequestVerdict } from '../../../src/exchange/exchange.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import {
  createAgentgatewayAnswerHandler,
  createAgentgatewayRequestHandler,
} from '../../../src/pep/agentgateway-http.ts';
import type { GuardrailDeps, GuardrailHandler } from '../../../src/pep/guardrail.ts';
import { createLiteLlmHandler } from '../../../src/pep/litellm-http.ts';
import { createFakeExchange, noChanges } from '../../support/fake-exchange.ts';

/** What the phases were asked about. */
interface Seen {
  readonly head: RequestHead;
  readonly body: JsonObject;
}

/** Handlers over phases that answer with the body that `change` makes; null: untouched. */
function handlers(change: (body: string) => string | null): {
  readonly seen: Seen[];
  readonly aborted: string[];
  readonly deps: GuardrailDeps;
} {
  const seen: Seen[] = [];
  const aborted: string[] = [];
  const note = (head: RequestHead, body: Buffer): Buffer | null => {
    seen.push({ head, body: JSON.parse(body.toString()) });
    const changed = change(body.toString());
    return changed === null ? null : Buffer.from(changed);
  };
  const deps: GuardrailDeps = {
    sessionHeader: 'x-session-id',
    exchange: {
      ...createFakeExchange(),
      request: async (head, body): Promise<RequestVerdict> => ({
        kind: 'forward',
        body: note(head, body ?? Buffer.alloc(0)),
        headers: noChanges,
        handover: {},
        exchange: {
          id: 'x',
          openResponse: () => {
            throw new Error('this answer is never asked about');
          },
          abort: async (why) => void aborted.push(why),
        },
      }),
    },
    answers: { judge: async (head, _, body): Promise<AnswerVerdict> => ({ kind: 'forward', body: note(head, body) }) },
  };
  return { seen, aborted, deps };
}

function ask(handler: GuardrailHandler, body: JsonObject, headers: Record<string, string> = {}): Promise<unknown> {
  return handler({ headers: new Map(Object.entries(headers)), body, peer: '10.0.0.1' }, new AbortController().signal);
}

const untouched = (): null => null;
const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":"value"}' } };

describe('LiteLLM', () => {
  test('roles come with the messages that hold the same texts', async () => {
    const { seen, deps } = handlers(untouched);
    const structured = [
      { role: 'system', content: 'A' },
      { role: 'user', content: [{ type: 'text', text: 'B' }, { type: 'image_url' }] },
    ];
    for (const texts of [
      ['A', 'B'],
      ['A', 'B', 'C'],
    ]) {
      await ask(createLiteLlmHandler(deps), { input_type: 'request', texts, structured_messages: structured });
    }
    expect(seen.map(({ body }) => body['messages'])).toEqual([
      [
        { role: 'system', content: 'A' },
        { role: 'user', content: 'B' },
      ],
      ['A', 'B', 'C'].map((content) => ({ role: 'user', content })),
    ]);
  });

  test('pictures, tools and calls are shown; of headers those with a value; the trace is the session', async () => {
    const { seen, deps } = handlers(untouched);
    const body = {
      input_type: 'request',
      texts: ['A'],
      images: ['iVBORw0KGgo='],
      tools: [{ type: 'function', function: { name: 'f' } }],
      tool_calls: [call],
      model: 'm',
      request_data: { user_api_key_alias: 'k' },
      request_headers: { 'X-Countersign-Token': 't', authorization: '[present]', 'x-forwarded-client-cert': 'URI=x' },
      litellm_trace_id: 'trace',
    };
    expect(await ask(createLiteLlmHandler(deps), body)).toEqual({ action: 'NONE' });
    expect(seen[0]?.body).toEqual({
      model: 'm',
      messages: [
        { role: 'user', content: 'A' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'iVBORw0KGgo=' } }] },
        { role: 'assistant', content: null, tool_calls: [call] },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
    });
    expect(seen[0]?.head).toMatchObject({
      host: 'litellm',
      path: '/v1/chat/completions',
      source: { address: '10.0.0.1', principal: null },
      metadata: { litellm: { user_api_key_alias: 'k' } },
    });
    expect([...(seen[0]?.head.headers ?? [])]).toEqual([
      ['x-countersign-token', 't'],
      ['x-session-id', 'trace'],
      ['content-type', 'application/json'],
    ]);
  });

  test.each(['request', 'response'])(
    'a changed call in a %s is refused, and the exchange does not count as sent',
    async (type) => {
      const { aborted, deps } = handlers((body) => body.replace('value', 'VALUE'));
      expect(await ask(createLiteLlmHandler(deps), { input_type: type, texts: ['A'], tool_calls: [call] })).toEqual({
        action: 'BLOCKED',
        blocked_reason: expect.stringMatching(/^masking_not_possible: /),
      });
      expect(aborted).toEqual(type === 'request' ? ['fault'] : []);
    },
  );

  test.each<{ name: string; body: JsonObject }>([
    { name: 'no direction', body: { texts: ['A'] } },
    { name: 'texts that are none', body: { input_type: 'request', texts: ['A', 1] } },
    { name: 'a text for a list', body: { input_type: 'request', texts: 'A' } },
    { name: 'pictures that are none', body: { input_type: 'response', texts: [], images: [{}] } },
  ])('$name: not of the contract', async ({ body }) => {
    expect(await ask(createLiteLlmHandler(handlers(untouched).deps), body)).toBeNull();
  });
});

describe('agentgateway', () => {
  test('masked messages come back in their order and number', async () => {
    const { seen, deps } = handlers((body) => body.replaceAll('value', 'MASKED'));
    const messages = [
      { role: 'system', content: 'A' },
      { role: 'user', content: 'value' },
    ];
    const masked = [
      { role: 'system', content: 'A' },
      { role: 'user', content: 'MASKED' },
    ];
    const headers = { 'x-countersign-model': 'm', host: 'guard', 'x-session-id': 's' };
    expect(await ask(createAgentgatewayRequestHandler(deps), { body: { messages } }, headers)).toEqual({
      action: { body: { messages: masked }, reason: 'masked' },
    });
    expect(seen[0]?.body).toEqual({ model: 'm', messages });
    expect(seen[0]?.head.headers.has('host')).toBe(false);
    const choices = [{ message: { role: 'assistant', content: 'value' } }];
    expect(await ask(createAgentgatewayAnswerHandler(deps), { body: { choices } })).toEqual({
      action: { body: { choices: [{ message: { role: 'assistant', content: 'MASKED' } }] }, reason: 'masked' },
    });
  });

  test('what passes has no member by which it could be taken for anything else', async () => {
    const { deps } = handlers(untouched);
    const passed = { action: { reason: 'nothing to object to' } };
    expect(await ask(createAgentgatewayRequestHandler(deps), { body: { messages: [] } })).toEqual(passed);
    expect(await ask(createAgentgatewayAnswerHandler(deps), { body: { choices: [] } })).toEqual(passed);
  });

  test.each<{ name: string; body: JsonObject }>([
    { name: 'no body', body: {} },
    { name: 'no list', body: { body: { messages: {}, choices: {} } } },
    { name: 'content that is no text', body: { body: { messages: [{ role: 'user', content: [] }], choices: [{}] } } },
  ])('$name: not of the contract', async ({ body }) => {
    const { deps } = handlers(untouched);
    expect(await ask(createAgentgatewayRequestHandler(deps), body)).toBeNull();
    expect(await ask(createAgentgatewayAnswerHandler(deps), body)).toBeNull();
  });
});
