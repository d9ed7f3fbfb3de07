import { ApiError, type Content, GoogleGenAI } from '@google/genai';
import { answerAsGoogle } from '../support/providers/google.ts';
import { describeSdks, type Sdk } from '../support/sdk-suite.ts';

const model = 'scripted-1';
const tools = [{ functionDeclarations: [{ name: 'lookup', description: 'Looks a thing up.' }] }];

function conversation(text: string, result: string): Content[] {
  return [
    { role: 'user', parts: [{ text: 'First this.' }] },
    { role: 'model', parts: [{ functionCall: { name: 'lookup', args: {} } }] },
    { role: 'user', parts: [{ functionResponse: { name: 'lookup', response: { output: result } } }] },
    { role: 'user', parts: [{ text }] },
  ];
}

const google: Sdk = {
  name: '@google/genai',
  connect: (baseUrl, headers) => {
    const { models } = new GoogleGenAI({ apiKey: 'provider-key', httpOptions: { baseUrl, headers } });
    return {
      say: async (text) => (await models.generateContent({ model, contents: text })).text ?? '',
      stream: async (text, onPiece) => {
        for await (const chunk of await models.generateContentStream({ model, contents: text }))
          onPiece(chunk.text ?? '');
      },
      callTool: async (text, result) => {
        const contents = conversation(text, result);
        return (await models.generateContent({ model, contents, config: { tools } })).functionCalls?.[0]?.args;
      },
      streamTool: async (text, result) => {
        const contents = conversation(text, result);
        let found: unknown = null;
        for await (const chunk of await models.generateContentStream({ model, contents, config: { tools } })) {
          found = chunk.functionCalls?.[0]?.args ?? found;
        }
        return found;
      },
    };
  },
  // The SDK hands the error object over as the text of its message.
  raised: (thrown) => {
    const { name, status, message } = thrown as ApiError;
    const said = /\{.*\}$/s.exec(message)?.[0];
    const error = said === undefined ? null : (JSON.parse(said) as ErrorObject).error;
    const code = error?.details[0]?.metadata['code'] ?? null;
    return {
      type: thrown instanceof ApiError ? 'ApiError' : name,
      status: status ?? null,
      code,
      message: error?.message ?? message,
    };
  },
  errors: {
    denied: { type: 'ApiError', status: 401 },
    held: { type: 'ApiError', status: 403 },
    broken: { type: 'ApiError', status: 500 },
  },
};

interface ErrorObject {
  readonly error: {
    readonly message: string;
    readonly details: readonly { readonly metadata: Readonly<Record<string, string>> }[];
  };
}

describeSdks(answerAsGoogle, [google]);
