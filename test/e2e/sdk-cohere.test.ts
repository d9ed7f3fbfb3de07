import { type Cohere, CohereClientV2, CohereError } from 'cohere-ai';
import { answerAsCohere } from '../support/providers/cohere.ts';
import { describeSdks, type Sdk } from '../support/sdk-suite.ts';

const model = 'scripted-1';
const tools: Cohere.ToolV2[] = [{ type: 'function', function: { name: 'lookup', parameters: { type: 'object' } } }];

function conversation(text: string, result: string): Cohere.ChatMessages {
  return [
    { role: 'user', content: 'First this.' },
    {
      role: 'assistant',
      toolCalls: [{ id: 'call_0', type: 'function', function: { name: 'lookup', arguments: '{}' } }],
    },
    { role: 'tool', toolCallId: 'call_0', content: result },
    { role: 'user', content: text },
  ];
}

/** In a stream Cohere's own word for an error is its last event; the SDK hands that over like any other. */
class ErrorEvent extends Error {
  override readonly name = 'message-end';
}

const cohere: Sdk = {
  name: 'cohere-ai',
  connect: (environment, headers) => {
    const client = new CohereClientV2({ token: 'provider-key', environment });
    const options = { headers };
    return {
      say: async (content) => {
        const { message } = await client.chat({ model, messages: [{ role: 'user', content }] }, options);
        return message.content?.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
      },
      stream: async (content, onPiece) => {
        const stream = await client.chatStream({ model, messages: [{ role: 'user', content }] }, options);
        for await (const event of stream) {
          if (event.type === 'content-delta') onPiece(event.delta?.message?.content?.text ?? '');
          if (event.type === 'message-end' && event.delta?.finishReason === 'ERROR') {
            throw new ErrorEvent(event.delta.error ?? '');
          }
        }
      },
      callTool: async (text, result) => {
        const { message } = await client.chat({ model, tools, messages: conversation(text, result) }, options);
        return JSON.parse(message.toolCalls?.[0]?.function?.arguments ?? 'null');
      },
      streamTool: async (text, result) => {
        const written: string[] = [];
        const stream = await client.chatStream({ model, tools, messages: conversation(text, result) }, options);
        for await (const event of stream) {
          if (event.type !== 'tool-call-delta') continue;
          written.push(event.delta?.message?.toolCalls?.function?.arguments ?? '');
        }
        return JSON.parse(written.join(''));
      },
    };
  },
  raised: (thrown) => {
    if (!(thrown instanceof CohereError)) {
      const { name, message } = thrown as Error;
      const [, code = null, text = message] = /^([a-z_]+): (.*)$/s.exec(message) ?? [];
      return { type: name, status: null, code, message: text };
    }
    const body = thrown.body as { readonly code?: string; readonly message?: string } | undefined;
    return {
      type: thrown.constructor.name,
      status: thrown.statusCode ?? null,
      code: body?.code ?? null,
      message: body?.message ?? '',
    };
  },
  errors: {
    denied: { type: 'UnauthorizedError', status: 401 },
    held: { type: 'ForbiddenError', status: 403 },
    broken: { type: 'message-end', status: null },
  },
};

describeSdks(answerAsCohere, [cohere]);
