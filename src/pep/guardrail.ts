import type { AnswerService } from '../exchange/answer-service.ts';
import type { ExchangeService, Reply, RequestHead } from '../exchange/exchange.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import {
  type ChatExtras,
  type ChatMessage,
  chatAnswer,
  chatPath,
  chatRequest,
  type MaskedChat,
  readMasked,
} from './chat-body.ts';

/** A call of a gateway that asks by HTTP whether something may go on. */
export interface GuardrailCall {
  /** Names lower-case; without the gateway's own key. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: JsonObject;
  /** Address of the gateway. */
  readonly peer: string;
}

/** Answers a call; null: the call is not of the contract. A throw is a fault: the gateway gets an error, which it takes for a no. */
export type GuardrailHandler = (call: GuardrailCall, signal: AbortSignal) => Promise<JsonObject | null>;

export interface GuardrailDeps {
  readonly exchange: ExchangeService;
  readonly answers: AnswerService;
  /** Header that names the session; lower-case. */
  readonly sessionHeader: string;
}

/** What was found out, for the gateway to be told in its own words. */
export type GuardrailVerdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'masked'; readonly chat: MaskedChat }
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly message: string };

export interface GuardedTexts {
  readonly messages: readonly ChatMessage[];
  readonly extras: ChatExtras;
}

/** Judges a request. Its answer is judged by a call of its own, if at all. */
export async function guardRequest(
  deps: GuardrailDeps,
  head: RequestHead,
  { messages, extras }: GuardedTexts,
  signal: AbortSignal,
): Promise<GuardrailVerdict> {
  const body = chatRequest(messages, extras);
  const options = { canRewrite: true, isFollowed: false, handover: null, isBodyWithheld: false };
  const verdict = await deps.exchange.request(head, body, options, signal);
  if (verdict.kind === 'reply') return refused(verdict.reply);
  if (verdict.body === null) return { kind: 'pass' };
  const chat = readMasked(verdict.body, messages.length);
  if (areEqual(chat.toolCalls, extras.toolCalls ?? [])) return { kind: 'masked', chat };
  // No gateway takes changed calls back. Nothing goes on, and the record says so.
  await verdict.exchange.abort('fault');
  return callsNotMaskable;
}

export async function guardAnswer(
  deps: GuardrailDeps,
  head: RequestHead,
  { messages, extras }: GuardedTexts,
  signal: AbortSignal,
): Promise<GuardrailVerdict> {
  const body = chatAnswer(messages, extras);
  const response = { status: 200, headers: new Map([['content-type', 'application/json']]) };
  const verdict = await deps.answers.judge(head, response, body, signal);
  if (verdict.kind === 'reply') return refused(verdict.reply);
  if (verdict.body === null) return { kind: 'pass' };
  const chat = readMasked(verdict.body, messages.length);
  return areEqual(chat.toolCalls, extras.toolCalls ?? []) ? { kind: 'masked', chat } : callsNotMaskable;
}

/**
 * The head of the request that a gateway asks about, as far as it tells. `x-forwarded-client-cert` counts for nothing here: nobody
 * vouches for it.
 */
export function guardedHead(
  gateway: string,
  call: GuardrailCall,
  headers: ReadonlyMap<string, string>,
  metadata: JsonObject,
): RequestHead {
  const kept = [...headers].filter(([name]) => !ofTheCall.has(name));
  return {
    method: 'POST',
    path: chatPath,
    host: gateway,
    headers: new Map([...kept, ['content-type', 'application/json']]),
    source: { address: call.peer, principal: null },
    destination: '',
    contextExtensions: {},
    metadata: { [gateway]: metadata },
  };
}

const ofTheCall: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'transfer-encoding',
  'x-forwarded-client-cert',
]);

const callsNotMaskable: GuardrailVerdict = {
  kind: 'refused',
  status: 403,
  code: 'masking_not_possible',
  message: 'The policy demands masking in the arguments of a tool call, which this gateway does not take back changed.',
};

/** The words of a reply: its body is an error of OpenAI's. */
function refused(reply: Reply): GuardrailVerdict {
  const body: JsonValue = JSON.parse(reply.body.toString('utf8'));
  const error = isJsonObject(body) && isJsonObject(body['error']) ? body['error'] : {};
  return {
    kind: 'refused',
    status: reply.status,
    code: reply.headers.get('x-countersign-code') ?? 'internal',
    message: typeof error['message'] === 'string' ? error['message'] : 'This was refused.',
  };
}

function areEqual(one: readonly JsonValue[], other: readonly JsonValue[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
