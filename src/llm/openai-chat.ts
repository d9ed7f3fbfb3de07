import { emptyConversation } from './conversation.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { errorEventIn, jsonErrorBody, openAiError } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { indexMember, type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { createOpenAiChatShapes } from './openai-chat-shapes.ts';
import { deploymentOf, toolNames } from './openai-summary.ts';
import { routePath } from './route-path.ts';

/**
 * OpenAI Chat Completions, on any prefix that ends in `/chat/completions`: OpenAI itself, Azure OpenAI (deployments and v1 paths)
 * and the many servers that speak it. A changed message loses its log probabilities (`null`) and its annotations (`[]`),
 * because they repeat its text or point into it.
 */
export function createOpenAiChat(): Dialect {
  const shapes = createOpenAiChatShapes();
  return {
    id: 'openai.chat',
    matches: (route) => routePath(route.path).endsWith('/chat/completions'),
    readRequest: (body, route) =>
      readJsonBody(body, shapes.request, (source, root) => summarizeRequest(source, root, route)),
    readResponse: (body) =>
      readJsonBody(body, shapes.response, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'model'),
      })),
    openStream: () => openJsonStream({ shape: shapes.chunk, base: () => '', endings: endingsOf }),
    errorBody: (error) => jsonErrorBody(openAiError(error)),
    // No `[DONE]` after it: the SDK throws its APIError at this event and reads no further.
    errorEvent: (error, place) => errorEventIn(place, null, openAiError(error)),
  };
}

const summary: Summary = {
  dialect: 'openai.chat',
  operation: 'chat',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function summarizeRequest(source: string, root: JsonNode, route: RouteFacts): Summary {
  const metadata = memberOf(root, 'metadata');
  return {
    ...summary,
    model: stringMember(source, root, 'model') ?? deploymentOf(route.path),
    stream: memberOf(root, 'stream')?.type === 'true',
    tools: [...toolNames(source, memberOf(root, 'tools')), ...toolNames(source, memberOf(root, 'functions'))],
    sessionHint: stringMember(source, metadata, 'session_id') ?? stringMember(source, metadata, 'conversation_id'),
  };
}

/** A choice's texts end with its finish reason; an error is the last event of a stream. */
function endingsOf(source: string, root: JsonNode): Endings {
  const error = memberOf(root, 'error');
  if (error !== undefined && error.type !== 'null') return { prefixes: [], all: true };
  const choices = memberOf(root, 'choices');
  if (choices?.type !== 'array') return noEndings;
  let prefixes: string[] | null = null;
  for (const [position, choice] of choices.items.entries()) {
    if (memberOf(choice, 'finish_reason')?.type !== 'string') continue;
    prefixes ??= [];
    prefixes.push(`/choices/${indexMember(source, choice) ?? position}/`);
  }
  return prefixes === null ? noEndings : { prefixes, all: false };
}
