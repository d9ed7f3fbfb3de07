import { createBlockFilter, type EventBlock } from './block-filter.ts';
import { emptyConversation } from './conversation.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { errorEventIn, openAiError, openAiErrors } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { type JsonNode, memberOf, numberMember, numberNode, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { createOpenAiResponsesShapes, sealOfItem } from './openai-responses-shapes.ts';
import { deploymentOf, toolNames } from './openai-summary.ts';
import { routePath } from './route-path.ts';

/**
 * OpenAI Responses (`/responses` on any prefix, what is kept under it, and `/conversations`): OpenAI itself, Azure OpenAI, and servers that
 * speak it. A stream tells a text up to six times: in pieces, at its end, with its part, its item and the response. All of them are
 * rewritten alike. A changed text loses its log probabilities (`[]`), and positions in it become `0`.
 */
export function createOpenAiResponses(): Dialect {
  const shapes = createOpenAiResponsesShapes();
  return {
    ...openAiErrors,
    id: 'openai.responses',
    matches: (route) => operationOf(routePath(route.path)) !== null,
    readRequest: (body, route) =>
      readJsonBody(body, shapes.request, (source, root) => summarizeRequest(source, root, route)),
    readResponse: (body) =>
      readJsonBody(body, shapes.response, (source, root) => ({
        ...summary,
        model: stringMember(source, root, 'model'),
      })),
    openStream: () => openJsonStream({ shape: shapes.event, base: baseOf, endings: endingsOf }),
    openBlockFilter: (omits) => createBlockFilter({ shape: shapes.event, blockOf, isRetold: true }, omits),
    // The API's own event has the error's members at its top; the SDK throws at an `error` member. This is both.
    errorEvent: (error, place) => {
      const { error: members } = openAiError(error);
      return errorEventIn(place, 'error', { ...members, type: 'error', error: members });
    },
  };
}

const summary: Summary = {
  dialect: 'openai.responses',
  operation: 'chat',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function operationOf(path: string): string | null {
  if (/\/responses(?:\/resp_[^/]+(?:\/cancel|\/input_items)?)?$/.test(path)) return 'chat';
  if (/\/responses\/(?:input_tokens|compact)$/.test(path)) return path.endsWith('compact') ? 'chat' : 'count_tokens';
  return /\/conversations(?:\/conv_[^/]+(?:\/items(?:\/[^/]+)?)?)?$/.test(path) ? 'conversation' : null;
}

function summarizeRequest(source: string, root: JsonNode, route: RouteFacts): Summary {
  const metadata = memberOf(root, 'metadata');
  return {
    ...summary,
    operation: operationOf(routePath(route.path)) ?? summary.operation,
    model: stringMember(source, root, 'model') ?? deploymentOf(route.path),
    stream: memberOf(root, 'stream')?.type === 'true',
    tools: toolNames(source, memberOf(root, 'tools')),
    sessionHint:
      stringMember(source, metadata, 'session_id') ??
      stringMember(source, metadata, 'conversation_id') ??
      stringMember(source, root, 'conversation') ??
      stringMember(source, memberOf(root, 'conversation'), 'id'),
  };
}

/**
 * A running text is named by the place of its item in the output, of its part in the item, and by what it is. Not by `item_id`, unless there
 * is nothing else: proxies are known to give each event another one.
 */
function baseOf(source: string, root: JsonNode): string {
  return `${partOf(source, root)}/${familyOf(stringMember(source, root, 'type') ?? '')}`;
}

function itemOf(source: string, root: JsonNode): string {
  return `/${numberMember(source, root, 'output_index') ?? stringMember(source, root, 'item_id') ?? '-'}`;
}

function partOf(source: string, root: JsonNode): string {
  const content = numberMember(source, root, 'content_index');
  const summaryPart = numberMember(source, root, 'summary_index');
  return `${itemOf(source, root)}/${content ?? (summaryPart === null ? '-' : `s${summaryPart}`)}`;
}

/** `output_text` of `response.output_text.delta`, `.done` and `.annotation.added` alike. */
function familyOf(type: string): string {
  return type.replace(/^response\./, '').replace(/\.(?:delta|done|annotation\.added)$/, '');
}

function endingsOf(source: string, root: JsonNode, event: string | null): Endings {
  const type = stringMember(source, root, 'type') ?? event ?? '';
  switch (type) {
    case 'response.completed':
    case 'response.incomplete':
    case 'response.failed':
    case 'response.cancelled':
    case 'error':
      return { prefixes: [], all: true };
    case 'response.output_item.done':
      return { prefixes: [`${itemOf(source, root)}/`], all: false };
    case 'response.content_part.done':
    case 'response.reasoning_summary_part.done':
      return { prefixes: [`${partOf(source, root)}/`], all: false };
    default:
      return type.endsWith('.done') ? { prefixes: [`${baseOf(source, root)}/`], all: false } : noEndings;
  }
}

/** An item tells its type; an event of reasoning is about an item of that type, even where that was not announced. */
function blockOf(source: string, root: JsonNode, event: string | null): EventBlock | null {
  const item = memberOf(root, 'item');
  const index = numberNode(root, 'output_index');
  const id = stringMember(source, root, 'item_id') ?? stringMember(source, item, 'id');
  if (index === null && id === null) return null;
  if (item !== undefined) return { id, index, seal: sealOfItem(source, item) };
  const isReasoning = (stringMember(source, root, 'type') ?? event ?? '').startsWith('response.reasoning');
  return { id, index, seal: isReasoning ? 'encrypted' : null };
}
