import { emptyConversation } from './conversation.ts';
import type { ClientError, Dialect } from './dialect.ts';
import { codedMessage, errorEventIn, jsonErrorBody } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { toolDefinitions } from './openai-shapes.ts';
import { toolNames } from './openai-summary.ts';
import { routePath } from './route-path.ts';
import { free, id, jsonSchema, media, name, object, other, repeating, type Shape, text } from './shape.ts';

/**
 * Ollama's own API: `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings`. A stream of lines unless the request says otherwise. The
 * `context` is the conversation as token ids: reported in a request, and emptied in an answer whose text was changed, because it tells it again.
 */
export function createOllama(): Dialect {
  const request = requestShape();
  const response = answerShape({});
  const line = answerShape({ isRunning: true });
  return {
    id: 'ollama',
    matches: (route) => operationOf(route.path) !== null,
    readRequest: (body, route) =>
      readJsonBody(body, request, (source, root) => {
        const operation = operationOf(route.path) ?? summary.operation;
        return {
          ...summary,
          operation,
          model: stringMember(source, root, 'model'),
          stream: operation !== 'embedding' && memberOf(root, 'stream')?.type !== 'false',
          tools: toolNames(source, memberOf(root, 'tools')),
        };
      }),
    readResponse: (body) =>
      readJsonBody(body, response, (source, root) => ({ ...summary, model: stringMember(source, root, 'model') })),
    openStream: () => openJsonStream({ shape: line, base: () => '', endings: endingsOf }),
    errorBody: (error) => jsonErrorBody(ollamaError(error)),
    errorEvent: (error, place = { framing: 'ndjson', isFirst: false }) => errorEventIn(place, null, ollamaError(error)),
  };
}

const summary: Summary = {
  dialect: 'ollama',
  operation: 'chat',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function operationOf(path: string): string | null {
  switch (/\/api\/([a-z]+)$/.exec(routePath(path))?.[1]) {
    case 'chat':
      return 'chat';
    case 'generate':
      return 'completion';
    case 'embed':
    case 'embeddings':
      return 'embedding';
    default:
      return null;
  }
}

function requestShape(): Shape {
  return object({
    model: id,
    messages: { ...message({}), role: 'member', isScope: true },
    tools: toolDefinitions(),
    // `json`, or a schema.
    format: { ...jsonSchema('tool_definition'), leaf: 'name' },
    system: text('text', { role: 'system' }),
    template: text('text', { role: 'system' }),
    prompt: text('text', { role: 'user' }),
    suffix: text('text', { role: 'user' }),
    input: text('text', { role: 'user' }),
    images: media('image'),
    context: text('other', { uninspected: 'token_ids' }),
    keep_alive: id,
    think: name,
  });
}

/** An answer, and a line of a stream, whose texts run on from line to line. Tool calls come whole. */
function answerShape(given: Partial<Shape>): Shape {
  return object(
    {
      model: id,
      created_at: id,
      message: { ...message(given), role: 'assistant' },
      response: text('text', given),
      thinking: text('reasoning', given),
      done_reason: name,
      context: repeating('offset', '[]', { uninspected: 'token_ids' }),
      logprobs: repeating('repeat', '[]'),
      image: media('image'),
      error: text('other'),
    },
    { isScope: true, role: 'assistant', rest: free('other', given) },
  );
}

function message(given: Partial<Shape>): Shape {
  return object(
    {
      role: name,
      content: text('text', given),
      thinking: text('reasoning', given),
      images: media('image'),
      tool_calls: object({
        id,
        type: name,
        function: object({ name: id, arguments: free('tool_arguments') }),
      }),
      tool_call_id: id,
      tool_name: id,
      logprobs: repeating('repeat', '[]'),
    },
    { rest: given.isRunning ? free('other', given) : other },
  );
}

function endingsOf(_source: string, root: JsonNode): Endings {
  const isOver = memberOf(root, 'done')?.type === 'true' || memberOf(root, 'error') !== undefined;
  return isOver ? { prefixes: [], all: true } : noEndings;
}

/** Clients raise what `error` says and nothing else, in a body and in a line alike. */
function ollamaError(error: ClientError): unknown {
  return { ...error.details, error: codedMessage(error), code: error.code, exchange: error.exchange };
}
