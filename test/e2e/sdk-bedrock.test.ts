import {
  BedrockRuntimeClient,
  BedrockRuntimeServiceException,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
  type Message,
  type ToolConfiguration,
} from '@aws-sdk/client-bedrock-runtime';
import { answerAsBedrock } from '../support/providers/bedrock.ts';
import { describeSdks, type Sdk } from '../support/sdk-suite.ts';

const modelId = 'example.scripted-1:0';

/** Its own retries are left on, as users have them. */
function client(endpoint: string, headers: Record<string, string>): BedrockRuntimeClient {
  const made = new BedrockRuntimeClient({
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'example', secretAccessKey: 'example' },
  });
  made.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, headers);
      return next(args);
    },
    { step: 'build' },
  );
  return made;
}

const shared: Pick<Sdk, 'raised' | 'errors'> = {
  raised: (thrown) => {
    const { name, message, $metadata, reason_code } = thrown as BedrockRuntimeServiceException & {
      readonly reason_code?: string;
    };
    const type = thrown instanceof BedrockRuntimeServiceException ? name : `not of the SDK: ${name}`;
    // In a stream a message is all that the SDK passes on.
    const [, coded = null, text = message] = /^([a-z_]+): (.*)$/s.exec(message) ?? [];
    return { type, status: $metadata?.httpStatusCode ?? null, code: reason_code ?? coded, message: text };
  },
  errors: {
    denied: { type: 'UnrecognizedClientException', status: 401 },
    held: { type: 'AccessDeniedException', status: 403 },
    broken: { type: 'InternalServerException', status: null },
  },
};

const toolConfig: ToolConfiguration = { tools: [{ toolSpec: { name: 'lookup', inputSchema: { json: {} } } }] };

function conversation(text: string, result: string): Message[] {
  return [
    { role: 'user', content: [{ text: 'First this.' }] },
    { role: 'assistant', content: [{ toolUse: { toolUseId: 't-0', name: 'lookup', input: {} } }] },
    { role: 'user', content: [{ toolResult: { toolUseId: 't-0', content: [{ text: result }] } }, { text }] },
  ];
}

const converse: Sdk = {
  ...shared,
  name: '@aws-sdk/client-bedrock-runtime, Converse',
  connect: (baseUrl, headers) => {
    const bedrock = client(baseUrl, headers);
    const said = (text: string): Message[] => [{ role: 'user', content: [{ text }] }];
    return {
      say: async (text) => {
        const { output } = await bedrock.send(new ConverseCommand({ modelId, messages: said(text) }));
        return output?.message?.content?.map((block) => block.text ?? '').join('') ?? '';
      },
      stream: async (text, onPiece) => {
        const { stream } = await bedrock.send(new ConverseStreamCommand({ modelId, messages: said(text) }));
        for await (const event of stream ?? []) onPiece(event.contentBlockDelta?.delta?.text ?? '');
      },
      callTool: async (text, result) => {
        const messages = conversation(text, result);
        const { output } = await bedrock.send(new ConverseCommand({ modelId, toolConfig, messages }));
        return output?.message?.content?.[0]?.toolUse?.input;
      },
      streamTool: async (text, result) => {
        const messages = conversation(text, result);
        const written: string[] = [];
        const { stream } = await bedrock.send(new ConverseStreamCommand({ modelId, toolConfig, messages }));
        for await (const event of stream ?? []) written.push(event.contentBlockDelta?.delta?.toolUse?.input ?? '');
        return JSON.parse(written.join(''));
      },
    };
  },
};

/** A model of Anthropic, in its own words. */
const invoke: Sdk = {
  ...shared,
  name: '@aws-sdk/client-bedrock-runtime, InvokeModel',
  connect: (baseUrl, headers) => {
    const bedrock = client(baseUrl, headers);
    const body = (messages: unknown, more: object = {}): string =>
      JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 9, messages, ...more });
    const said = (text: string): string => body([{ role: 'user', content: text }]);
    const called = (text: string, result: string): string =>
      body(
        [
          { role: 'user', content: 'First this.' },
          { role: 'assistant', content: [{ type: 'tool_use', id: 't-0', name: 'lookup', input: {} }] },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 't-0', content: result },
              { type: 'text', text },
            ],
          },
        ],
        { tools: [{ name: 'lookup', input_schema: { type: 'object' } }] },
      );
    const invoked = async (body: string): Promise<AnthropicMessage> => {
      const answer = await bedrock.send(new InvokeModelCommand({ modelId, body, contentType: 'application/json' }));
      return JSON.parse(answer.body.transformToString()) as AnthropicMessage;
    };
    const events = async function* (body: string): AsyncGenerator<AnthropicEvent> {
      const { body: stream } = await bedrock.send(
        new InvokeModelWithResponseStreamCommand({ modelId, body, contentType: 'application/json' }),
      );
      for await (const { chunk } of stream ?? []) {
        yield JSON.parse(Buffer.from(chunk?.bytes ?? []).toString('utf8')) as AnthropicEvent;
      }
    };
    return {
      say: async (text) => (await invoked(said(text))).content[0]?.text ?? '',
      stream: async (text, onPiece) => {
        for await (const event of events(said(text))) onPiece(event.delta?.text ?? '');
      },
      callTool: async (text, result) => (await invoked(called(text, result))).content[0]?.input,
      streamTool: async (text, result) => {
        const written: string[] = [];
        for await (const event of events(called(text, result))) written.push(event.delta?.partial_json ?? '');
        return JSON.parse(written.join(''));
      },
    };
  },
};

interface AnthropicMessage {
  readonly content: readonly { readonly text?: string; readonly input?: unknown }[];
}

interface AnthropicEvent {
  readonly delta?: { readonly text?: string; readonly partial_json?: string };
}

describeSdks(answerAsBedrock, [converse, invoke]);
