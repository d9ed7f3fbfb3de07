import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockRuntimeClient, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createStreamTransform } from '../../../src/mask/stream-transform.ts';
import { sealedStreamCases, streamOf } from '../../support/llm-cases.ts';

/** The official SDKs read what is left of a stream when its sealed blocks are out of it. */
const detector = createDetector({ tier: 'core' });
const text = 'Write to alice@example.test';
const mediaTypes: Readonly<Record<string, string>> = {
  sse: 'text/event-stream',
  eventstream: 'application/vnd.amazon.eventstream',
};
let name = '';

/** The provider answers with the case's stream as it comes out of the transform. */
function answer(_: IncomingMessage | Http2ServerRequest, reply: ServerResponse | Http2ServerResponse): void {
  const given = sealedStreamCases.find((candidate) => candidate.name === name && candidate.framing !== 'json-array');
  if (given === undefined) throw new Error(`no case is called ${name}`);
  const dialect = given.create();
  const plan = compilePlan([], [{ blocks: 'signed' }, { blocks: 'encrypted' }]);
  const transform = createStreamTransform({
    framing: given.framing,
    reader: dialect.openStream(),
    filter: dialect.openBlockFilter?.(plan.omits) ?? null,
    detector,
    plan,
    minter: createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: new Set() }),
    onHeldBack: () => {},
  });
  reply.setHeader('content-type', mediaTypes[given.framing] ?? '');
  reply.end(Buffer.concat([transform.push(streamOf(given)), transform.finish()]));
}

const server = createServer(answer);
/** Bedrock's SDK speaks nothing else to it. */
const server2 = createHttp2Server(answer);
let url = '';
let url2 = '';

async function listen(on: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    on.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(on.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  [url, url2] = await Promise.all([listen(server), listen(server2)]);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  server2.close();
});

test('@anthropic-ai/sdk', async () => {
  name = 'anthropic-sealed.stream';
  const { messages } = new Anthropic({ apiKey: 'none', baseURL: url, maxRetries: 0 });
  const request = { model: 'm', max_tokens: 9, messages: [{ role: 'user' as const, content: 'a' }] };
  const { content } = await messages.stream(request).finalMessage();
  expect(content.map(({ type }) => type)).toEqual(['server_tool_use', 'web_search_tool_result', 'text', 'tool_use']);
  expect(content[2]).toMatchObject({ text: `${text}.` });
  expect(content[3]).toMatchObject({ input: { to: 'alice@example.test' } });
});

test('openai, responses', async () => {
  name = 'openai-responses-sealed.stream';
  const { responses } = new OpenAI({ apiKey: 'none', baseURL: url, maxRetries: 0 });
  const stream = responses.stream({ model: 'm', input: 'a' });
  const told: number[] = [];
  stream.on('event', (event) => {
    if (event.type === 'response.output_item.done') told.push(event.output_index);
  });
  const { output } = await stream.finalResponse();
  expect([told, output.map(({ type }) => type)]).toEqual([
    [0, 1],
    ['message', 'function_call'],
  ]);
  expect(output[0]).toMatchObject({ content: [{ text }] });
});

test('openai, chat completions', async () => {
  name = 'openai-chat-sealed.stream';
  const { chat } = new OpenAI({ apiKey: 'none', baseURL: url, maxRetries: 0 });
  const stream = chat.completions.stream({ model: 'm', messages: [{ role: 'user', content: 'a' }] });
  expect(await stream.finalContent()).toBe(text);
});

test('@google/genai', async () => {
  name = 'google-sealed.stream';
  const { models } = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: url } });
  const said: string[] = [];
  const calls: unknown[] = [];
  for await (const chunk of await models.generateContentStream({ model: 'm', contents: 'a' })) {
    const parts = chunk.candidates?.[0]?.content?.parts ?? [];
    expect(parts.filter(({ thoughtSignature }) => thoughtSignature !== undefined)).toEqual([]);
    said.push(...parts.flatMap((part) => (part.thought ? [] : (part.text ?? []))));
    calls.push(...(chunk.functionCalls ?? []).map((call) => call.args));
  }
  expect([said.join(''), calls]).toEqual([`${text} now`, [{ to: 'alice@example.test' }, {}]]);
});

test('@aws-sdk/client-bedrock-runtime', async () => {
  name = 'bedrock-converse-sealed.stream';
  const credentials = { accessKeyId: 'example', secretAccessKey: 'example' };
  const client = new BedrockRuntimeClient({ endpoint: url2, region: 'eu-central-1', credentials });
  const { stream = [] } = await client.send(new ConverseStreamCommand({ modelId: 'm', messages: [] }));
  const said = new Map<number | undefined, string>();
  for await (const { contentBlockDelta: piece } of stream) {
    if (piece === undefined) continue;
    expect(piece.delta?.reasoningContent).toBeUndefined();
    const before = said.get(piece.contentBlockIndex) ?? '';
    said.set(piece.contentBlockIndex, before + (piece.delta?.text ?? piece.delta?.toolUse?.input ?? ''));
  }
  client.destroy();
  expect([...said]).toEqual([
    [0, text],
    [1, '{}'],
  ]);
});
