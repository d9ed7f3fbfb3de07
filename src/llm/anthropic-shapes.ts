import type { Role, SealedKind, Uninspected } from './conversation.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import {
  ciphertext,
  free,
  id,
  jsonSchema,
  media,
  name,
  object,
  reference,
  type Shape,
  signature,
  text,
} from './shape.ts';

/** Where the text lives in Anthropic's Messages API, beta blocks included. */
export interface AnthropicShapes {
  readonly request: Shape;
  readonly batch: Shape;
  readonly response: Shape;
  readonly event: Shape;
}

export function createAnthropicShapes(): AnthropicShapes {
  const toolDefinition = free('tool_definition');
  const sent = blocks({ isReplayed: true });
  const request = object({
    model: id,
    system: withRole(sent, 'system'),
    messages: object({ role: name, content: sent }, { role: 'member', goesWhenEmptied: true }),
    tools: text('tool_definition', {
      rest: toolDefinition,
      members: new Map([
        ['type', name],
        ['name', id],
        ['input_schema', jsonSchema('tool_definition')],
        ['cache_control', cacheControl],
      ]),
    }),
    tool_choice: object({ type: name, name: id }),
    metadata: free('metadata'),
    mcp_servers: object({ type: name, name: id }),
    container: object({ id: reference('server_history') }, { leaf: 'id', uninspected: 'server_history' }),
    thinking: object({ type: name }),
    output_config: object({ effort: name, format: object({ type: name, schema: jsonSchema('tool_definition') }) }),
    service_tier: name,
    speed: name,
    inference_geo: name,
    cache_control: cacheControl,
  });
  const batch = object({ requests: object({ custom_id: id, params: request }) });
  const message = {
    id,
    type: name,
    role: name,
    model: id,
    content: blocks({ isReplayed: false }),
    stop_reason: name,
    stop_details: object({ type: name, category: name }),
    usage: object({ service_tier: name, inference_geo: name }),
    container: object({ id, expires_at: name }),
    request_id: id,
    error: object({ type: name }),
  };
  const response = object(message, { role: 'assistant' });
  const event = object(
    {
      type: name,
      message: response,
      content_block: firstPiece(message.content),
      delta: nextPiece(message),
      usage: message.usage,
      request_id: id,
      error: message.error,
      // A line of a batch's results.
      custom_id: id,
      result: object({ type: name, message: response, error: object({ type: name, error: message.error }) }),
    },
    { role: 'assistant' },
  );
  return { request, batch, response, event };
}

const sealedTypes: ReadonlyMap<string, SealedKind> = new Map<string, SealedKind>([
  ['thinking', 'signed'],
  ['redacted_thinking', 'encrypted'],
  ['compaction', 'encrypted'],
  ['web_search_result', 'encrypted'],
  ['web_search_result_location', 'encrypted'],
  ['encrypted_code_execution_result', 'encrypted'],
  ['advisor_redacted_result', 'encrypted'],
]);

/** A block, a result of a search, a citation; a tool's result is sealed when what it holds is. Told by its type. */
export function sealOfBlock(source: string, block: JsonNode): SealedKind | null {
  const own = sealedTypes.get(stringMember(source, block, 'type') ?? '');
  const content = own === undefined ? memberOf(block, 'content') : undefined;
  return own ?? (content?.type === 'object' ? sealOfBlock(source, content) : null);
}

const cacheControl: Shape = object({ type: name, ttl: id });

interface BlockOptions {
  /**
   * Blocks of a request come back to the provider, who verifies signed thinking: it is not ours to change, and it came from there.
   * In an answer it is masked like any text; the block cannot be replayed then, but nothing leaks.
   */
  readonly isReplayed: boolean;
}

/** A string, or content blocks. Members are told apart by name; `type` only refines what a part is called. */
function blocks({ isReplayed }: BlockOptions): Shape {
  const members = new Map<string, Shape>();
  const variants = new Map<string, Shape>();
  const block = text('text', { members, variants, sealOf: sealOfBlock });
  const citation = object(
    { type: name, file_id: reference('file'), encrypted_index: ciphertext },
    { sealOf: sealOfBlock },
  );
  for (const [key, shape] of Object.entries({
    type: name,
    id,
    tool_use_id: id,
    name: id,
    server_name: id,
    toolset_name: id,
    tool_name: id,
    error_code: name,
    cache_control: cacheControl,
    caller: object({ type: name, tool_id: id }),
    text: text('text'),
    title: text('text'),
    context: text('text'),
    citations: citation,
    citation,
    thinking: text('reasoning', { sealedBy: isReplayed ? 'signature' : null }),
    signature,
    data: ciphertext,
    encrypted_content: ciphertext,
    encrypted_stdout: ciphertext,
    input: free('tool_arguments'),
    file_id: reference('file'),
    source: sourceOf(block, 'file'),
    content: results(block),
  } satisfies Record<string, Shape>)) {
    members.set(key, shape);
  }
  variants.set('image', variant(block, { source: sourceOf(block, 'image') }));
  variants.set('compaction', variant(block, { content: block }));
  return block;
}

function variant(block: Shape, members: Readonly<Record<string, Shape>>): Shape {
  return { ...block, members: new Map([...block.members, ...Object.entries(members)]) };
}

/** What an image or a document is made of; a search result's source is a plain string. */
function sourceOf(block: Shape, uninspected: Uninspected['kind']): Shape {
  return text('text', {
    members: new Map<string, Shape>([
      ['type', name],
      ['media_type', name],
      ['data', media(uninspected, 'text')],
      ['url', media(uninspected)],
      ['file_id', reference(uninspected)],
      ['content', block],
    ]),
  });
}

/** What a tool gave back: a string, blocks, or an object of the tool's own making. */
function results(block: Shape): Shape {
  return { ...block, kind: 'tool_result', role: 'tool', rest: free('tool_result') };
}

function withRole(shape: Shape, role: Role): Shape {
  return { ...shape, role };
}

/** `content_block`: whole blocks stand in it, and the beginning of a text that deltas go on with. */
function firstPiece(block: Shape): Shape {
  const pieces = variant(block, {
    text: text('text', { isRunning: true }),
    thinking: text('reasoning', { isRunning: true }),
  });
  return { ...pieces, token: '' };
}

/** `delta` of a block or of the message; a string that nobody named goes on from event to event. */
function nextPiece(message: {
  readonly stop_reason: Shape;
  readonly stop_details: Shape;
  readonly container: Shape;
}): Shape {
  return object(
    {
      type: name,
      text: text('text', { isRunning: true }),
      thinking: text('reasoning', { isRunning: true }),
      partial_json: free('tool_arguments', { leaf: 'json', isRunning: true }),
      content: text('text', { isRunning: true }),
      signature,
      citation: object({ type: name, file_id: reference('file'), encrypted_index: ciphertext }),
      encrypted_content: ciphertext,
      stop_reason: message.stop_reason,
      stop_sequence: text('other'),
      stop_details: message.stop_details,
      container: message.container,
    },
    { token: '', rest: free('other', { isRunning: true }) },
  );
}
