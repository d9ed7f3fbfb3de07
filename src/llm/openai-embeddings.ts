import { emptyConversation } from './conversation.ts';
import type { Dialect } from './dialect.ts';
import { openAiErrors } from './error-body.ts';
import { createGenericJson } from './generic-json.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { stringMember } from './json-source.ts';
import { errorObject } from './openai-shapes.ts';
import { deploymentOf } from './openai-summary.ts';
import { routePath } from './route-path.ts';
import { free, id, name, object, other, text } from './shape.ts';

/** OpenAI Embeddings, on any prefix that ends in `/embeddings`. Input of token ids cannot be read and is reported. */
export function createOpenAiEmbeddings(): Dialect {
  const request = object({
    model: id,
    input: text('text', { role: 'user', uninspected: 'token_ids' }),
    encoding_format: name,
    user: free('metadata'),
  });
  const response = object({
    object: name,
    model: id,
    usage: other,
    // Numbers, or their bytes in Base64.
    data: object({ object: name, embedding: text('other', { leaf: 'media' }) }),
    error: errorObject,
  });
  return {
    ...openAiErrors,
    id: 'openai.embeddings',
    matches: (route) => routePath(route.path).endsWith('/embeddings'),
    readRequest: (body, route) =>
      readJsonBody(body, request, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'model') ?? deploymentOf(route.path),
      })),
    readResponse: (body) =>
      readJsonBody(body, response, (source, root) => ({ ...summary, model: stringMember(source, root, 'model') })),
    // Embeddings are not streamed; if they were, nothing would go unread.
    openStream: createGenericJson().openStream,
  };
}

const summary: Summary = {
  dialect: 'openai.embeddings',
  operation: 'embedding',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};
