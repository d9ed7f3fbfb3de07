import { createBlockFilter } from './block-filter.ts';
import { emptyConversation } from './conversation.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { openAiErrors } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { openJsonStream } from './json-stream.ts';
import { createOpenAiChatShapes } from './openai-chat-shapes.ts';
import { choicesThatEnd } from './openai-choices.ts';
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
    ...openAiErrors,
    id: 'openai.chat',
    matches: (route) => routePath(route.path).endsWith('/chat/completions'),
    readRequest: (body, route) =>
      readJsonBody(body, shapes.request, (source, root) => summarizeRequest(source, root, route)),
    readResponse: (body) =>
      readJsonBody(body, shapes.response, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'model'),
      })),
    openStream: () => openJsonStream({ shape: shapes.chunk, base: () => '', endings: choicesThatEnd }),
    openBlockFilter: (omits) => createBlockFilter({ shape: shapes.chunk }, omits),
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
