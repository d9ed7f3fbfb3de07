import type { SealedKind, SegmentKind } from './conversation.ts';
import { type JsonNode, stringMember } from './json-source.ts';
import { errorObject, filterResults } from './openai-shapes.ts';
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
  text,
} from './shape.ts';

/** Where the text lives in OpenAI's Responses and Conversations, Azure's additions included. */
export interface OpenAiResponsesShapes {
  readonly request: Shape;
  readonly response: Shape;
  readonly event: Shape;
}

export function createOpenAiResponsesShapes(): OpenAiResponsesShapes {
  const tools = toolDefinitions();
  const items = itemsWith(tools);
  const request = object({
    ...settings(tools),
    instructions: withRole(items, 'system'),
    input: items,
    items,
    previous_response_id: reference('server_history'),
    conversation: object({ id: reference('server_history') }, { leaf: 'id', uninspected: 'server_history' }),
    prompt: object({
      id: reference('server_history'),
      version: id,
      variables: text('text', { role: 'user', rest: contentOf('text') }),
    }),
  });
  const said = withRole(items, 'assistant');
  const response = object({
    ...settings(tools),
    id,
    object: name,
    status: name,
    instructions: request.members.get('instructions') ?? other,
    input: items,
    output: said,
    data: items,
    content: said.members.get('content') ?? other,
    role: name,
    type: name,
    first_id: id,
    last_id: id,
    previous_response_id: id,
    conversation: object({ id }, { leaf: 'id' }),
    prompt: object({ id, version: id, variables: text('text', { role: 'user', rest: contentOf('text') }) }),
    incomplete_details: object({ reason: name }),
    usage: other,
    error: errorObject,
    // Azure: verdicts of its content filter, as words (`safe`, `filtered`).
    content_filters: filterResults,
    prompt_filter_results: filterResults,
  });
  return { request, response, event: eventOf(response, said) };
}

function withRole(shape: Shape, role: Shape['role']): Shape {
  return { ...shape, role };
}

/** Members of a request that come back in every copy of the response. */
function settings(tools: Shape): Record<string, Shape> {
  return {
    model: id,
    tools,
    tool_choice: object({ type: name, name: id, server_label: id, mode: name, tools }, { leaf: 'name' }),
    text: object({
      verbosity: name,
      format: text('tool_definition', {
        rest: free('tool_definition'),
        members: new Map([
          ['type', name],
          ['name', id],
          ['schema', jsonSchema('tool_definition')],
        ]),
      }),
    }),
    reasoning: object({ effort: name, summary: name, generate_summary: name }),
    include: id,
    truncation: name,
    service_tier: name,
    prompt_cache_retention: id,
    prompt_cache_key: free('metadata'),
    safety_identifier: free('metadata'),
    user: free('metadata'),
    metadata: free('metadata'),
  };
}

/** `authorization`, `headers` and `server_url` of an MCP server are read like any other text: they are credentials. */
function toolDefinitions(): Shape {
  const members = new Map<string, Shape>([
    ['type', name],
    ['name', id],
    ['server_label', id],
    ['connector_id', id],
    ['allowed_tools', id],
    ['parameters', jsonSchema('tool_definition')],
    ['input_schema', jsonSchema('tool_definition')],
    ['vector_store_ids', reference('file')],
    [
      'container',
      text('tool_definition', {
        rest: free('tool_definition'),
        leaf: 'id',
        uninspected: 'file',
        members: new Map([
          ['type', name],
          ['file_ids', reference('file')],
        ]),
      }),
    ],
  ]);
  const tools = text('tool_definition', { rest: free('tool_definition'), members });
  members.set('tools', tools);
  return tools;
}

/** A string, or parts told apart by their members and not by their `type`, which may lie. */
function contentOf(kind: SegmentKind): Shape {
  return text(kind, {
    isScope: true,
    members: new Map<string, Shape>([
      ['type', name],
      ['text', text(kind)],
      ['refusal', text('refusal')],
      ['transcript', text(kind)],
      ['annotations', annotation],
      ['logprobs', repeating('repeat', '[]')],
      ['image_url', object({ url: media('image') }, { leaf: 'media', uninspected: 'image' })],
      ['detail', name],
      ['file_data', media('file')],
      ['file_url', media('file')],
      ['file_id', reference('file')],
      ['filename', free('metadata')],
      ['input_audio', object({ data: media('audio'), format: name })],
      ['data', media('audio')],
    ]),
  });
}

/** A citation stays when the text that it points into is changed; its position in it is then `0`. */
const annotation: Shape = object({
  type: name,
  file_id: reference('file'),
  container_id: id,
  start_index: repeating('offset', '0'),
  end_index: repeating('offset', '0'),
});

/** An item that may have an `encrypted_content`, whether the request asked for it or not, or a `fingerprint`. */
export function sealOfItem(source: string, item: JsonNode): SealedKind | null {
  return sealedItems.has(stringMember(source, item, 'type') ?? '') ? 'encrypted' : null;
}

