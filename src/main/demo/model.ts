import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it reached the model: what a provider would have seen. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface ScriptedModel {
  readonly port: number;
  /** Every request so far, in order. */
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

/** What the model gives away when asked for the access key: a made-up one, in a real one's form. */
export const leakedKey: string = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');

/**
 * A model of our own: it speaks OpenAI Chat Completions and Anthropic Messages, JSON and streams, and answers by a script. Its
 * answer is `You said: <the last user text>`; asked for the access key, it leaks one. Streams come in pieces of five characters,
 * so that any value is cut across events.
 */
export async function startScriptedModel(options: {
  readonly port: number;
  readonly host?: string;
}): Promise<ScriptedModel> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        seen.push({ path: request.url ?? '', headers: request.headers, body });
        answer(request, body, response);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Ask {
  readonly model?: string;
  readonly stream?: boolean;
  readonly messages?: readonly {
    readonly role?: string;
    readonly content?: unknown;
  }[];
}

function answer(request: IncomingMessage, body: string, response: ServerResponse): void {
  const path = (request.url ?? '').split('?')[0] ?? '';
  if (request.method === 'GET') {
    json(response, 200, {
      object: 'list',
      data: [{ id: 'scripted-1', object: 'model' }],
    });
    return;
  }
  let ask: Ask;
  try {
    ask = JSON.parse(body) as Ask;
  } catch {
    json(response, 400, {
      error: { message: 'the body is not JSON', type: 'invalid_request_error' },
    });
    return;
  }
  const words = reply(ask);
  const model = ask.model ?? 'scripted-1';
  if (path.endsWith('/messages')) {
    if (ask.stream) sse(response, anthropicEvents(model, words));
    else json(response, 200, anthropicMessage(model, words));
    return;
  }
  if (ask.stream) sse(response, openAiEvents(model, words));
  else json(response, 200, openAiCompletion(model, words));
}

function reply(ask: Ask): string {
  const last = (ask.messages ?? []).findLast((message) => message.role === 'user');
  const text = textOf(last?.content);
  return /access key/i.test(text) ? `Sure. Use ${leakedKey} to log in, then carry on.` : `You said: ${text}`;
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : '')).join('');
}

function openAiCompletion(model: string, words: string): unknown {
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 1700000000,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: words, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
  };
}

function openAiEvents(model: string, words: string): string[] {
  const chunk = (delta: unknown, finish: string | null): string =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-scripted',
      object: 'chat.completion.chunk',
      created: 1700000000,
      model,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    })}\n\n`;
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...pieces(words).map((piece) => chunk({ content: piece }, null)),
    chunk({}, 'stop'),
    'data: [DONE]\n\n',
  ];
}

function anthropicMessage(model: string, words: string): unknown {
  return {
    id: 'msg_scripted',
    type: 'message',
    role: 'assistant',
    model,
    content: [{ type: 'text', text: words }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 10, output_tokens: 10 },
  };
}

function anthropicEvents(model: string, words: string): string[] {
  const event = (data: { readonly type: string } & Record<string, unknown>): string =>
    `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  return [
    event({
      type: 'message_start',
      message: {
        id: 'msg_scripted',
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 10, output_tokens: 1 },
      },
    }),
    event({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: '' },
    }),
    ...pieces(words).map((text) =>
      event({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text },
      }),
    ),
    event({ type: 'content_block_stop', index: 0 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 10 },
    }),
    event({ type: 'message_stop' }),
  ];
}

function pieces(words: string): string[] {
  const characters = Array.from(words);
  const found: string[] = [];
  for (let at = 0; at < characters.length; at += 5) found.push(characters.slice(at, at + 5).join(''));
  return found;
}

function sse(response: ServerResponse, events: readonly string[]): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
  });
  let at = 0;
  // One event a turn, so that each leaves as a chunk of its own.
  const next = (): void => {
    const event = events[at++];
    if (event === undefined) response.end();
    else if (!response.destroyed) response.write(event, () => setImmediate(next));
  };
  next();
}

function json(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
  });
  response.end(body);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
