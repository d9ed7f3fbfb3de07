import type { Role, SealedKind, SegmentKind } from './conversation.ts';
import { type JsonNode, memberOf } from './json-source.ts';
import {
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

/** Where the text lives in Gemini's and Vertex AI's `generateContent` and its siblings. */
export interface GoogleShapes {
  readonly request: Shape;
  readonly response: Shape;
  readonly event: Shape;
}

export function createGoogleShapes(): GoogleShapes {
  return { request: requestShape(), response: answerShape(false), event: answerShape(true) };
}

/** Members in camel case are accepted in snake case as well (protobuf's JSON mapping). */
function anyCase(members: Readonly<Record<string, Shape>>): Record<string, Shape> {
  const both: Record<string, Shape> = {};
  for (const [key, shape] of Object.entries(members)) {
    both[key] = shape;
    both[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = shape;
  }
  return both;
}

function requestShape(): Shape {
  const toolDefinition = free('tool_definition');
  const schemas = anyCase({
    parameters: jsonSchema('tool_definition'),
    parametersJsonSchema: jsonSchema('tool_definition'),
    response: jsonSchema('tool_definition'),
    responseJsonSchema: jsonSchema('tool_definition'),
    responseSchema: jsonSchema('tool_definition'),
  });
  const members = new Map<string, Shape>(
    Object.entries(
      anyCase({
        model: id,
        contents: { ...contentOf({ role: 'member or user' }), goesWhenEmptied: true },
        content: contentOf({ role: 'member or user' }),
        systemInstruction: contentOf({ role: 'system' }),
        tools: text('tool_definition', {
          rest: toolDefinition,
          members: new Map(
            Object.entries(
              anyCase({
                functionDeclarations: text('tool_definition', {
                  rest: toolDefinition,
                  members: new Map(Object.entries({ ...schemas, name: id, behavior: id })),
                }),
              }),
            ),
          ),
        }),
        toolConfig: object(anyCase({ functionCallingConfig: object(anyCase({ mode: id, allowedFunctionNames: id })) })),
        generationConfig: object({ ...schemas, ...anyCase({ responseMimeType: name, responseModalities: id }) }),
        safetySettings: object({ category: id, threshold: id, method: id }),
        cachedContent: reference('server_history'),
        labels: free('metadata'),
        taskType: id,
        title: text('text', { role: 'user' }),
      }),
    ),
  );
  const request = text('other', { members });
  // countTokens wraps a whole request, batchEmbedContents holds many.
  for (const key of ['generateContentRequest', 'generate_content_request', 'requests']) members.set(key, request);
  return request;
}

/** Answers, and events of a stream, which are answers in pieces: of one list of parts whose texts run on. */
function answerShape(isStream: boolean): Shape {
  const offset = repeating('offset', '0');
  const citation = object({ startIndex: offset, endIndex: offset });
  return object({
    candidates: object(
      {
        index: name,
        content: contentOf({ role: 'member', isStream }),
        finishReason: id,
        safetyRatings: free('other', { leaf: 'id' }),
        citationMetadata: object({ citations: citation, citationSources: citation }),
        groundingMetadata: object({
          groundingSupports: object({ segment: object({ startIndex: offset, endIndex: offset, text: text('text') }) }),
        }),
        logprobsResult: repeating('repeat', 'null'),
      },
      { isScope: true, elementKey: 'index', role: 'assistant' },
    ),
    promptFeedback: object({ blockReason: id, safetyRatings: free('other', { leaf: 'id' }) }),
    usageMetadata: free('other', { leaf: 'id' }),
    modelVersion: id,
    responseId: id,
    error: object({ status: id }),
  });
}

interface ContentOptions {
  readonly role: Role | 'member' | 'member or user';
  readonly isStream?: boolean;
}

function contentOf({ role, isStream = false }: ContentOptions): Shape {
  const part = partOf('text', isStream);
  const thought: Shape = {
    ...part,
    members: new Map([...part.members, ['text', text('reasoning', { isRunning: isStream, token: 'thought' })]]),
  };
  return object(
    {
      role: name,
      parts: {
        ...part,
        variantBy: 'thought',
        variants: new Map([['true', thought]]),
        elementKey: isStream ? '' : null,
        sealOf: sealOfPart,
      },
    },
    // The SDKs take a bare string for contents; servers of other makers do too.
    { role, kind: 'text' },
  );
}

/**
 * A signature may stand beside anything, a call or the answer itself, and seals a thought that is not in the body. So it goes alone, but for a
 * part that is a thought, or says nothing else.
 */
function sealOfPart(_source: string, part: JsonNode): SealedKind | null {
  if (part.type !== 'object') return null;
  const isSignature = (name: string): boolean => name === 'thoughtSignature' || name === 'thought_signature';
  if (!part.members.some(({ name, value }) => isSignature(name) && isText(value))) return null;
  const isBare = part.members.every(
    ({ name, value }) => isSignature(name) || name === 'thought' || (name === 'text' && !isText(value)),
  );
  return isBare || memberOf(part, 'thought')?.type === 'true' ? 'signed' : null;
}

function isText(node: JsonNode): boolean {
  return node.type === 'string' && node.end - node.start > 2;
}

/** A part is told by which member it has. In an answer the thought signature seals nothing but itself: what stands beside it may change. */
function partOf(kind: SegmentKind, isRunning: boolean): Shape {
  const mime = name;
  const call: Shape = object({ name: id, id, args: free('tool_arguments'), partialArgs: partialArguments(isRunning) });
  const result = object(
    { name: id, id, scheduling: id, response: free('tool_result', { role: 'tool' }) },
    { role: 'tool' },
  );
  const blob = { ...anyCase({ mimeType: mime, displayName: free('metadata') }) };
  return text(kind, {
    rest: isRunning ? free('other', { isRunning }) : other,
    members: new Map(
      Object.entries(
        anyCase({
          text: text(kind, { isRunning }),
          thought: text('reasoning', { isRunning }),
          thoughtSignature: { ...signature, sealedAlone: 'signed' },
          functionCall: withRole(call, 'assistant'),
          functionResponse: result,
          toolCall: object({ id, ...anyCase({ toolType: id }), args: free('tool_arguments') }, { role: 'assistant' }),
          toolResponse: object({ id, ...anyCase({ toolType: id }), response: free('tool_result') }, { role: 'tool' }),
          executableCode: object(
            { id, language: id, code: free('tool_arguments', { isRunning }) },
            { role: 'assistant' },
          ),
          codeExecutionResult: object(
            { id, outcome: id, output: free('tool_result', { isRunning }) },
            { role: 'tool' },
          ),
          inlineData: object({ ...blob, data: media('file') }),
          fileData: object({ ...blob, ...anyCase({ fileUri: media('file') }) }),
          videoMetadata: other,
          partMetadata: free('metadata'),
        }),
      ),
    ),
  });
}

function withRole(shape: Shape, role: Role): Shape {
  return { ...shape, role };
}

/** Vertex AI: arguments in pieces, each string named by its JSONPath (RFC 9535). */
function partialArguments(isRunning: boolean): Shape {
  return object(
    anyCase({
      jsonPath: id,
      stringValue: free('tool_arguments', { isRunning }),
      numberValue: free('tool_arguments'),
    }),
    { elementKey: 'jsonPath', kind: 'tool_arguments' },
  );
}
