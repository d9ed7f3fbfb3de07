import { createAnthropicShapes, sealOfBlock } from './anthropic-shapes.ts';
import { createBlockFilter, type EventBlock } from './block-filter.ts';
import type { SealedKind } from './conversation.ts';
import type { ClientError, Dialect } from './dialect.ts';
import { errorEventIn, jsonErrorBody } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { indexMember, type JsonNode, memberOf, numberNode, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { routePath } from './route-path.ts';

/**
 * Anthropic Messages (`/v1/messages`, `count_tokens`, `batches`), on any prefix when the path ends in `/v1/messages`, or wherever
 * `/messages` is asked with an `anthropic-version` header, and Vertex AI's `rawPredict` of Anthropic's models. Thinking that comes back with its signature is read for policy and never
 * changed: the provider verifies it (https://docs.claude.com, extended thinking).
 */
export function createAnthropicMessages(): Dialect {
  const shapes = createAnthropicShapes();
  return {
    id: 'anthropic.messages',
    matches: (route) => {
      const path = routePath(route.path);
      if (/\/v1\/messages(?:\/count_tokens|\/batches(?:\/[^/]+(?:\/results|\/cancel)?)?)?$/.test(path)) return true;
      if (vertexModel(path) !== null) return true;
      return (
        /\/messages(?:\/count_tokens|\/batches(?:\/[^/]+(?:\/results|\/cancel)?)?)?$/.test(path) &&
        route.header('anthropic-version') !== null
      );
    },
    readRequest: (body, route) => {
      const operation = operationOf(routePath(route.path));
      return readJsonBody(body, operation === 'batch' ? shapes.batch : shapes.request, (source, root) =>
        summarize(source, root, operation, vertexModel(routePath(route.path))),
      );
    },
    readResponse: (body) =>
      readJsonBody(body, shapes.response, (source, root) => summarize(source, root, 'chat', null)),
    openStream: () => openJsonStream({ shape: shapes.event, base: baseOf, endings: endingsOf }),
    openBlockFilter: (omits) => createBlockFilter({ shape: shapes.event, blockOf }, omits),
    errorBody: (error) => jsonErrorBody(anthropicError(error)),
    errorEvent: (error, place) => errorEventIn(place, 'error', anthropicError(error)),
  };
}

function operationOf(path: string): string {
  if (path.endsWith('/count_tokens')) return 'count_tokens';
  return /\/messages\/batches(?:\/|$)/.test(path) ? 'batch' : 'chat';
}

/** Vertex AI has the model in the path, which names the publisher too: `…/publishers/anthropic/models/<model>:streamRawPredict`. */
function vertexModel(path: string): string | null {
  return (
    /\/publishers\/anthropic\/models\/([^/:]+?)(?::|%3[aA])(?:rawPredict|streamRawPredict)$/.exec(path)?.[1] ?? null
  );
}

function summarize(source: string, root: JsonNode, operation: string, pathModel: string | null): Summary {
  return {
    dialect: 'anthropic.messages',
    operation,
    model: stringMember(source, root, 'model') ?? pathModel,
    stream: memberOf(root, 'stream')?.type === 'true',
    tools: toolNames(source, memberOf(root, 'tools')),
    sessionHint: sessionOf(source, memberOf(root, 'metadata')),
  };
}

function toolNames(source: string, tools: JsonNode | undefined): string[] {
  if (tools?.type !== 'array') return [];
  return tools.items.flatMap((tool) => stringMember(source, tool, 'name') ?? stringMember(source, tool, 'type') ?? []);
}

/** Claude Code tells its session inside of `user_id`: `user_<hash>_account_<id>_session_<uuid>`. */
function sessionOf(source: string, metadata: JsonNode | undefined): string | null {
  const named = stringMember(source, metadata, 'session_id');
  if (named !== null) return named;
  return /_session_([0-9A-Za-z-]{8,64})$/.exec(stringMember(source, metadata, 'user_id') ?? '')?.[1] ?? null;
}

/** Texts are named by the index of their block. */
function baseOf(source: string, root: JsonNode): string {
  const index = indexMember(source, root);
  return index === null ? '' : `/${index}`;
}

function endingsOf(source: string, root: JsonNode, event: string | null): Endings {
  switch (stringMember(source, root, 'type') ?? event) {
    case 'content_block_stop':
      return { prefixes: [`${baseOf(source, root)}/`], all: false };
    case 'message_stop':
    case 'error':
      return { prefixes: [], all: true };
    default:
      return noEndings;
  }
}

/** A block is judged when it starts; a piece of thinking whose start was not seen tells by its own type. */
function blockOf(source: string, root: JsonNode, event: string | null): EventBlock | null {
  const type = stringMember(source, root, 'type') ?? event;
  const index = numberNode(root, 'index');
  const delta = memberOf(root, 'delta');
  switch (type) {
    case 'content_block_start': {
      const block = memberOf(root, 'content_block');
      return { id: null, index, seal: block === undefined ? null : sealOfBlock(source, block) };
    }
    case 'content_block_delta': {
      const citation = memberOf(delta, 'citation');
      const seal = sealedDeltas.get(stringMember(source, delta, 'type') ?? '') ?? null;
      if (citation === undefined) return { id: null, index, seal };
      return { id: null, index, seal: sealOfBlock(source, citation), isPart: true };
    }
    case 'content_block_stop':
      return { id: null, index, seal: null };
    default:
      return null;
  }
}

const sealedDeltas: ReadonlyMap<string, SealedKind> = new Map<string, SealedKind>([
  ['thinking_delta', 'signed'],
  ['signature_delta', 'signed'],
  ['compaction_delta', 'encrypted'],
]);

/** `details.error_code` is what the SDK shows as `errorCode`. */
function anthropicError(error: ClientError): unknown {
  return {
    type: 'error',
    error: {
      ...error.details,
      type: errorType(error.status),
      message: error.message,
      code: error.code,
      details: { error_code: error.code },
    },
    request_id: error.exchange,
  };
}

/** The `type` that the API gives with a status. */
function errorType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}
