import { createCohereShapes } from './cohere-shapes.ts';
import { emptyConversation } from './conversation.ts';
import type { ClientError, Dialect } from './dialect.ts';
import { codedMessage, errorEventIn, jsonErrorBody } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { indexMember, type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { toolNames } from './openai-summary.ts';
import { routePath } from './route-path.ts';

/**
 * Cohere v2: `/v2/chat`, `/v2/embed`, `/v2/rerank`, and `/rerank` of those who took it over (`/v1/rerank` of Jina, vLLM and others). Where a text
 * changes, the positions of its citations become `0` and its log probabilities `null`.
 */
export function createCohere(): Dialect {
  const shapes = createCohereShapes();
  return {
    id: 'cohere',
    matches: (route) => operationOf(route.path) !== null,
    readRequest: (body, route) =>
      readJsonBody(body, shapes.request, (source, root) => ({
        ...summary,
        operation: operationOf(route.path) ?? summary.operation,
        model: stringMember(source, root, 'model'),
        stream: memberOf(root, 'stream')?.type === 'true',
        tools: toolNames(source, memberOf(root, 'tools')),
      })),
    readResponse: (body) => readJsonBody(body, shapes.response, () => summary),
    openStream: () => openJsonStream({ shape: shapes.event, base: baseOf, endings: endingsOf }),
    errorBody: (error) => jsonErrorBody(cohereError(error)),
    errorEvent: (error, place) =>
      errorEventIn(place, 'message-end', {
        type: 'message-end',
        id: error.exchange,
        delta: { error: codedMessage(error), finish_reason: 'ERROR' },
        ...cohereError(error),
      }),
  };
}

const summary: Summary = {
  dialect: 'cohere',
  operation: 'chat',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function operationOf(path: string): string | null {
  const bare = routePath(path);
  if (/\/v2\/chat$/.test(bare)) return 'chat';
  if (/\/v[12]\/embed$/.test(bare)) return 'embedding';
  return bare.endsWith('/rerank') ? 'rerank' : null;
}

/** Contents and tool calls are counted apart; a citation's number says nothing about the text that it is in. */
function baseOf(source: string, root: JsonNode): string {
  const index = indexMember(source, root);
  const [family] = (stringMember(source, root, 'type') ?? '').split('-');
  return index === null || family === 'citation' ? '' : `/${family}/${index}`;
}

function endingsOf(source: string, root: JsonNode, event: string | null): Endings {
  switch (stringMember(source, root, 'type') ?? event) {
    case 'content-end':
    case 'tool-call-end':
      return { prefixes: [`${baseOf(source, root)}/`], all: false };
    case 'tool-call-start':
      return { prefixes: ['/delta/message/tool_plan'], all: false };
    case 'message-end':
      return { prefixes: [], all: true };
    default:
      return noEndings;
  }
}

function cohereError(error: ClientError): Readonly<Record<string, string>> {
  return { ...error.details, message: error.message, code: error.code, exchange: error.exchange };
}
