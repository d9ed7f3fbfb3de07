import type { Role } from './conversation.ts';
import type { Dialect } from './dialect.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { jsonRpcErrors, methodOf } from './json-rpc.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { routePath } from './route-path.ts';
import { free, id, media, name, object, type Shape, text } from './shape.ts';

/**
 * Agent2Agent, JSON-RPC and the HTTP binding alike: known by its headers, by a path that ends in `/a2a`, or by `/message:send` and
 * `/message:stream`. In a stream the parts of an artifact run on from update to update; messages and tasks come whole.
 */
export function createA2a(): Dialect {
  const sent = envelope('user', false);
  const received = envelope('assistant', false);
  const event = envelope('assistant', true);
  return {
    ...jsonRpcErrors,
    id: 'a2a',
    matches: (route) =>
      ['a2a-version', 'a2a-extensions', 'x-a2a-extensions'].some((header) => route.header(header) !== null) ||
      /\/(?:a2a|message:send|message:stream)$/.test(routePath(route.path)),
    readRequest: (body, route) =>
      readJsonBody(body, sent, (source, root) => {
        const path = routePath(route.path);
        const operation = /\/(message):(send|stream)$/.exec(path)?.slice(1).join('/') ?? methodOf(source, root);
        return summarize(source, root, operation);
      }),
    readResponse: (body) =>
      readJsonBody(body, received, (source, root) => summarize(source, root, methodOf(source, root))),
    openStream: () => openJsonStream({ shape: event, base: baseOf, endings: endingsOf }),
  };
}

function summarize(source: string, root: JsonNode, operation: string): Summary {
  const message = memberOf(memberOf(root, 'params') ?? root, 'message');
  return {
    dialect: 'a2a',
    operation,
    model: null,
    stream: operation === 'message/stream' || operation === 'SendStreamingMessage',
    tools: [],
    sessionHint: stringMember(source, message, 'contextId'),
  };
}

/** A JSON-RPC message, or what stands in one. */
function envelope(sender: Role, isStream: boolean): Shape {
  const inner = members(isStream);
  return object(
    {
      ...inner,
      jsonrpc: id,
      method: id,
      params: object(inner),
      result: object(inner),
      error: object({ code: id, message: text('text'), data: free('other') }),
    },
    { role: sender },
  );
}

/** A message, a task, an update, or an object that holds one of them; their members do not clash. */
function members(isStream: boolean): Record<string, Shape> {
  const metadata = free('metadata');
  const message = object(
    {
      ...ids,
      role: id,
      parts: parts({}),
      referenceTaskIds: id,
      extensions: metadata,
      metadata,
    },
    { role: 'member' },
  );
  const artifact = (given: Partial<Shape>): Shape =>
    object({ artifactId: id, name: text('text'), description: text('text'), parts: parts(given), metadata });
  const common: Record<string, Shape> = {
    ...ids,
    message,
    history: message,
    status: object({ state: id, timestamp: id, message }),
    artifacts: artifact({}),
    artifact: artifact(isStream ? { isRunning: true, elementKey: '' } : {}),
    metadata,
    configuration: free('metadata'),
  };
  const nested = object(common);
  return {
    ...common,
    // A message may be the result itself.
    role: id,
    parts: parts({}),
    task: nested,
    statusUpdate: nested,
    artifactUpdate: nested,
  };
}

const ids: Record<string, Shape> = { id, kind: name, taskId: id, contextId: id, messageId: id };

/** Parts are told apart by their members: text, data, file. */
function parts(given: Partial<Shape>): Shape {
  const { isRunning = false } = given;
  return text('text', {
    ...given,
    members: new Map<string, Shape>([
      ['kind', name],
      ['type', name],
      ['text', text('text', { isRunning })],
      ['data', free('text')],
      ['file', object({ name: free('metadata'), mimeType: name, bytes: media('file'), uri: media('file') })],
      ['raw', media('file')],
      ['url', media('file')],
      ['filename', free('metadata')],
      ['mediaType', name],
      ['metadata', free('metadata')],
    ]),
  });
}

/** What an update is about: itself, or one step down. */
function updateOf(root: JsonNode): JsonNode {
  const result = memberOf(root, 'result') ?? root;
  return memberOf(result, 'artifactUpdate') ?? memberOf(result, 'statusUpdate') ?? result;
}

function baseOf(source: string, root: JsonNode): string {
  const artifact = stringMember(source, memberOf(updateOf(root), 'artifact'), 'artifactId');
  return artifact === null ? '' : `/${artifact}`;
}

/** An artifact's text ends with its last chunk, all texts with the task. */
function endingsOf(source: string, root: JsonNode): Endings {
  const update = updateOf(root);
  if (memberOf(root, 'error') !== undefined || memberOf(update, 'final')?.type === 'true') {
    return { prefixes: [], all: true };
  }
  if (memberOf(update, 'lastChunk')?.type !== 'true') return noEndings;
  return { prefixes: [`${baseOf(source, root)}/`], all: false };
}
