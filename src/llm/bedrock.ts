import { createAnthropicMessages } from './anthropic-messages.ts';
import { createAnthropicShapes } from './anthropic-shapes.ts';
import { createBedrockShapes, sealOfReasoning } from './bedrock-shapes.ts';
import { createBlockFilter, type EventBlock } from './block-filter.ts';
import { emptyConversation, type OmittedCount } from './conversation.ts';
import type { BlockFilter, ClientError, Dialect, RouteFacts, StreamReader } from './dialect.ts';
import { codedMessage, jsonErrorBody } from './error-body.ts';
import { exceptionFrame } from './eventstream.ts';
import { createGenericJson } from './generic-json.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { parseJson } from './json-parser.ts';
import { type JsonNode, memberOf, numberMember, numberNode, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { routePath } from './route-path.ts';
import type { Shape } from './shape.ts';

/**
 * Amazon Bedrock: `/model/<id>/converse` and `/invoke`, and their streams in binary frames. A body of `invoke` is the model's own: Anthropic's and
 * Nova's are known by what they hold, of any other every string is text. Bedrock signs requests over the body (SigV4): one that is to
 * be rewritten has to be signed after this service.
 */
export function createBedrock(): Dialect {
  const shapes = createBedrockShapes();
  const anthropic = createAnthropicShapes();
  const messages = createAnthropicMessages();
  const natives: Natives = { anthropic: messages.openStream, other: createGenericJson().openStream };

  function requestShapeOf(_source: string, root: JsonNode): Shape {
    if (memberOf(root, 'anthropic_version') !== undefined) return anthropic.request;
    const isConverse = memberOf(root, 'inferenceConfig') !== undefined || memberOf(root, 'schemaVersion') !== undefined;
    return isConverse ? shapes.request : shapes.nativeRequest;
  }

  function responseShapeOf(source: string, root: JsonNode): Shape {
    if (stringMember(source, root, 'type') === 'message') return anthropic.response;
    return memberOf(root, 'output')?.type === 'object' ? shapes.response : shapes.nativeResponse;
  }

  return {
    id: 'bedrock',
    matches: (route) => callOf(route) !== null,
    readRequest: (body, route) => {
      const call = callOf(route);
      const shape = call?.isNative === true ? requestShapeOf : shapes.request;
      return readJsonBody(body, shape, (source, root) => ({
        ...summary,
        model: call?.model ?? stringMember(source, root, 'modelId'),
        stream: call?.isStream === true,
        tools: toolNames(source, root),
        sessionHint: stringMember(source, memberOf(root, 'requestMetadata'), 'session_id'),
      }));
    },
    readResponse: (body) => readJsonBody(body, responseShapeOf, () => summary),
    openStream: () => openBedrockStream(shapes.event, natives),
    openBlockFilter: (omits) => {
      const converse = createBlockFilter({ shape: shapes.event, blockOf: eventBlockOf }, omits);
      return createChunkFilter(converse, messages.openBlockFilter?.(omits) ?? converse);
    },
    errorBody: (error) => ({
      ...jsonErrorBody(bedrockError(error)),
      headers: { 'x-amzn-errortype': errorType(error.status), 'x-amzn-requestid': error.exchange },
    }),
    // Of an exception in a stream the SDKs hand over the message alone.
    errorEvent: (error) =>
      exceptionFrame(exceptionType(error.status), { ...bedrockError(error), message: codedMessage(error) }),
  };
}

const summary: Summary = {
  dialect: 'bedrock',
  operation: 'chat',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

interface Call {
  readonly model: string;
  readonly isNative: boolean;
  readonly isStream: boolean;
}

/** The model may be an ARN, whose colons and slashes come escaped. */
function callOf(route: RouteFacts): Call | null {
  const found = /\/model\/([^/]+)\/(converse|converse-stream|invoke|invoke-with-response-stream)$/.exec(
    routePath(route.path),
  );
  if (found === null) return null;
  const [, model = '', action = ''] = found;
  return {
    model: model.replace(/%3[aA]/g, ':').replace(/%2[fF]/g, '/'),
    isNative: action.startsWith('invoke'),
    isStream: action.endsWith('-stream'),
  };
}

/** Converse's tools, or Anthropic's. */
function toolNames(source: string, root: JsonNode): string[] {
  const tools = memberOf(memberOf(root, 'toolConfig'), 'tools') ?? memberOf(root, 'tools');
  if (tools?.type !== 'array') return [];
  return tools.items.flatMap(
    (tool) =>
      stringMember(source, memberOf(tool, 'toolSpec'), 'name') ??
      stringMember(source, memberOf(tool, 'systemTool'), 'name') ??
      stringMember(source, tool, 'name') ??
      [],
  );
}

/** How the streams of models are read that have their own events. */
interface Natives {
  anthropic(): StreamReader;
  other(): StreamReader;
}

/** Chunks are the model's own events: whose, the first one tells. All else is Converse. */
function openBedrockStream(shape: Shape, natives: Natives): StreamReader {
  const converse = openJsonStream({ shape, base: blockOf, endings: endingsOf });
  let native: StreamReader | null = null;
  return {
    read: (payload, event) => {
      if (event !== 'chunk') return converse.read(payload, event);
      native ??= isAnthropic(payload) ? natives.anthropic() : natives.other();
      return native.read(payload, null);
    },
  };
}

/** As the reader does, it takes the first chunk's word for whose events the chunks are. */
function createChunkFilter(converse: BlockFilter, anthropic: BlockFilter): BlockFilter {
  let native: BlockFilter | null = null;
  return {
    read: (payload, event) => {
      if (event === 'chunk') native ??= isAnthropic(payload) ? anthropic : converse;
      return (event === 'chunk' ? native : null)?.read(payload, null) ?? converse.read(payload, event);
    },
    counts: (): readonly OmittedCount[] => (native ?? converse).counts(),
  };
}

/** Blocks of reasoning have no start: their first piece tells. In Nova's chunks the event is a member that has its name. */
function eventBlockOf(_source: string, root: JsonNode): EventBlock | null {
  const event = blockEvents.map((name) => memberOf(root, name)).find((inner) => inner !== undefined) ?? root;
  const index = numberNode(event, 'contentBlockIndex');
  if (index === null) return null;
  return {
    id: null,
    index,
    seal: sealOfReasoning(memberOf(event, 'delta')) ?? sealOfReasoning(memberOf(event, 'start')),
  };
}

const blockEvents = ['contentBlockStart', 'contentBlockDelta', 'contentBlockStop'] as const;

/** Streams of Anthropic begin with `message_start`. */
function isAnthropic(payload: string): boolean {
  const root = parseJson(payload);
  return root.ok && stringMember(payload, root.value, 'type') === 'message_start';
}

function blockOf(source: string, root: JsonNode): string {
  const index = numberMember(source, root, 'contentBlockIndex');
  return index === null ? '' : `/${index}`;
}

function endingsOf(source: string, root: JsonNode, event: string | null): Endings {
  if (event === 'contentBlockStop') return { prefixes: [`${blockOf(source, root)}/`], all: false };
  const isOver = event === 'messageStop' || event?.endsWith('Exception') === true;
  return isOver ? { prefixes: [], all: true } : noEndings;
}

function bedrockError(error: ClientError): Readonly<Record<string, string>> {
  return { ...error.details, message: error.message, reason_code: error.code, exchange: error.exchange };
}

/** What the SDKs raise, told by the header `x-amzn-errortype` (Smithy, restJson1). */
function errorType(status: number): string {
  switch (status) {
    case 401:
      return 'UnrecognizedClientException';
    case 403:
      return 'AccessDeniedException';
    case 404:
      return 'ResourceNotFoundException';
    case 429:
      return 'ThrottlingException';
    case 503:
      return 'ServiceUnavailableException';
    default:
      return status >= 500 ? 'InternalServerException' : 'ValidationException';
  }
}

/** The exceptions that a stream can end with. */
function exceptionType(status: number): string {
  if (status === 429) return 'throttlingException';
  if (status === 503) return 'serviceUnavailableException';
  return status >= 500 ? 'internalServerException' : 'validationException';
}
