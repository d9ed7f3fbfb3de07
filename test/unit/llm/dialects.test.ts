import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import { createA2a } from '../../../src/llm/a2a.ts';
import { createAnthropicMessages } from '../../../src/llm/anthropic-messages.ts';
import { createBedrock } from '../../../src/llm/bedrock.ts';
import { createCohere } from '../../../src/llm/cohere.ts';
import type { ClientError, RouteFacts } from '../../../src/llm/dialect.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createGenericText } from '../../../src/llm/generic-text.ts';
import { createGoogleGenerate } from '../../../src/llm/google-generate.ts';
import { createMcp } from '../../../src/llm/mcp.ts';
import { createOllama } from '../../../src/llm/ollama.ts';
import { createOpenAiAudio } from '../../../src/llm/openai-audio.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { createOpenAiResponses } from '../../../src/llm/openai-responses.ts';
import { readableFrames } from '../../support/eventstream.ts';

function route(path: string, headers: Readonly<Record<string, string>> = {}): RouteFacts {
  return { method: 'POST', path, header: (name) => headers[name] ?? null };
}

describe('the dialect of a request', () => {
  const select = createDialects();
  test.each([
    { path: '/v1/chat/completions', want: 'openai.chat' },
    { path: '/v1/chat/completions/?x=1', want: 'openai.chat' },
    { path: '//v1//chat/completions', want: 'openai.chat' },
    { path: '/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21', want: 'openai.chat' },
    { path: '/openai/v1/chat/completions', want: 'openai.chat' },
    { path: '/v1beta/openai/chat/completions', want: 'openai.chat' },
    { path: '/v1/chat/completions', contentType: 'text/plain', want: 'openai.chat' },
    { path: '/v1/chat/completions/chatcmpl-1', want: 'json' },
    { path: '/v1/chat?next=/chat/completions', want: 'json' },
    { path: '/v1/responses', want: 'openai.responses' },
    { path: '/openai/v1/responses?api-version=preview', want: 'openai.responses' },
    { path: '/openai/responses?api-version=2025-04-01-preview', want: 'openai.responses' },
    { path: '/v1/responses/resp_123/input_items', want: 'openai.responses' },
    { path: '/v1/responses/compact', want: 'openai.responses' },
    { path: '/v1/conversations/conv_123/items', want: 'openai.responses' },
    { path: '/forms/responses/123', want: 'json' },
    { path: '/v1/completions', want: 'openai.completions' },
    { path: '/openai/deployments/d/completions?api-version=2024-10-21', want: 'openai.completions' },
    { path: '/v1/embeddings', want: 'openai.embeddings' },
    { path: '/openai/deployments/d/embeddings?api-version=2024-10-21', want: 'openai.embeddings' },
    { path: '/v1/moderations', want: 'openai.moderations' },
    { path: '/v1/images/generations', want: 'openai.images' },
    { path: '/openai/deployments/d/images/generations?api-version=2024-10-21', want: 'openai.images' },
    { path: '/v1/images/edits', headers: { 'content-type': 'application/json' }, want: 'openai.images' },
    { path: '/openai/deployments/whisper/audio/translations?api-version=2024-10-21', want: 'openai.audio' },
    { path: '/v1/audio/speech', want: 'openai.audio' },
    { path: '/v1/audio/voices', want: 'json' },
    { path: '/v1/messages', want: 'anthropic.messages' },
    { path: '/v1/messages/batches/msgbatch_1/results', contentType: null, want: 'anthropic.messages' },
    { path: '/proxy/v1/messages/count_tokens', want: 'anthropic.messages' },
    { path: '/v1/messages/batches', want: 'anthropic.messages' },
    { path: '/anthropic/messages', headers: { 'anthropic-version': '2023-06-01' }, want: 'anthropic.messages' },
    { path: '/anthropic/messages', want: 'json' },
    { path: '/v1beta/models/gemini-2.5-flash:generateContent?key=k', want: 'google.generate' },
    { path: '/v1beta/models/gemini-2.5-flash%3AstreamGenerateContent?alt=sse', want: 'google.generate' },
    {
      path: '/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:countTokens',
      want: 'google.generate',
    },
    { path: '/v1/projects/p/locations/l/endpoints/7:generateContent', want: 'google.generate' },
    { path: '/v1beta/models/gemini-embedding-001:batchEmbedContents', want: 'google.generate' },
    { path: '/v1beta/models/imagen:predict', want: 'json' },
    { path: '/api/chat', want: 'ollama' },
    { path: '/ollama/api/generate', want: 'ollama' },
    { path: '/api/embed', want: 'ollama' },
    { path: '/api/embeddings', want: 'ollama' },
    { path: '/api/tags', want: 'json' },
    { path: '/v2/chat', want: 'cohere' },
    { path: '/v2/embed', want: 'cohere' },
    { path: '/v2/rerank', want: 'cohere' },
    { path: '/v1/rerank', want: 'cohere' },
    { path: '/v1/chat', want: 'json' },
    { path: '/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict', want: 'anthropic.messages' },
    { path: '/v1/p/publishers/anthropic/models/claude%3AstreamRawPredict', want: 'anthropic.messages' },
    { path: '/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse', want: 'bedrock' },
    { path: '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc/converse-stream', want: 'bedrock' },
    { path: '/model/meta.llama3/invoke', want: 'bedrock' },
    { path: '/model/meta.llama3/invoke-with-response-stream', want: 'bedrock' },
    { path: '/model/meta.llama3', want: 'json' },
    { path: '/mcp', want: 'mcp' },
    { path: '/servers/crm/mcp/', want: 'mcp' },
    { path: '/crm', headers: { 'mcp-protocol-version': '2025-06-18' }, want: 'mcp' },
    { path: '/crm', headers: { 'mcp-session-id': 's' }, want: 'mcp' },
    { path: '/v1/chat/completions', headers: { 'mcp-session-id': 's' }, want: 'openai.chat' },
    { path: '/agents/crm/a2a', want: 'a2a' },
    { path: '/agents/crm', headers: { 'a2a-version': '0.3' }, want: 'a2a' },
    { path: '/v1/message:stream', want: 'a2a' },
    { path: '/v1/models', contentType: null, want: 'json' },
    { path: '/x', contentType: 'application/vnd.api+json; charset=utf-8', want: 'json' },
    { path: '/x', contentType: 'Text/Plain; charset=utf-8', want: 'text' },
    { path: '/x', contentType: 'multipart/form-data; boundary=x', want: 'form' },
    { path: '/x', contentType: 'application/x-www-form-urlencoded', want: 'form' },
    { path: '/x', contentType: 'multipart/mixed; boundary=x', want: 'binary' },
    { path: '/v1/images/edits', contentType: 'multipart/form-data; boundary=x', want: 'form' },
    { path: '/v1/audio/transcriptions', contentType: 'multipart/form-data; boundary=x', want: 'openai.audio' },
    { path: '/x', contentType: 'application/octet-stream', want: 'binary' },
  ])('$path, $contentType: $want', ({ path, contentType = 'application/json', headers, want }) => {
    expect(select(route(path, headers), contentType).id).toBe(want);
  });
});

