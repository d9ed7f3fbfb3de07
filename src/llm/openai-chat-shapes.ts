import type { SealedKind, SegmentKind } from './conversation.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { errorObject, filterResults, functionDefinition, toolDefinitions } from './openai-shapes.ts';
import {
  ciphertext,
  free,
  id,
  jsonSchema,
  media,
  name,
  object,
  other,
  reference,
  repeating,
  type Shape,
  signature,
  text,
} from './shape.ts';

/** Where the text lives in OpenAI's Chat Completions, vendors' additions (Azure, DeepSeek, vLLM, OpenRouter, Mistral) included. */
export interface OpenAiChatShapes {
  readonly request: Shape;
  readonly response: Shape;
  readonly chunk: Shape;
}

export function createOpenAiChatShapes(): OpenAiChatShapes {
  const toolDefinition = free('tool_definition');
  const request = object({
    model: id,
    messages: message({ role: 'member', isScope: true }),
    prediction: object({ type: name, content: content('text') }),
    tools: toolDefinitions(),
    functions: functionDefinition(),
    tool_choice: object({ type: name, function: object({ name: id }), custom: object({ name: id }) }, { leaf: 'name' }),
    function_call: object({ name: id }, { leaf: 'name' }),
    response_format: object({
      type: name,
      json_schema: text('tool_definition', {
        rest: toolDefinition,
        members: new Map([
          ['name', id],
          ['schema', jsonSchema('tool_definition')],
        ]),
      }),
    }),
    web_search_options: free('metadata'),
    user: free('metadata'),
    safety_identifier: free('metadata'),
    prompt_cache_key: free('metadata'),
    metadata: free('metadata'),
    modalities: name,
    audio: object({ format: name, voice: id }),
    reasoning_effort: name,
    verbosity: name,
    service_tier: name,
  });
  const answer = message({ role: 'assistant' });
  const response = object({
    ...envelope(),
    choices: object(
      {
        ...choice(),
        message: answer,
        delta: answer,
        logprobs: logProbabilities(),
        text: text('text', { role: 'assistant' }),
      },
      { isScope: true },
    ),
  });
  const chunk = object({
    ...envelope(),
    choices: object(
      {
        ...choice(),
        message: answer,
        delta: running(answer),
        logprobs: logProbabilities(),
        text: text('text', { role: 'assistant', isRunning: true }),
      },
      { isScope: true, elementKey: 'index' },
    ),
  });
  return { request, response, chunk };
}

/** Members of a response and a chunk alike. */
function envelope(): Record<string, Shape> {
  return {
    id,
    object: name,
    created: name,
    model: id,
    provider: id,
    system_fingerprint: id,
    service_tier: name,
    obfuscation: id,
    usage: other,
    prompt_filter_results: filterResults,
    error: errorObject,
  };
}

function choice(): Record<string, Shape> {
  return {
    index: name,
    finish_reason: name,
    native_finish_reason: id,
    content_filter_results: filterResults,
    // vLLM: the text once more, as numbers.
    token_ids: repeating('offset', 'null', { uninspected: 'token_ids' }),
  };
}

/** Log probabilities tell the text again, token by token: they go when the text is changed. */
function logProbabilities(): Shape {
  return repeating('repeat', 'null');
}

/** OpenRouter: reasoning as its maker gave it, which may be signed, or is encrypted. */
function sealOfDetail(source: string, detail: JsonNode): SealedKind | null {
  const type = stringMember(source, detail, 'type');
  if (type === 'reasoning.text') return 'signed';
  return type === 'reasoning.encrypted' || memberOf(detail, 'data')?.type === 'string' ? 'encrypted' : null;
}

function message(given: Partial<Shape>): Shape {
  return object(
    {
      role: name,
      name: free('metadata'),
      content: content('text'),
      refusal: text('refusal'),
      reasoning_content: content('reasoning'),
      reasoning: content('reasoning'),
      reasoning_details: text('reasoning', {
        rest: text('reasoning'),
        members: new Map<string, Shape>([
          ['type', name],
          ['id', id],
          ['format', id],
          ['data', ciphertext],
          ['signature', signature],
          ['text', text('reasoning', { sealedBy: 'signature' })],
        ]),
        elementKey: 'index',
        sealOf: sealOfDetail,
      }),
      tool_calls: object(
        {
          id,
          type: name,
          function: object({ name: id, arguments: toolArguments() }),
          custom: object({ name: id, input: free('tool_arguments') }),
        },
        { elementKey: 'index' },
      ),
      tool_call_id: id,
      function_call: object({ name: id, arguments: toolArguments() }),
      audio: object({
        id: reference('audio'),
        data: media('audio'),
        transcript: text('text'),
        format: name,
      }),
      // Offsets into the text that a replacement would make wrong.
      annotations: object({ type: name }, { repeats: '[]' }),
    },
    given,
  );
}

/** Arguments stand in a string; some servers send them as the object itself. */
function toolArguments(): Shape {
  return free('tool_arguments', { leaf: 'json', rest: free('tool_arguments') });
}

/** A string, or parts told apart by their members and not by their `type`, which may lie. */
function content(kind: SegmentKind): Shape {
  return text(kind, {
    members: new Map<string, Shape>([
      ['type', name],
      ['text', text(kind)],
      ['content', text(kind)],
      ['refusal', text('refusal')],
      [
        'thinking',
        text('reasoning', {
          members: new Map([
            ['type', name],
            ['text', text('reasoning')],
          ]),
        }),
      ],
      ['image_url', object({ url: media('image'), detail: name }, { leaf: 'media', uninspected: 'image' })],
      ['video_url', object({ url: media('file') }, { leaf: 'media', uninspected: 'file' })],
      ['input_audio', object({ data: media('audio'), format: name })],
      ['file', object({ file_data: media('file'), file_id: reference('file'), filename: free('metadata') })],
      ['cache_control', object({ type: name, ttl: id })],
    ]),
  });
}

/**
 * The shape of a piece of what `whole` is the shape of: each text continues a running one, and so does a string that nobody
 * named, because vendors add fields and their text comes in pieces too.
 */
function running(whole: Shape): Shape {
  return { ...piecewise(whole), token: '' };
}

function piecewise(shape: Shape): Shape {
  if (shape.repeats !== null) return shape;
  const members = new Map<string, Shape>();
  for (const [key, member] of shape.members) members.set(key, piecewise(member));
  return {
    ...shape,
    members,
    rest: shape.rest === null ? null : piecewise(shape.rest),
    isRunning: shape.leaf === 'text' || shape.leaf === 'json',
  };
}
