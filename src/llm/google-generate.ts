import { createBlockFilter } from './block-filter.ts';
import { emptyConversation } from './conversation.ts';
import type { ClientError, Dialect, RouteFacts } from './dialect.ts';
import { errorEventIn, jsonErrorBody } from './error-body.ts';
import { type CallNames, createCallNames } from './google-calls.ts';
import { createGoogleShapes } from './google-shapes.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { indexMember, type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { routePath } from './route-path.ts';

/**
 * Google's `generateContent`, `streamGenerateContent` (server-sent events or one JSON array), `countTokens`, `embedContent` and
 * `batchEmbedContents`, of the Gemini API and of Vertex AI. Where a text changes, positions in it (grounding, citations) become `0` and its
 * log probabilities `null`. Thought signatures are never touched.
 */
export function createGoogleGenerate(): Dialect {
  const shapes = createGoogleShapes();
  return {
    id: 'google.generate',
    matches: (route) => methodOf(route) !== null,
    readRequest: (body, route) =>
      readJsonBody(body, shapes.request, (source, root) => summarizeRequest(source, root, route)),
    readResponse: (body) =>
      readJsonBody(body, shapes.response, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'modelVersion'),
      })),
    // Without `alt=sse` the stream is one JSON array, and its media type is that of any JSON.
    streamFraming: (route, mediaType) =>
      methodOf(route)?.method === 'streamGenerateContent' && mediaType === 'application/json' ? 'json-array' : null,
    openStream: () => {
      const calls = createCallNames();
      return openJsonStream({
        shape: shapes.event,
        base: () => '',
        endings: (source, root) => endingsOf(source, root, calls),
        nameOf: calls.nameOf,
      });
    },
    openBlockFilter: (omits) => createBlockFilter({ shape: shapes.event }, omits),
    errorBody: (error) => jsonErrorBody(googleError(error)),
    errorEvent: (error, place) => errorEventIn(place, null, googleError(error)),
  };
}

const summary: Summary = {
  dialect: 'google.generate',
  operation: 'chat',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

const operations: Readonly<Record<string, string>> = {
  generateContent: 'chat',
  streamGenerateContent: 'chat',
  countTokens: 'count_tokens',
  embedContent: 'embedding',
  batchEmbedContents: 'embedding',
};

interface Method {
  readonly method: string;
  readonly model: string | null;
}

/** `…/models/<model>:<method>`; the colon may come escaped. */
function methodOf(route: RouteFacts): Method | null {
  const path = routePath(route.path);
  const method = /(?::|%3[aA])([A-Za-z]+)$/.exec(path)?.[1];
  if (method === undefined || !Object.hasOwn(operations, method)) return null;
  const model = /\/(?:models|tunedModels|endpoints)\/([^/:]+?)(?::|%3[aA])[A-Za-z]+$/.exec(path)?.[1];
  return { method, model: model ?? null };
}

function summarizeRequest(source: string, root: JsonNode, route: RouteFacts): Summary {
  const asked = methodOf(route);
  return {
    ...summary,
    operation: operations[asked?.method ?? ''] ?? summary.operation,
    model: asked?.model ?? stringMember(source, root, 'model'),
    stream: asked?.method === 'streamGenerateContent',
    tools: toolNames(source, memberOf(root, 'tools')),
    sessionHint: stringMember(source, memberOf(root, 'labels'), 'session_id'),
  };
}

/** Names of functions; what else a tool entry holds is a tool of Google's own (`googleSearch`). */
function toolNames(source: string, tools: JsonNode | undefined): string[] {
  if (tools?.type !== 'array') return [];
  const names: string[] = [];
  for (const tool of tools.items) {
    if (tool.type !== 'object') continue;
    for (const { name, value } of tool.members) {
      const isFunctions = name === 'functionDeclarations' || name === 'function_declarations';
      if (!isFunctions) names.push(name);
      else if (value.type === 'array') {
        names.push(...value.items.flatMap((declaration) => stringMember(source, declaration, 'name') ?? []));
      }
    }
  }
  return names;
}

/** A candidate's texts end with its finish reason; a string of an argument with the piece that announces no other. */
function endingsOf(source: string, root: JsonNode, calls: CallNames): Endings {
  if (memberOf(root, 'error')?.type === 'object') return { prefixes: [], all: true };
  const candidates = memberOf(root, 'candidates');
  if (candidates?.type !== 'array') return noEndings;
  const prefixes: string[] = [];
  for (const [position, candidate] of candidates.items.entries()) {
    const key = `/candidates/${indexMember(source, candidate) ?? position}`;
    if (memberOf(candidate, 'finishReason')?.type === 'string') prefixes.push(`${key}/`);
    else prefixes.push(...endedArguments(source, candidate, `${key}/content/parts`, calls));
  }
  return prefixes.length === 0 ? noEndings : { prefixes, all: false };
}

function endedArguments(source: string, candidate: JsonNode, key: string, calls: CallNames): string[] {
  const parts = memberOf(memberOf(candidate, 'content'), 'parts');
  if (parts?.type !== 'array') return [];
  const ended: string[] = [];
  for (const part of parts.items) {
    const pieces = memberOf(memberOf(part, 'functionCall'), 'partialArgs');
    if (pieces?.type !== 'array') continue;
    for (const [position, piece] of pieces.items.entries()) {
      if (memberOf(piece, 'willContinue')?.type === 'true') continue;
      const call = calls.nameOf(source, part);
      const path = stringMember(source, piece, 'jsonPath') ?? position;
      ended.push(`${key}${call === '' ? '' : `/${call}`}/functionCall/partialArgs/${path}/`);
    }
  }
  return ended;
}

/** google.rpc.Status as JSON; our code and details are a google.rpc.ErrorInfo (https://google.aip.dev/193). */
function googleError(error: ClientError): unknown {
  return {
    error: {
      code: error.status,
      message: error.message,
      status: statusName(error.status),
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: error.code.toUpperCase(),
          domain: 'countersign',
          metadata: { ...error.details, code: error.code, exchange: error.exchange },
        },
      ],
    },
  };
}

/** The google.rpc.Code that Google's API gives with a status (https://cloud.google.com/apis/design/errors). */
function statusName(status: number): string {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'PERMISSION_DENIED';
    case 404:
      return 'NOT_FOUND';
    case 409:
      return 'ABORTED';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 502:
    case 503:
      return 'UNAVAILABLE';
    case 504:
      return 'DEADLINE_EXCEEDED';
    default:
      return status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT';
  }
}