describe('configured routes', () => {
  const select = createDialects([
    { pathPrefix: '/llm', dialect: 'openai.chat' },
    { pathPrefix: '/llm/claude', dialect: 'anthropic.messages' },
  ]);
  test.each([
    { path: '/llm/v9/talk', want: 'openai.chat' },
    { path: '/llm/claude/talk', want: 'anthropic.messages' },
    { path: '/other', want: 'json' },
  ])('$path: $want', ({ path, want }) => {
    expect(select(route(path), 'application/json').id).toBe(want);
  });

  test('an unknown dialect is refused at the start', () => {
    expect(() => createDialects([{ pathPrefix: '/x', dialect: 'esperanto' }])).toThrow(
      'the route /x names an unknown dialect: esperanto',
    );
  });
});

describe('what a body says of itself', () => {
  test('Azure names the model in the path', () => {
    const body = Buffer.from('{"messages":[]}');
    const facts = route('/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21');
    expect(atOnce(createOpenAiChat().readRequest(body, facts))).toMatchObject({
      ok: true,
      value: { conversation: { model: 'my/gpt', operation: 'chat', stream: false } },
    });
  });

  test.each([
    { path: '/v1beta/models/gemini-2.5-flash:generateContent', model: 'gemini-2.5-flash', stream: false, want: 'chat' },
    { path: '/v1/p/l/endpoints/7%3AstreamGenerateContent?alt=sse', model: '7', stream: true, want: 'chat' },
    { path: '/v1beta/models/g:countTokens', model: 'g', stream: false, want: 'count_tokens' },
    { path: '/v1beta/models/g:embedContent', model: 'g', stream: false, want: 'embedding' },
  ])('Google names model and method in the path: $path', ({ path, model, stream, want }) => {
    const read = atOnce(createGoogleGenerate().readRequest(Buffer.from('{"contents":[]}'), route(path)));
    expect(read).toMatchObject({ ok: true, value: { conversation: { model, stream, operation: want } } });
  });

  test.each([
    { path: '/v1beta/models/g:streamGenerateContent', mediaType: 'application/json', want: 'json-array' },
    { path: '/v1beta/models/g:streamGenerateContent?alt=sse', mediaType: 'text/event-stream', want: null },
    { path: '/v1beta/models/g:generateContent', mediaType: 'application/json', want: null },
  ])('a stream of Google in $mediaType is framed as $want', ({ path, mediaType, want }) => {
    expect(createGoogleGenerate().streamFraming?.(route(path), mediaType)).toBe(want);
  });

  test.each([
    { path: '/v1/messages', body: '{"messages":[{"role":"user","content":"hi"}]}', at: '', want: 'chat' },
    {
      path: '/v1/messages/count_tokens',
      body: '{"messages":[{"role":"user","content":"hi"}]}',
      at: '',
      want: 'count_tokens',
    },
    {
      path: '/v1/messages/batches',
      body: '{"requests":[{"custom_id":"a","params":{"messages":[{"role":"user","content":"hi"}]}}]}',
      at: '/requests/0/params',
      want: 'batch',
    },
  ])('$path is a $want', ({ path, body, at, want }) => {
    const read = atOnce(createAnthropicMessages().readRequest(Buffer.from(body), route(path)));
    expect(read.ok && read.value.conversation).toEqual({
      dialect: 'anthropic.messages',
      operation: want,
      model: null,
      stream: false,
      tools: [],
      sessionHint: null,
      segments: [{ pointer: `${at}/messages/0/content`, role: 'user', kind: 'text', text: 'hi' }],
      uninspected: [],
    });
  });

  test.each([
    { name: 'JSON', body: '{"text":"hello"}', want: [{ pointer: '/text', text: 'hello' }] },
    { name: 'plain text', body: '1\n00:00:00,000 --> 00:00:01,000\nhello\n', want: [{ pointer: '' }] },
    { name: 'nothing', body: '', want: [] },
  ])('a transcript is read, be it $name', ({ body, want }) => {
    const read = atOnce(createOpenAiAudio().readResponse(Buffer.from(body)));
    expect(read).toMatchObject({ ok: true, value: { conversation: { segments: want } } });
  });

  test('more texts than the bound are an outcome', () => {
    const texts = (count: number) => Buffer.from(JSON.stringify({ input: Array.from({ length: count }, () => 'x') }));
    const read = (count: number) => atOnce(createOpenAiResponses().readRequest(texts(count), route('/v1/responses')));
    expect(read(limits.bodyTextsMax).ok).toBe(true);
    expect(read(limits.bodyTextsMax + 1)).toEqual({
      ok: false,
      error: { kind: 'too_many_values', message: 'the body has more than 65536 texts' },
    });
  });

  test('an empty body says nothing', () => {
    const read = atOnce(createOpenAiChat().readRequest(Buffer.alloc(0), route('/v1/chat/completions')));
    expect(read).toMatchObject({ ok: true, value: { conversation: { segments: [], uninspected: [] } } });
  });

  test('plain text is one segment, and comes back with its byte order mark', () => {
    const read = atOnce(createGenericText().readRequest(Buffer.from('\ufeffhello'), route('/x')));
    if (!read.ok) throw new Error(read.error.message);
    expect(read.value.conversation.segments).toEqual([{ pointer: '', role: 'user', kind: 'text', text: 'hello' }]);
    expect(atOnce(read.value.rewrite(new Map([[0, 'bye']]))).toString('utf8')).toBe('\ufeffbye');
  });

  test('plain text that is JSON is read as JSON', () => {
    const read = atOnce(createGenericText().readResponse(Buffer.from(' {"a":"\\u0062"}')));
    expect(read.ok && read.value.conversation.segments.map(({ text }) => text)).toEqual(['b']);
  });
});

