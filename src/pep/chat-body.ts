import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';

/**
 * Gateways that ask by HTTP show texts, not the body that they have. We put them into a body of OpenAI's Chat Completions, so that the
 * phases read, mask and record them as they do everything else.
 */
export const chatPath = '/v1/chat/completions';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface ChatExtras {
  readonly model?: string | null;
  readonly tools?: readonly JsonValue[];
  readonly toolCalls?: readonly JsonValue[];
  /** Addresses or Base64 of pictures: reported as what cannot be read. */
  readonly images?: readonly string[];
}

/** The messages first, in their order; what else there is behind them. */
export function chatRequest(messages: readonly ChatMessage[], extras: ChatExtras): Buffer {
  const { model, tools = [], toolCalls = [], images = [] } = extras;
  const pictures = images.map((url) => ({ type: 'image_url', image_url: { url } }));
  return jsonBuffer({
    ...(model ? { model } : {}),
    messages: [
      ...messages.map(({ role, content }) => ({ role, content })),
      ...(pictures.length > 0 ? [{ role: 'user', content: pictures }] : []),
      ...(toolCalls.length > 0 ? [{ role: 'assistant', content: null, tool_calls: toolCalls }] : []),
    ],
    ...(tools.length > 0 ? { tools } : {}),
  });
}

/** One choice a message; calls of tools are a choice of their own. */
export function chatAnswer(messages: readonly ChatMessage[], { model, toolCalls = [] }: ChatExtras): Buffer {
  const calls = toolCalls.length > 0 ? [{ role: 'assistant', content: null, tool_calls: toolCalls }] : [];
  return jsonBuffer({
    ...(model ? { model } : {}),
    choices: [...messages.map(({ role, content }) => ({ role, content })), ...calls].map((message, index) => ({
      index,
      message,
    })),
  });
}

/** What a body that `chatRequest` or `chatAnswer` made holds after masking. */
export interface MaskedChat {
  /** In their order, as many as there were. */
  readonly contents: readonly string[];
  readonly tools: readonly JsonValue[];
  readonly toolCalls: readonly JsonValue[];
}

export function readMasked(body: Buffer, messages: number): MaskedChat {
  const root = objectOf(JSON.parse(body.toString('utf8')));
  const choices = listOf(root['choices']).map((choice) => objectOf(choice)['message'] ?? null);
  const all = (choices.length > 0 ? choices : listOf(root['messages'])).map(objectOf);
  return {
    contents: all.slice(0, messages).map(({ content }) => (typeof content === 'string' ? content : '')),
    tools: listOf(root['tools']),
    toolCalls: all.slice(messages).flatMap((message) => listOf(message['tool_calls'])),
  };
}

export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function objectOf(value: JsonValue): JsonObject {
  return isJsonObject(value) ? value : {};
}

function jsonBuffer(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}