const sealedItems: ReadonlySet<string> = new Set(['reasoning', 'compaction', 'program']);

/** A string, or items of every type: their members do not clash, but for what a picture and a program give as `result`. */
function itemsWith(tools: Shape): Shape {
  const content = contentOf('text');
  const reasoning = contentOf('reasoning');
  const call = free('tool_arguments', { role: 'assistant' });
  const results = { ...content, kind: 'tool_result', role: 'tool', rest: free('tool_result') } as const satisfies Shape;
  const members = new Map<string, Shape>(
    Object.entries({
      type: name,
      id,
      call_id: id,
      approval_request_id: id,
      status: name,
      role: name,
      phase: name,
      execution: name,
      namespace: id,
      name: id,
      server_label: id,
      created_by: id,
      content,
      summary: { ...reasoning, role: 'assistant' },
      encrypted_content: ciphertext,
      fingerprint: ciphertext,
      arguments: { ...call, leaf: 'json', rest: free('tool_arguments') },
      input: call,
      code: call,
      action: { ...call, members: new Map([['type', name]]), rest: free('tool_arguments') },
      actions: { ...call, members: new Map([['type', name]]), rest: free('tool_arguments') },
      operation: { ...call, members: new Map([['type', name]]), rest: free('tool_arguments') },
      queries: call,
      pending_safety_checks: object({ id, code: name }, { role: 'assistant' }),
      output: results,
      outputs: results,
      results,
      result: free('tool_result', { role: 'tool' }),
      error: free('tool_result', { role: 'tool' }),
      reason: text('text', { role: 'user' }),
      container_id: id,
      tools: { ...tools, role: 'tool' },
    } satisfies Record<string, Shape>),
  );
  const item = text('text', { members, role: 'member or user', sealOf: sealOfItem });
  const variant = (given: Readonly<Record<string, Shape>>): Shape => ({
    ...item,
    members: new Map([...members, ...Object.entries(given)]),
  });
  const variants = new Map<string, Shape>([
    ['reasoning', { ...variant({ content: reasoning }), role: 'assistant' }],
    ['image_generation_call', variant({ result: media('image') })],
    // Stands for an item that the provider keeps.
    ['item_reference', variant({ id: reference('server_history') })],
  ]);
  return { ...item, variants };
}

/**
 * Every event carries at most one text in pieces, its `delta`; an unknown event's strings are taken for pieces too. All else is a copy:
 * of a text (`*.done`), a part, an item, the response.
 */
function eventOf(response: Shape, items: Shape): Shape {
  const members = new Map<string, Shape>(
    Object.entries({
      type: name,
      event_id: id,
      item_id: id,
      response_id: id,
      name: id,
      obfuscation: id,
      response,
      item: items,
      part: contentOf('text'),
      delta: free('other', { isRunning: true }),
      text: text('text'),
      refusal: text('refusal'),
      transcript: text('text'),
      arguments: free('tool_arguments', { leaf: 'json' }),
      input: free('tool_arguments'),
      code: free('tool_arguments'),
      annotation,
      logprobs: repeating('repeat', '[]'),
      partial_image_b64: media('image'),
      message: text('text'),
      param: id,
      error: errorObject,
    } satisfies Record<string, Shape>),
  );
  const event = text('other', {
    members,
    role: 'assistant',
    isScope: true,
    rest: free('other', { isRunning: true }),
  });
  const variants = new Map<string, Shape>();
  const pieces = (kind: SegmentKind, leaf: 'text' | 'json', families: readonly string[]): void => {
    for (const family of families) {
      const delta = free(kind, { leaf, isRunning: true });
      variants.set(`response.${family}.delta`, { ...event, members: new Map([...members, ['delta', delta]]) });
      if (kind !== 'reasoning') continue;
      variants.set(`response.${family}.done`, { ...event, members: new Map([...members, ['text', text(kind)]]) });
    }
  };
  pieces('text', 'text', ['output_text', 'audio.transcript', 'audio_transcript', 'output_audio_transcript']);
  pieces('refusal', 'text', ['refusal']);
  pieces('reasoning', 'text', ['reasoning_text', 'reasoning_summary_text', 'reasoning', 'reasoning_summary']);
  pieces('tool_arguments', 'json', ['function_call_arguments', 'mcp_call_arguments', 'mcp_call.arguments']);
  pieces('tool_arguments', 'text', [
    'custom_tool_call_input',
    'code_interpreter_call_code',
    'code_interpreter_call.code',
  ]);
  for (const part of ['added', 'done']) {
    const summary = { ...event, members: new Map([...members, ['part', contentOf('reasoning')]]) };
    variants.set(`response.reasoning_summary_part.${part}`, summary);
  }
  for (const audio of ['response.audio.delta', 'response.output_audio.delta']) {
    variants.set(audio, { ...event, members: new Map([...members, ['delta', media('audio')]]) });
  }
  return { ...event, variants };
}