const denied: ClientError = {
  status: 403,
  code: 'approval_pending',
  message: 'A reviewer has to agree first.',
  details: { approval_id: 'apr_1', expires_at: '2026-01-01T00:00:00Z' },
  exchange: 'exchange-1',
};

function answer(body: Buffer | string, contentType: string, status: number): () => Promise<Response> {
  const bytes = new Uint8Array(Buffer.from(body));
  return async () => new Response(bytes, { status, headers: { 'content-type': contentType } });
}

async function thrownBy(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (thrown) {
    return thrown;
  }
  throw new Error('nothing was thrown');
}

describe('errors in the words of the caller', () => {
  test("OpenAI's SDK raises its typed error with our code", async () => {
    const { body, contentType } = createOpenAiChat().errorBody(denied);
    const client = new OpenAI({ apiKey: 'none', maxRetries: 0, fetch: answer(body, contentType, 403) });
    const thrown = await thrownBy(() => client.chat.completions.create({ model: 'm', messages: [] }));
    expect(thrown).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(thrown).toMatchObject({
      status: 403,
      code: 'approval_pending',
      type: 'approval_required',
      param: null,
      error: { approval_id: 'apr_1', expires_at: '2026-01-01T00:00:00Z', exchange: 'exchange-1' },
    });
  });

  test("OpenAI's SDK raises it in the middle of a stream", async () => {
    const chunk = 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n';
    const stream = Buffer.concat([Buffer.from(chunk), createOpenAiChat().errorEvent(denied)]);
    const client = new OpenAI({ apiKey: 'none', maxRetries: 0, fetch: answer(stream, 'text/event-stream', 200) });
    const texts: unknown[] = [];
    const thrown = await thrownBy(async () => {
      const events = await client.chat.completions.create({ model: 'm', messages: [], stream: true });
      for await (const event of events) texts.push(event.choices[0]?.delta.content);
    });
    expect(texts).toEqual(['Hel']);
    expect(thrown).toBeInstanceOf(OpenAI.APIError);
    expect(thrown).toMatchObject({ code: 'approval_pending', message: 'A reviewer has to agree first.' });
  });

  test("OpenAI's SDK raises it in the middle of a stream of responses", async () => {
    const created = 'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{}}\n\n';
    const stream = Buffer.concat([Buffer.from(created), createOpenAiResponses().errorEvent(denied)]);
    const client = new OpenAI({ apiKey: 'none', maxRetries: 0, fetch: answer(stream, 'text/event-stream', 200) });
    const types: unknown[] = [];
    const thrown = await thrownBy(async () => {
      const events = await client.responses.create({ model: 'm', input: 'hi', stream: true });
      for await (const event of events) types.push(event.type);
    });
    expect(types).toEqual(['response.created']);
    expect(thrown).toBeInstanceOf(OpenAI.APIError);
    expect(thrown).toMatchObject({ code: 'approval_pending', message: 'A reviewer has to agree first.' });
  });

  test("Anthropic's SDK raises its typed error with our code", async () => {
    const { body, contentType } = createAnthropicMessages().errorBody(denied);
    const client = new Anthropic({ apiKey: 'none', maxRetries: 0, fetch: answer(body, contentType, 403) });
    const thrown = await thrownBy(() => client.messages.create({ model: 'm', max_tokens: 1, messages: [] }));
    expect(thrown).toBeInstanceOf(Anthropic.PermissionDeniedError);
    expect(thrown).toMatchObject({
      status: 403,
      type: 'permission_error',
      errorCode: 'approval_pending',
      apiMessage: 'A reviewer has to agree first.',
      error: { request_id: 'exchange-1', error: { approval_id: 'apr_1', code: 'approval_pending' } },
    });
  });

  test("Anthropic's SDK raises it in the middle of a stream", async () => {
    const stream = Buffer.concat([
      Buffer.from('event: ping\ndata: {"type":"ping"}\n\n'),
      createAnthropicMessages().errorEvent(denied),
    ]);
    const client = new Anthropic({ apiKey: 'none', maxRetries: 0, fetch: answer(stream, 'text/event-stream', 200) });
    const thrown = await thrownBy(async () => {
      const events = await client.messages.create({ model: 'm', max_tokens: 1, messages: [], stream: true });
      for await (const event of events) expect(event).toBeUndefined();
    });
    expect(thrown).toBeInstanceOf(Anthropic.APIError);
    expect(thrown).toMatchObject({ type: 'permission_error', errorCode: 'approval_pending' });
  });

  test('Google tells status, code and details as google.rpc.Status', () => {
    const error = {
      code: 403,
      message: 'A reviewer has to agree first.',
      status: 'PERMISSION_DENIED',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'APPROVAL_PENDING',
          domain: 'countersign',
          metadata: { ...denied.details, code: 'approval_pending', exchange: 'exchange-1' },
        },
      ],
    };
    const google = createGoogleGenerate();
    expect(JSON.parse(google.errorBody(denied).body.toString('utf8'))).toEqual({ error });
    expect(google.errorEvent(denied).toString('utf8')).toBe(`data: ${JSON.stringify({ error })}\n\n`);
    const array = (isFirst: boolean) => google.errorEvent(denied, { framing: 'json-array', isFirst }).toString('utf8');
    expect(JSON.parse(array(true))).toEqual([{ error }]);
    expect(JSON.parse(`[{"candidates":[]}${array(false)}`)).toEqual([{ candidates: [] }, { error }]);
  });

  test('Ollama raises what `error` says, in a body and in a line: the code stands in it', () => {
    const error = {
      ...denied.details,
      error: 'approval_pending: A reviewer has to agree first.',
      code: 'approval_pending',
      exchange: 'exchange-1',
    };
    expect(JSON.parse(createOllama().errorBody(denied).body.toString('utf8'))).toEqual(error);
    expect(createOllama().errorEvent(denied).toString('utf8')).toBe(`${JSON.stringify(error)}\n`);
  });

  test('Cohere raises `message`, and ends a stream with the reason', () => {
    const error = {
      ...denied.details,
      message: 'A reviewer has to agree first.',
      code: 'approval_pending',
      exchange: 'exchange-1',
    };
    expect(JSON.parse(createCohere().errorBody(denied).body.toString('utf8'))).toEqual(error);
    const [head, data = ''] = createCohere().errorEvent(denied).toString('utf8').split('\n');
    expect(head).toBe('event: message-end');
    expect(JSON.parse(data.slice('data: '.length))).toEqual({
      ...error,
      type: 'message-end',
      id: 'exchange-1',
      delta: { error: 'approval_pending: A reviewer has to agree first.', finish_reason: 'ERROR' },
    });
  });

  test('Bedrock names the exception in a header, and ends a stream with one', () => {
    const told = {
      ...denied.details,
      message: 'A reviewer has to agree first.',
      reason_code: 'approval_pending',
      exchange: 'exchange-1',
    };
    const { body, headers } = createBedrock().errorBody(denied);
    expect(headers).toEqual({ 'x-amzn-errortype': 'AccessDeniedException', 'x-amzn-requestid': 'exchange-1' });
    expect(JSON.parse(body.toString('utf8'))).toEqual(told);
    const event = { ...told, message: 'approval_pending: A reviewer has to agree first.' };
    expect(readableFrames(createBedrock().errorEvent(denied))).toBe(
      `exception validationException ${JSON.stringify(event)}\n`,
    );
    const frame = createOpenAiChat().errorEvent(denied, { framing: 'eventstream', isFirst: false });
    expect(readableFrames(frame)).toMatch(/^exception internalServerException \{"error":/);
  });

  test.each([
    { status: 400, header: 'ValidationException', event: 'validationException' },
    { status: 401, header: 'UnrecognizedClientException', event: 'validationException' },
    { status: 404, header: 'ResourceNotFoundException', event: 'validationException' },
    { status: 429, header: 'ThrottlingException', event: 'throttlingException' },
    { status: 500, header: 'InternalServerException', event: 'internalServerException' },
    { status: 503, header: 'ServiceUnavailableException', event: 'serviceUnavailableException' },
  ])('Bedrock calls $status $header', ({ status, header, event }) => {
    const bedrock = createBedrock();
    expect(bedrock.errorBody({ ...denied, status }).headers?.['x-amzn-errortype']).toBe(header);
    expect(readableFrames(bedrock.errorEvent({ ...denied, status })).split(' ')[1]).toBe(event);
  });

  test('Bedrock names the model in the path', () => {
    const path = '/model/arn%3Aaws%3Abedrock%3A1%3Aprovisioned-model%2Fabc/converse-stream';
    const read = atOnce(createBedrock().readRequest(Buffer.from('{"messages":[]}'), route(path)));
    const want = { model: 'arn:aws:bedrock:1:provisioned-model/abc', stream: true };
    expect(read).toMatchObject({ ok: true, value: { conversation: want } });
  });

  test.each([
    { body: '{"model":"m"}', path: '/api/chat', want: true },
    { body: '{"model":"m","stream":true}', path: '/api/generate', want: true },
    { body: '{"model":"m","stream":false}', path: '/api/chat', want: false },
    { body: '{"model":"m"}', path: '/api/embed', want: false },
  ])('Ollama streams unless told not to: $path $body', ({ body, path, want }) => {
    const read = atOnce(createOllama().readRequest(Buffer.from(body), route(path)));
    expect(read).toMatchObject({ ok: true, value: { conversation: { stream: want } } });
  });

  test('MCP and A2A are told as JSON-RPC', () => {
    const message = 'A reviewer has to agree first.';
    const data = { ...denied.details, status: 403, code: 'approval_pending', exchange: 'exchange-1' };
    for (const dialect of [createMcp(), createA2a()]) {
      const body: unknown = JSON.parse(dialect.errorBody(denied).body.toString('utf8'));
      expect(body).toEqual({ jsonrpc: '2.0', id: null, error: { code: -32000, message, data } });
      expect(dialect.errorEvent(denied).toString('utf8')).toBe(`data: ${JSON.stringify(body)}\n\n`);
      const unread = dialect.errorBody({ ...denied, status: 400, code: 'invalid_json' });
      expect(JSON.parse(unread.body.toString('utf8')).error.code).toBe(-32700);
    }
  });

  test.each([
    { dialect: createMcp(), body: '{"method":"tools/call","params":{"name":"x"}}', want: 'tools/call', tools: ['x'] },
    { dialect: createMcp(), body: '{"method":"4111 1111 1111 1111"}', want: 'unknown', tools: [] },
    { dialect: createMcp(), body: '[]', want: 'batch', tools: [] },
    { dialect: createMcp(), body: '{"id":1,"result":{}}', want: 'response', tools: [] },
    { dialect: createA2a(), body: '{"method":"message/send","params":{}}', want: 'message/send', tools: [] },
    { dialect: createA2a(), body: '{"message":{}}', path: '/v1/message:stream', want: 'message/stream', tools: [] },
  ])('the operation of $body is $want', ({ dialect, body, path = '/', want, tools }) => {
    const read = atOnce(dialect.readRequest(Buffer.from(body), route(path)));
    expect(read).toMatchObject({ ok: true, value: { conversation: { operation: want, tools } } });
  });

  test('an error in a stream of lines is a line', () => {
    const line = createOpenAiChat().errorEvent(denied, { framing: 'ndjson', isFirst: false }).toString('utf8');
    expect(line).toMatch(/^\{.*\}\n$/);
  });

  test.each([
    { status: 400, openai: 'invalid_request_error', anthropic: 'invalid_request_error', google: 'INVALID_ARGUMENT' },
    { status: 401, openai: 'authentication_error', anthropic: 'authentication_error', google: 'UNAUTHENTICATED' },
    { status: 404, openai: 'not_found_error', anthropic: 'not_found_error', google: 'NOT_FOUND' },
    { status: 413, openai: 'invalid_request_error', anthropic: 'request_too_large', google: 'INVALID_ARGUMENT' },
    { status: 429, openai: 'rate_limit_error', anthropic: 'rate_limit_error', google: 'RESOURCE_EXHAUSTED' },
    { status: 503, openai: 'server_error', anthropic: 'api_error', google: 'UNAVAILABLE' },
  ])('$status has its type', ({ status, openai, anthropic, google }) => {
    const type = (body: Buffer): unknown => JSON.parse(body.toString('utf8')).error.type;
    expect(type(createOpenAiChat().errorBody({ ...denied, status }).body)).toBe(openai);
    expect(type(createAnthropicMessages().errorBody({ ...denied, status }).body)).toBe(anthropic);
    const { body } = createGoogleGenerate().errorBody({ ...denied, status });
    expect(JSON.parse(body.toString('utf8')).error.status).toBe(google);
  });

  test('details cannot take the place of what the error is', () => {
    const details = { code: 'x', type: 'x', message: 'x', approval_id: 'apr_1' };
    const body: unknown = JSON.parse(
      createOpenAiChat()
        .errorBody({ ...denied, details })
        .body.toString('utf8'),
    );
    expect(body).toEqual({
      error: {
        approval_id: 'apr_1',
        message: 'A reviewer has to agree first.',
        type: 'approval_required',
        code: 'approval_pending',
        param: null,
        exchange: 'exchange-1',
      },
    });
  });
});
