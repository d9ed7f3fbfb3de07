import OpenAI from 'openai';
import type { ResponseInput } from 'openai/resources/responses/responses';
import { expect, test } from 'vitest';
import { answerAsOpenAi } from '../support/providers/openai.ts';
import { prompts, said } from '../support/providers/turn.ts';
import { describeSdks, type Sdk } from '../support/sdk-suite.ts';

const model = 'scripted-1';
const parameters = { type: 'object', properties: { note: { type: 'string' } } };

function client(baseUrl: string, defaultHeaders: Record<string, string>): OpenAI {
  return new OpenAI({ apiKey: 'provider-key', baseURL: `${baseUrl}/v1`, defaultHeaders });
}

const shared: Pick<Sdk, 'raised' | 'errors'> = {
  raised: (thrown) => {
    const { name, status, code, message } = thrown as InstanceType<typeof OpenAI.APIError>;
    const type = thrown instanceof OpenAI.APIError ? thrown.constructor.name : name;
    return { type, status: status ?? null, code: code ?? null, message };
  },
  errors: {
    denied: { type: 'AuthenticationError', status: 401 },
    held: { type: 'PermissionDeniedError', status: 403 },
    broken: { type: 'APIError', status: null },
  },
};

const chat: Sdk = {
  ...shared,
  name: 'openai, Chat Completions',
  connect: (baseUrl, headers) => {
    const { completions } = client(baseUrl, headers).chat;
    const tools = [{ type: 'function' as const, function: { name: 'lookup', parameters } }];
    const conversation = (text: string, result: string): OpenAI.ChatCompletionMessageParam[] => [
      { role: 'user', content: 'First this.' },
      {
        role: 'assistant',
        tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'lookup', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_0', content: result },
      { role: 'user', content: text },
    ];
    return {
      say: async (text) => {
        const answer = await completions.create({ model, messages: [{ role: 'user', content: text }] });
        return answer.choices[0]?.message.content ?? '';
      },
      stream: async (text, onPiece) => {
        const stream = await completions.create({ model, stream: true, messages: [{ role: 'user', content: text }] });
        for await (const { choices } of stream) onPiece(choices[0]?.delta.content ?? '');
      },
      callTool: async (text, result) => {
        const answer = await completions.create({ model, tools, messages: conversation(text, result) });
        const call = answer.choices[0]?.message.tool_calls?.[0];
        return call?.type === 'function' ? JSON.parse(call.function.arguments) : null;
      },
      streamTool: async (text, result) => {
        const stream = completions.stream({ model, tools, messages: conversation(text, result) });
        const call = (await stream.finalMessage()).tool_calls?.[0];
        return call?.type === 'function' ? JSON.parse(call.function.arguments) : null;
      },
    };
  },
};

const responses: Sdk = {
  ...shared,
  name: 'openai, Responses',
  connect: (baseUrl, headers) => {
    const { responses } = client(baseUrl, headers);
    const tools = [{ type: 'function' as const, name: 'lookup', parameters, strict: false }];
    const conversation = (text: string, result: string): ResponseInput => [
      { role: 'user', content: 'First this.' },
      { type: 'function_call', call_id: 'call_0', name: 'lookup', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_0', output: result },
      { role: 'user', content: text },
    ];
    const argumentsOf = (answer: OpenAI.Responses.Response): unknown => {
      const call = answer.output.find((item) => item.type === 'function_call');
      return call ? JSON.parse(call.arguments) : null;
    };
    return {
      say: async (input) => (await responses.create({ model, input })).output_text,
      stream: async (input, onPiece) => {
        const said: string[] = [];
        for await (const event of await responses.create({ model, input, stream: true })) {
          if (event.type === 'response.output_text.delta') {
            said.push(event.delta);
            onPiece(event.delta);
          }
          // All copies agree.
          const copies =
            event.type === 'response.output_text.done'
              ? [event.text]
              : event.type === 'response.completed'
                ? event.response.output.map((item) => (item.type === 'message' ? textOf(item) : ''))
                : [];
          for (const copy of copies) if (copy !== said.join('')) throw new Error(`a copy differs: ${copy}`);
        }
      },
      callTool: async (text, result) =>
        argumentsOf(await responses.create({ model, tools, input: conversation(text, result) })),
      streamTool: async (text, result) => {
        const stream = responses.stream({ model, tools, input: conversation(text, result) });
        return argumentsOf(await stream.finalResponse());
      },
    };
  },
};

function textOf(item: OpenAI.Responses.ResponseOutputMessage): string {
  return item.content.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
}

describeSdks(answerAsOpenAi, [chat, responses], (running) => {
  test('openai, transcriptions: the prompt is masked for the provider, the transcript for the caller, be it JSON, text or events', async () => {
    const { provider, stack } = running();
    const { transcriptions } = client(stack.baseUrl, { [stack.tokenHeader]: stack.tokens.requester }).audio;
    const file = await OpenAI.toFile(Buffer.from([0xff, 0xfb, 0x90, 0]), 'speech.mp3', { type: 'audio/mpeg' });
    const asked = { model, file, prompt: `${prompts.leak} Names: jane.doe@example.com` };
    const want = said.leak('SECRET_AWS_ACCESS_KEY_ID_REDACTED');

    const whole = await transcriptions.create({ ...asked, response_format: 'verbose_json' });
    expect([whole.text, whole.words]).toEqual([want, []]);
    // The SDK's types say an object, its client gives the text.
    expect(await transcriptions.create({ ...asked, response_format: 'text' })).toBe(want);
    const pieces: string[] = [];
    for await (const event of await transcriptions.create({ ...asked, stream: true })) {
      if (event.type === 'transcript.text.delta') pieces.push(event.delta);
      if (event.type === 'transcript.text.done') expect(event.text).toBe(want);
    }
    expect(pieces.join('')).toBe(want);
    for (const { body } of provider.seen.slice(-3)) {
      expect(body.toString('latin1')).toMatch(/Names: EMAIL_ADDRESS_[0-9A-Z]{10}/);
      expect(body.includes(Buffer.from([0xff, 0xfb, 0x90, 0]))).toBe(true);
    }
  });
});
