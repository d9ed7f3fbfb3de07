import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import type { ChatMessage } from './chat-body.ts';
import {
  type GuardrailCall,
  type GuardrailDeps,
  type GuardrailHandler,
  type GuardrailVerdict,
  guardAnswer,
  guardedHead,
  guardRequest,
} from './guardrail.ts';

/** agentgateway's webhook for prompt guards: POST /request and /response. */
export const agentgatewayPaths = { request: '/request', answer: '/response' } as const;

/** Header in which agentgateway can be told to name the model. */
const modelHeader = 'x-countersign-model';

/**
 * `{"body":{"messages":[{"role","content"}]}}` in; an action out. Which action it is shows by its members alone, as agentgateway reads
 * them: with a `body` that is an object it masks, with a `body` that is a text and a `status_code` it rejects, else it passes.
 */
export function createAgentgatewayRequestHandler(deps: GuardrailDeps): GuardrailHandler {
  return async (call, signal) => {
    const messages = messagesIn(call.body, 'messages');
    if (messages === null) return null;
    const guarded = { messages, extras: { model: call.headers.get(modelHeader) ?? null } };
    const verdict = await guardRequest(deps, headOf(call), guarded, signal);
    if (verdict.kind === 'refused') {
      const { status, code, message } = verdict;
      return { action: { body: `${code}: ${message}`, status_code: status, reason: code } };
    }
    const masked = maskedMessages(verdict, messages);
    return masked ? { action: { body: { messages: masked }, reason: 'masked' } } : passed;
  };
}

/**
 * The same for an answer: `{"body":{"choices":[{"message":{"role","content"}}]}}`. An answer that is refused is masked as a whole: not
 * every agentgateway knows how to reject an answer, and one that does not takes a rejection for a pass.
 */
export function createAgentgatewayAnswerHandler(deps: GuardrailDeps): GuardrailHandler {
  return async (call, signal) => {
    const messages = messagesIn(call.body, 'choices');
    if (messages === null) return null;
    const verdict = await guardAnswer(deps, headOf(call), { messages, extras: {} }, signal);
    const refusal = verdict.kind === 'refused' ? `${verdict.code}: ${verdict.message}` : null;
    const masked =
      refusal === null ? maskedMessages(verdict, messages) : messages.map(({ role }) => ({ role, content: refusal }));
    if (masked === null) return passed;
    return { action: { body: { choices: masked.map((message) => ({ message })) }, reason: refusal ?? 'masked' } };
  };
}

const passed: JsonObject = { action: { reason: 'nothing to object to' } };

function headOf(call: GuardrailCall): ReturnType<typeof guardedHead> {
  return guardedHead('agentgateway', call, call.headers, {});
}

function maskedMessages(
  verdict: GuardrailVerdict,
  messages: readonly ChatMessage[],
): { readonly role: string; readonly content: string }[] | null {
  if (verdict.kind !== 'masked') return null;
  return messages.map(({ role }, index) => ({ role, content: verdict.chat.contents[index] ?? '' }));
}

/** Null when there are none, or one has another shape. */
function messagesIn({ body }: JsonObject, member: 'messages' | 'choices'): readonly ChatMessage[] | null {
  const list = isJsonObject(body) ? body[member] : undefined;
  if (!Array.isArray(list)) return null;
  const messages = list.map((item) => messageOf(member === 'choices' && isJsonObject(item) ? item['message'] : item));
  return messages.every((message) => message !== null) ? messages : null;
}

function messageOf(value: JsonValue | undefined): ChatMessage | null {
  if (!isJsonObject(value)) return null;
  const { role, content } = value;
  return typeof role === 'string' && typeof content === 'string' ? { role, content } : null;
}
