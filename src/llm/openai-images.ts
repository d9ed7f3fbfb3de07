import { emptyConversation } from './conversation.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { errorEventIn, openAiError, openAiErrors } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { errorObject, filterResults } from './openai-shapes.ts';
import { deploymentOf } from './openai-summary.ts';
import { routePath } from './route-path.ts';
import { free, id, media, name, object, other, reference, type Shape, text } from './shape.ts';

/**
 * OpenAI Images, on any prefix that ends in `/images/generations`, or in `/images/edits` and `/images/variations` where JSON is sent (forms
 * have their own dialect). The prompt and the prompt that the model made of it are read; pictures are not, and are reported.
 */
export function createOpenAiImages(): Dialect {
  const request = requestShape();
  const response = responseShape();
  return {
    ...openAiErrors,
    id: 'openai.images',
    matches: (route) => {
      const path = routePath(route.path);
      return path.endsWith('/images/generations') || (/\/images\/(?:edits|variations)$/.test(path) && sendsJson(route));
    },
    readRequest: (body, route) =>
      readJsonBody(body, request, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'model') ?? deploymentOf(route.path),
        stream: memberOf(root, 'stream')?.type === 'true',
      })),
    readResponse: (body) =>
      readJsonBody(body, response, (source, root) => ({ ...summary, model: stringMember(source, root, 'model') })),
    openStream: () => openJsonStream({ shape: response, base: () => '', endings: endingsOf }),
    errorEvent: (error, place) => errorEventIn(place, 'error', { type: 'error', ...openAiError(error) }),
  };
}

const summary: Summary = {
  dialect: 'openai.images',
  operation: 'image',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function sendsJson(route: RouteFacts): boolean {
  return /^application\/json\b/i.test((route.header('content-type') ?? '').trim());
}

function requestShape(): Shape {
  const picture = object(
    { image_url: media('image'), file_id: reference('image') },
    { leaf: 'media', uninspected: 'image' },
  );
  return object({
    model: id,
    prompt: text('text', { role: 'user' }),
    negative_prompt: text('text', { role: 'user' }),
    image: picture,
    images: picture,
    mask: picture,
    user: free('metadata'),
    ...looks,
  });
}

/** Words for how a picture is to look, in requests and answers alike. */
const looks: Record<string, Shape> = {
  background: name,
  input_fidelity: name,
  moderation: name,
  output_format: name,
  quality: name,
  response_format: name,
  size: id,
  style: name,
};

/** Answers and events: events carry a picture each, and no text in pieces. */
function responseShape(): Shape {
  const picture: Record<string, Shape> = {
    b64_json: media('image'),
    url: media('image'),
    revised_prompt: text('text', { role: 'assistant' }),
    content_filter_results: filterResults,
    prompt_filter_results: filterResults,
  };
  return object({
    ...picture,
    ...looks,
    type: name,
    model: id,
    data: object(picture),
    usage: other,
    error: errorObject,
  });
}

function endingsOf(source: string, root: JsonNode, event: string | null): Endings {
  const type = stringMember(source, root, 'type') ?? event ?? '';
  return type === 'error' || type.endsWith('.completed') ? { prefixes: [], all: true } : noEndings;
}
