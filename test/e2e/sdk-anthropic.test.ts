import Anthropic from '@anthropic-ai/sdk';
import { answerAsAnthropic } from '../support/providers/anthropic.ts';
import { describeSdks, type Sdk } from '../support/sdk-suite.ts';

const base = { model: 'scripted-1', max_tokens: 100 };
const tools: Anthropic.Tool[] = [{ name: 'lookup', input_schema: { type: 'object' } }];

function conversation(text: string, result: string): Anthropic.MessageParam[] {
  return [
    { role: 'user', content: 'First this.' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_0', name: 'lookup', input: {} }] },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_0', content: result },
        { type: 'text', text },
      ],
    },
  ];
}

const anthropic: Sdk = {
  name: '@anthropic-ai/sdk',
  connect: (baseURL, defaultHeaders) => {
    const { messages } = new Anthropic({ apiKey: 'provider-key', baseURL, defaultHeaders });
    return {
      say: async (content) => {
        const answer = await messages.create({ ...base, messages: [{ role: 'user', content }] });
        return answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
      },
      stream: async (content, onPiece) => {
        const stream = await messages.create({ ...base, stream: true, messages: [{ role: 'user', content }] });
        for await (const event of stream) {
          if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') onPiece(event.delta.text);
        }
      },
      callTool: async (text, result) => {
        const answer = await messages.create({ ...base, tools, messages: conversation(text, result) });
        const [block] = answer.content;
        return block?.type === 'tool_use' ? block.input : null;
      },
      streamTool: async (text, result) => {
        const stream = messages.stream({ ...base, tools, messages: conversation(text, result) });
        const [block] = (await stream.finalMessage()).content;
        return block?.type === 'tool_use' ? block.input : null;
      },
    };
  },
  raised: (thrown) => {
    const { name, status, error, message } = thrown as InstanceType<typeof Anthropic.APIError>;
    const code = (error as { readonly error?: { readonly code?: string } } | undefined)?.error?.code ?? null;
    const type = thrown instanceof Anthropic.APIError ? thrown.constructor.name : name;
    return { type, status: status ?? null, code, message };
  },
  errors: {
    denied: { type: 'AuthenticationError', status: 401 },
    held: { type: 'PermissionDeniedError', status: 403 },
    broken: { type: 'APIError', status: null },
  },
};

describeSdks(answerAsAnthropic, [anthropic]);
