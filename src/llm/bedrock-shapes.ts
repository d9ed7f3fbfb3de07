import type { SealedKind } from './conversation.ts';
import { type JsonNode, memberOf } from './json-source.ts';
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
  type Shape,
  signature,
  text,
} from './shape.ts';

/** Where the text lives in Bedrock's Converse, and in the native bodies of models that have no dialect of their own. */
export interface BedrockShapes {
  readonly request: Shape;
  readonly response: Shape;
  readonly event: Shape;
  readonly nativeRequest: Shape;
  readonly nativeResponse: Shape;
}

export function createBedrockShapes(): BedrockShapes {
  const turns = free('text', { role: 'member or user', members: new Map([['role', name]]) });
  return {
    request: requestShape(),
    response: responseShape(),
    event: eventShape(),
    // Titan, Llama, Mistral, Cohere, Jurassic, Stability: whatever their members are called, they are text.
    nativeRequest: object({
      messages: turns,
      chat_history: turns,
      system: free('text', { role: 'system' }),
      preamble: free('text', { role: 'system' }),
      prompt: free('text', { role: 'user' }),
      message: free('text', { role: 'user' }),
      inputText: free('text', { role: 'user' }),
      texts: free('text', { role: 'user' }),
      inputImage: media('image'),
      init_image: media('image'),
      images: media('image'),
    }),
    nativeResponse: object(
      {
        images: media('image'),
        artifacts: object({ base64: media('image'), finishReason: id }),
        stop_reason: name,
        completionReason: id,
      },
      { role: 'assistant', kind: 'text', rest: free('text') },
    ),
  };
}

const cachePoint: Shape = object({ type: name, ttl: id });

function requestShape(): Shape {
  const content = blocks({ isReplayed: true });
  return object({
    modelId: id,
    system: { ...content, role: 'system' },
    messages: object({ role: name, content }, { role: 'member', goesWhenEmptied: true }),
    toolConfig: object({
      tools: text('tool_definition', {
        rest: free('tool_definition'),
        members: new Map<string, Shape>([
          [
            'toolSpec',
            text('tool_definition', {
              rest: free('tool_definition'),
              members: new Map([
                ['name', id],
                ['inputSchema', object({ json: jsonSchema('tool_definition') })],
              ]),
            }),
          ],
          ['systemTool', object({ name: id })],
          ['cachePoint', cachePoint],
        ]),
      }),
      toolChoice: object({ tool: object({ name: id }) }),
    }),
    guardrailConfig: object({ guardrailIdentifier: id, guardrailVersion: id, trace: name, streamProcessingMode: name }),
    promptVariables: free('text', { role: 'user' }),
    requestMetadata: free('metadata'),
    performanceConfig: object({ latency: name }),
    schemaVersion: id,
  });
}

function responseShape(): Shape {
  const content = blocks({ isReplayed: false });
  return object(
    {
      output: object({ message: object({ role: name, content }, { role: 'member' }) }),
      stopReason: name,
      usage: other,
      metrics: other,
      performanceConfig: object({ latency: name }),
    },
    { role: 'assistant' },
  );
}

/** Of a block, or of a piece of one. */
export function sealOfReasoning(block: JsonNode | undefined): SealedKind | null {
  const reasoning = memberOf(block, 'reasoningContent');
  if (reasoning === undefined) return null;
  return memberOf(reasoning, 'redactedContent')?.type === 'string' ? 'encrypted' : 'signed';
}

interface BlockOptions {
  /** Reasoning that comes back signed is verified by the model's maker: it is read and never changed. */
  readonly isReplayed: boolean;
}

/** Content blocks, told apart by which member they have. */
function blocks({ isReplayed }: BlockOptions): Shape {
  const members = new Map<string, Shape>();
  const block = text('text', { members, sealOf: (_source, node) => sealOfReasoning(node) });
  const picture = object({ format: name, source: source('image', block) });
  const citation = object({ title: text('text'), source: text('text'), sourceContent: object({ text: text('text') }) });
  for (const [key, shape] of Object.entries({
    text: text('text'),
    image: picture,
    video: object({ format: name, source: source('file', block) }),
    audio: object({ format: name, source: source('audio', block) }),
    document: object({
      format: name,
      name: free('metadata'),
      context: text('text'),
      source: source('file', block),
    }),
    toolUse: object({ toolUseId: id, name: id, type: name, input: free('tool_arguments') }, { role: 'assistant' }),
    toolResult: object(
      {
        toolUseId: id,
        status: name,
        type: name,
        content: { ...block, kind: 'tool_result', rest: free('tool_result') },
      },
      { role: 'tool' },
    ),
    guardContent: object({ text: object({ text: text('text'), qualifiers: name }), image: picture }),
    cachePoint,
    reasoningContent: object({
      reasoningText: object({ text: text('reasoning', { sealedBy: isReplayed ? 'signature' : null }), signature }),
      redactedContent: ciphertext,
    }),
    citationsContent: object({ content: object({ text: text('text') }), citations: citation }),
    searchResult: object({
      source: text('text'),
      title: text('text'),
      content: object({ text: text('text') }),
    }),
  } satisfies Record<string, Shape>)) {
    members.set(key, shape);
  }
  return block;
}

function source(kind: 'image' | 'file' | 'audio', block: Shape): Shape {
  return object({
    bytes: media(kind),
    s3Location: object({ uri: reference(kind), bucketOwner: id }),
    text: text('text'),
    content: block,
  });
}

/** Pieces of one block each, and what no rule names: a string there goes on from event to event. */
function eventShape(): Shape {
  const isRunning = true;
  const unnamed = free('other', { isRunning });
  const citation = object({ title: text('text'), source: text('text'), sourceContent: object({ text: text('text') }) });
  const delta = object(
    {
      text: text('text', { isRunning }),
      toolUse: object({ input: free('tool_arguments', { leaf: 'json', isRunning }) }),
      toolResult: object(
        { text: text('text', { isRunning }), json: free('tool_result') },
        { role: 'tool', elementKey: '' },
      ),
      reasoningContent: object({
        text: text('reasoning', { isRunning }),
        signature,
        redactedContent: ciphertext,
      }),
      citation,
      image: object({ source: object({ bytes: media('image') }) }),
    },
    { rest: unnamed },
  );
  return object(
    {
      role: name,
      start: object({
        toolUse: object({ toolUseId: id, name: id, type: name }),
        toolResult: object({ toolUseId: id, status: name, type: name }),
        image: object({ format: name }),
      }),
      delta,
      stopReason: name,
      additionalModelResponseFields: other,
      usage: other,
      metrics: other,
      // A guardrail's trace tells the whole answer again.
      trace: other,
      performanceConfig: object({ latency: name }),
      message: text('other'),
      originalMessage: text('other'),
      // Padding against guessing by length.
      p: id,
    },
    { role: 'assistant', rest: unnamed },
  );
}
