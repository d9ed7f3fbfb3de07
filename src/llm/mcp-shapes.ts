import type { Role, SegmentKind } from './conversation.ts';
import { free, id, jsonSchema, media, name, object, other, type Shape, text } from './shape.ts';

/** Where the text lives in a message of the Model Context Protocol, whoever sends it: both sides may call and answer. */
export function createMcpShape(sender: Role): Shape {
  const message: Shape = object(
    {
      jsonrpc: id,
      id,
      method: id,
      params: params(),
      result: result(),
      error: object({ code: id, message: text('text'), data: free('other') }),
    },
    { role: sender },
  );
  return message;
}

const metadata: Shape = free('metadata');

function params(): Shape {
  return object({
    ...shared(),
    // Whom the call serves: the model asks for a tool or a prompt, the server for an answer of model or user.
    arguments: free('tool_arguments', { role: 'assistant' }),
    uri: text('text'),
    messages: object({ role: name, content: content('text') }, { role: 'member' }),
    systemPrompt: text('text', { role: 'system' }),
    message: text('text'),
    requestedSchema: jsonSchema('tool_definition'),
    argument: object({ name: id, value: text('text') }),
    context: object({ arguments: free('tool_arguments') }),
    data: free('tool_result'),
    level: name,
    logger: id,
    clientInfo: metadata,
    toolChoice: object({ mode: name }),
    includeContext: id,
    requestId: id,
    progressToken: id,
  });
}

function result(): Shape {
  return object(
    {
      ...shared(),
      role: name,
      model: id,
      stopReason: id,
      action: name,
      content: { ...content('text'), rest: free('tool_result') },
      structuredContent: free('tool_result'),
      contents: content('text'),
      messages: object({ role: name, content: content('text') }, { role: 'member' }),
      prompts: definition(),
      resources: definition(),
      resourceTemplates: definition(),
      instructions: text('text', { role: 'system' }),
      serverInfo: metadata,
    },
    { role: 'member' },
  );
}

/** Members of what is asked and what is answered. */
function shared(): Record<string, Shape> {
  return {
    name: id,
    _meta: metadata,
    cursor: id,
    nextCursor: id,
    tools: definition(),
    capabilities: other,
  };
}

/** A tool, a prompt, a resource, as lists describe them. */
function definition(): Shape {
  return text('tool_definition', {
    rest: free('tool_definition'),
    members: new Map([
      ['name', id],
      ['inputSchema', jsonSchema('tool_definition')],
      ['outputSchema', jsonSchema('tool_definition')],
      ['mimeType', name],
      ['_meta', metadata],
    ]),
  });
}

/** A block or a list of them, told apart by their members: text, picture, sound, resource, link, and calls in sampling. */
function content(kind: SegmentKind): Shape {
  const members = new Map<string, Shape>();
  const block = text(kind, { members });
  for (const [key, shape] of Object.entries({
    type: name,
    text: text(kind),
    mimeType: name,
    data: media('image'),
    blob: media('file'),
    uri: text('other'),
    name: free('metadata'),
    annotations: metadata,
    _meta: metadata,
    resource: block,
    id,
    toolUseId: id,
    input: free('tool_arguments', { role: 'assistant' }),
    content: { ...block, role: 'tool' },
    structuredContent: free('tool_result', { role: 'tool' }),
  } satisfies Record<string, Shape>)) {
    members.set(key, shape);
  }
  return block;
}
