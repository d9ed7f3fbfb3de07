import { emptyConversation } from './conversation.ts';
import type { Dialect } from './dialect.ts';
import { openAiErrors } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { memberOf, stringMember } from './json-source.ts';
import { openJsonStream } from './json-stream.ts';
import { choicesThatEnd } from './openai-choices.ts';
import { errorObject, filterResults } from './openai-shapes.ts';
import { deploymentOf } from './openai-summary.ts';
import { routePath } from './route-path.ts';
import { free, id, name, object, other, repeating, type Shape, text } from './shape.ts';

/**
 * OpenAI's legacy Completions, on any prefix that ends in `/completions`: OpenAI, Azure OpenAI, vLLM and others. A prompt of token ids
 * cannot be read and is reported. A changed text loses its log probabilities (`null`), which tell it again.
 */
export function createOpenAiCompletions(): Dialect {
  const request = requestShape();
  const response = answerShape({});
  const chunk = answerShape({ isRunning: true });
  return {
    ...openAiErrors,
    id: 'openai.completions',
    matches: (route) => routePath(route.path).endsWith('/completions'),
    readRequest: (body, route) =>
      readJsonBody(body, request, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'model') ?? deploymentOf(route.path),
        stream: memberOf(root, 'stream')?.type === 'true',
        sessionHint: stringMember(source, memberOf(root, 'metadata'), 'session_id'),
      })),
    readResponse: (body) =>
      readJsonBody(body, response, (source, root) => ({ ...summary, model: stringMember(source, root, 'model') })),
    openStream: () => openJsonStream({ shape: chunk, base: () => '', endings: choicesThatEnd }),
  };
}

const summary: Summary = {
  dialect: 'openai.completions',
  operation: 'completion',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function requestShape(): Shape {
  return object({
    model: id,
    prompt: text('text', { role: 'user', uninspected: 'token_ids' }),
    suffix: text('text', { role: 'user' }),
    user: free('metadata'),
    metadata: free('metadata'),
    service_tier: name,
  });
}

function answerShape(given: Partial<Shape>): Shape {
  return object({
    id,
    object: name,
    model: id,
    system_fingerprint: id,
    service_tier: name,
    usage: other,
    choices: object(
      {
        index: name,
        text: text('text', { role: 'assistant', ...given }),
        logprobs: repeating('repeat', 'null'),
        // vLLM: the text once more, as numbers.
        token_ids: repeating('offset', 'null', { uninspected: 'token_ids' }),
        finish_reason: name,
        content_filter_results: filterResults,
      },
      { isScope: true, elementKey: 'index', rest: free('other', given) },
    ),
    prompt_filter_results: filterResults,
    error: errorObject,
  });
}
