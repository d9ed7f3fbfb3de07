import { type Message, Ollama, type Tool } from 'ollama';
import { answerAsOllama } from '../support/providers/ollama.ts';
import { describeSdks, type Sdk } from '../support/sdk-suite.ts';

const model = 'scripted-1';
const tools: Tool[] = [{ type: 'function', function: { name: 'lookup', description: 'Looks a thing up.' } }];

function conversation(text: string, result: string): Message[] {
  return [
    { role: 'user', content: 'First this.' },
    { role: 'assistant', content: '', tool_calls: [{ function: { name: 'lookup', arguments: {} } }] },
    { role: 'tool', content: result, tool_name: 'lookup' },
    { role: 'user', content: text },
  ];
}

const ollama: Sdk = {
  name: 'ollama',
  connect: (host, headers) => {
    const client = new Ollama({ host, headers });
    return {
      say: async (content) => (await client.chat({ model, messages: [{ role: 'user', content }] })).message.content,
      stream: async (content, onPiece) => {
        const stream = await client.chat({ model, stream: true, messages: [{ role: 'user', content }] });
        for await (const { message } of stream) onPiece(message.content);
      },
      callTool: async (text, result) => {
        const answer = await client.chat({ model, tools, messages: conversation(text, result) });
        return answer.message.tool_calls?.[0]?.function.arguments;
      },
      streamTool: async (text, result) => {
        let found: unknown = null;
        for await (const { message } of await client.chat({
          model,
          tools,
          stream: true,
          messages: conversation(text, result),
        })) {
          found = message.tool_calls?.[0]?.function.arguments ?? found;
        }
        return found;
      },
    };
  },
  // A message is all that this SDK passes on of a body; in a stream its error is a plain one.
  raised: (thrown) => {
    const { name, message, status_code = null } = thrown as Error & { readonly status_code?: number };
    const [, code = null, text = message] = /^([a-z_]+): (.*)$/s.exec(message) ?? [];
    return { type: name, status: status_code, code, message: text };
  },
  errors: {
    denied: { type: 'ResponseError', status: 401 },
    held: { type: 'ResponseError', status: 403 },
    broken: { type: 'Error', status: null },
  },
};

describeSdks(answerAsOllama, [ollama]);
