import { emptyConversation } from './conversation.ts';
import type { Dialect } from './dialect.ts';
import { openAiErrors } from './error-body.ts';
import { createGenericJson } from './generic-json.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { stringMember } from './json-source.ts';
import { errorObject } from './openai-shapes.ts';
import { routePath } from './route-path.ts';
import { id, media, name, object, text } from './shape.ts';

/** OpenAI Moderations, on any prefix that ends in `/moderations`: text and pictures in, numbers out. */
export function createOpenAiModerations(): Dialect {
  const request = object({
    model: id,
    input: text('text', {
      role: 'user',
      members: new Map([
        ['type', name],
        ['text', text('text')],
        ['image_url', object({ url: media('image') }, { leaf: 'media', uninspected: 'image' })],
      ]),
    }),
  });
  const response = object({ id, model: id, error: errorObject });
  return {
    ...openAiErrors,
    id: 'openai.moderations',
    matches: (route) => routePath(route.path).endsWith('/moderations'),
    readRequest: (body) =>
      readJsonBody(body, request, (source, root) => ({ ...summary, model: stringMember(source, root, 'model') })),
    readResponse: (body) =>
      readJsonBody(body, response, (source, root) => ({ ...summary, model: stringMember(source, root, 'model') })),
    // Verdicts are not streamed; if they were, nothing would go unread.
    openStream: createGenericJson().openStream,
  };
}

const summary: Summary = {
  dialect: 'openai.moderations',
  operation: 'moderation',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};
