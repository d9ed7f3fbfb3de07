import type { SegmentKind } from './conversation.ts';
import { toolDefinitions } from './openai-shapes.ts';
import { free, id, jsonSchema, media, name, object, other, repeating, type Shape, text } from './shape.ts';

/** Where the text lives in Cohere's v2 chat, embed and rerank, and in the rerank of others. */
export interface CohereShapes {
  readonly request: Shape;
  readonly response: Shape;
  readonly event: Shape;
}

export function createCohereShapes(): CohereShapes {
  return { request: requestShape(), response: responseShape(), event: eventShape() };
}

function requestShape(): Shape {
  return object({
    model: id,
    messages: { ...message({}), role: 'member', isScope: true },
    // Strings, or what the caller likes to put in them.
    documents: free('text', { role: 'user' }),
    tools: toolDefinitions(),
    tool_choice: id,
    response_format: object({
      type: name,
      schema: jsonSchema('tool_definition'),
      json_schema: jsonSchema('tool_definition'),
    }),
    citation_options: object({ mode: id }),
    safety_mode: id,
    thinking: object({ type: name }),
    query: text('text', { role: 'user' }),
    texts: text('text', { role: 'user' }),
    inputs: object({ content: parts('text', {}) }, { role: 'user' }),
    images: media('image'),
    input_type: name,
    embedding_types: name,
    truncate: id,
  });
}

function responseShape(): Shape {
  return object(
    {
      id,
      finish_reason: id,
      message: message({}),
      logprobs: repeating('repeat', 'null'),
      results: object({ document: free('text', { role: 'tool' }) }),
      response_type: name,
      texts: text('text', { role: 'user' }),
      // Numbers, or their bytes in Base64.
      embeddings: free('other', { leaf: 'media' }),
    },
    { isScope: true, role: 'assistant' },
  );
}

/** `delta` holds what a message holds, one piece of it. */
function eventShape(): Shape {
  return object(
    {
      type: name,
      id,
      delta: object({
        message: message({ isRunning: true }),
        finish_reason: id,
        error: text('other'),
        usage: other,
      }),
      logprobs: repeating('repeat', 'null'),
    },
    { isScope: true, role: 'assistant' },
  );
}

function message(given: Partial<Shape>): Shape {
  return object(
    {
      role: name,
      content: parts('text', given),
      tool_plan: text('reasoning', given),
      tool_calls: object({
        id,
        type: name,
        function: object({
          name: id,
          arguments: free('tool_arguments', { leaf: 'json', rest: free('tool_arguments'), ...given }),
        }),
      }),
      tool_call_id: id,
      citations: object({
        type: id,
        start: repeating('offset', '0'),
        end: repeating('offset', '0'),
        text: text('text'),
        sources: object({ type: name, id, document: free('tool_result'), tool_output: free('tool_result') }),
      }),
    },
    { rest: given.isRunning ? free('other', given) : other },
  );
}

/** A string, or parts told apart by their members; in an event one part of them. */
function parts(kind: SegmentKind, given: Partial<Shape>): Shape {
  return text(kind, {
    ...given,
    rest: given.isRunning ? free('other', given) : other,
    members: new Map<string, Shape>([
      ['type', name],
      ['text', text(kind, given)],
      ['thinking', text('reasoning', given)],
      ['image_url', object({ url: media('image'), detail: name }, { leaf: 'media', uninspected: 'image' })],
      ['document', object({ id, data: free('tool_result') })],
    ]),
  });
}
