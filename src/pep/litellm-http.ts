import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { type ChatMessage, listOf } from './chat-body.ts';
import {
  type GuardrailCall,
  type GuardrailDeps,
  type GuardrailHandler,
  type GuardrailVerdict,
  guardAnswer,
  guardedHead,
  guardRequest,
} from './guardrail.ts';

/** LiteLLM's generic guardrail API, in beta there: https://docs.litellm.ai/docs/adding_provider/generic_guardrail_api */
export const liteLlmPath = '/beta/litellm_basic_guardrail_api';

/**
 * LiteLLM shows the texts of a request or an answer, in a list, and takes a list of as many back. `structured_messages` tell who speaks
 * where they hold the very same texts; else it is the user. A session is what the configured header says, else LiteLLM's trace.
 */
export function createLiteLlmHandler(deps: GuardrailDeps): GuardrailHandler {
  return async (call, signal) => {
    const { body } = call;
    const texts = strings(body['texts'] ?? []);
    const images = strings(body['images'] ?? []);
    const { input_type: inputType, model } = body;
    if (texts === null || images === null || (inputType !== 'request' && inputType !== 'response')) return null;
    const tools = listOf(body['tools']);
    const extras = {
      model: typeof model === 'string' ? model : null,
      tools,
      toolCalls: listOf(body['tool_calls']),
      images,
    };
    const head = guardedHead('litellm', call, headersOf(call, deps.sessionHeader), metadataOf(body));
    if (inputType === 'response') {
      const messages = texts.map((content) => ({ role: 'assistant', content }));
      return answered(await guardAnswer(deps, head, { messages, extras }, signal), tools);
    }
    const messages = withRoles(texts, listOf(body['structured_messages']));
    return answered(await guardRequest(deps, head, { messages, extras }, signal), tools);
  };
}

function answered(verdict: GuardrailVerdict, tools: readonly JsonValue[]): JsonObject {
  switch (verdict.kind) {
    case 'pass':
      return { action: 'NONE' };
    case 'masked': {
      const { contents, tools: masked } = verdict.chat;
      const areToolsChanged = JSON.stringify(masked) !== JSON.stringify(tools);
      return { action: 'GUARDRAIL_INTERVENED', texts: contents, ...(areToolsChanged ? { tools: masked } : {}) };
    }
    case 'refused':
      return { action: 'BLOCKED', blocked_reason: `${verdict.code}: ${verdict.message}` };
  }
}

/**
 * The caller's headers stand in the body: those that LiteLLM is told to hand on (`extra_headers`) with their value, of all others only
 * that they are there.
 */
function headersOf({ body }: GuardrailCall, sessionHeader: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const told = body['request_headers'];
  for (const [name, value] of Object.entries(isJsonObject(told) ? told : {})) {
    if (typeof value === 'string' && value !== '[present]') headers.set(name.toLowerCase(), value);
  }
  const trace = body['litellm_trace_id'] ?? body['litellm_call_id'];
  if (!headers.has(sessionHeader) && typeof trace === 'string') headers.set(sessionHeader, trace);
  return headers;
}

/** Whose key of LiteLLM was used, for policy: `input.envoy.metadata.litellm`. */
function metadataOf(body: JsonObject): JsonObject {
  return isJsonObject(body['request_data']) ? body['request_data'] : {};
}

function withRoles(texts: readonly string[], structured: readonly JsonValue[]): readonly ChatMessage[] {
  const said = structured.flatMap((message) => (isJsonObject(message) ? saidIn(message) : []));
  const isSame = said.length === texts.length && said.every(({ content }, index) => content === texts[index]);
  return isSame ? said : texts.map((content) => ({ role: 'user', content }));
}

function saidIn({ role, content }: JsonObject): readonly ChatMessage[] {
  if (typeof role !== 'string') return [];
  if (typeof content === 'string') return [{ role, content }];
  return listOf(content).flatMap((part) =>
    isJsonObject(part) && typeof part['text'] === 'string' ? [{ role, content: part['text'] }] : [],
  );
}

/** Null when it is no list of strings. */
function strings(value: JsonValue): readonly string[] | null {
  if (value === null) return [];
  return Array.isArray(value) && value.every((item): item is string => typeof item === 'string') ? value : null;
}
