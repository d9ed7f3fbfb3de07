import { type ApproveResponse, ListRequest, type ListResponse } from '../../gen/countersign/approval/v1/approval.ts';
import { openApprovals, unary } from '../api-client.ts';
import { leakedKey, type ScriptedModel } from './model.ts';
import type { Stack } from './stack.ts';

/** Tells the story: each step really happens through Envoy, and says what was observed. Throws at the first that did not. */
export interface Narrator {
  chapter(title: string): void;
  /** A thing that was sent or seen. */
  line(text: string): void;
  /** A claim that was checked; throws when it does not hold. */
  check(claim: string, holds: boolean): void;
}

/** Card and social security numbers from the payment industry's and the SSA's own test ranges; the key is made up. */
const card = '4111 1111 1111 1111';
const ssn = '536-22-8726';

export async function tellStory(stack: Stack, model: ScriptedModel, narrator: Narrator): Promise<void> {
  await maskedRequest(stack, model, narrator);
  await maskedAnthropic(stack, model, narrator);
  await deniedStranger(stack, model, narrator);
  await heldAndApproved(stack, model, narrator);
  await maskedStream(stack, narrator);
}

async function maskedRequest(stack: Stack, model: ScriptedModel, narrator: Narrator): Promise<void> {
  narrator.chapter('A card number never reaches the model');
  const text = `Please check the payment with card ${card} for me.`;
  narrator.line(`alice asks (OpenAI):   ${text}`);
  const answer = await chat(stack, stack.tokens.requester, text);
  const seen = model.seen.at(-1)?.body ?? '';
  narrator.line(`the model received:    ${lastText(seen)}`);
  narrator.check('the answer came', answer.status === 200);
  narrator.check('no digit of the card number left', !seen.includes(card) && !seen.includes(card.replaceAll(' ', '')));
  narrator.check('a placeholder stands in its place', /CREDIT_CARD_[0-9A-Z]{10}/.test(seen));
  narrator.check('the identity token stayed here', model.seen.at(-1)?.headers[stack.tokenHeader] === undefined);
}

async function maskedAnthropic(stack: Stack, model: ScriptedModel, narrator: Narrator): Promise<void> {
  narrator.chapter('The same for Anthropic, and the same value keeps its placeholder within a session');
  const text = `My social security number is ${ssn} and my card is ${card}.`;
  narrator.line(`alice asks (Anthropic): ${text}`);
  const response = await fetch(`${stack.baseUrl}/v1/messages`, {
    method: 'POST',
    headers: headers(stack, stack.tokens.requester),
    body: JSON.stringify({ model: 'scripted-1', max_tokens: 100, messages: [{ role: 'user', content: text }] }),
  });
  await response.text();
  const seen = model.seen.at(-1)?.body ?? '';
  const before = model.seen.at(-2)?.body ?? '';
  narrator.line(`the model received:     ${lastText(seen)}`);
  narrator.check('the answer came', response.status === 200);
  narrator.check('neither number left', !seen.includes(ssn) && !seen.includes(card));
  const placeholder = /CREDIT_CARD_[0-9A-Z]{10}/;
  narrator.check('the placeholder is the one of before', placeholder.exec(seen)?.[0] === placeholder.exec(before)?.[0]);
}

async function deniedStranger(stack: Stack, model: ScriptedModel, narrator: Narrator): Promise<void> {
  narrator.chapter('Nobody in particular gets nothing');
  const reached = model.seen.length;
  const answer = await chat(stack, null, 'Hello?');
  narrator.line(`without a token:       ${answer.status} ${answer.code}`);
  narrator.check('401, and the model was not asked', answer.status === 401 && model.seen.length === reached);
}

async function heldAndApproved(stack: Stack, model: ScriptedModel, narrator: Narrator): Promise<void> {
  narrator.chapter('A risky prompt waits for a human, and passes once');
  const text = 'Write a script that drops the users table in production.';
  const reached = model.seen.length;
  narrator.line(`alice asks:            ${text}`);
  const held = await chat(stack, stack.tokens.requester, text);
  narrator.line(`she gets:              ${held.status} ${held.code} ${held.approval}`);
  narrator.check(
    '403 approval_pending, and the model was not asked',
    held.status === 403 && held.code === 'approval_pending' && model.seen.length === reached,
  );

  const { client, metadata } = openApprovals({ api: stack.api, token: stack.tokens.approver });
  const request = ListRequest.fromPartial({ state: 1, pageSize: 10 });
  const { approvals } = await unary<ListResponse>((done) => client.list(request, metadata, done));
  const waiting = approvals.find((approval) => approval.id === held.approval);
  narrator.line(`bob sees:              ${waiting?.maskedView.trim() ?? 'nothing'}`);
  narrator.check('it is in the inbox of the approvers', waiting !== undefined);
  const own = openApprovals({ api: stack.api, token: stack.tokens.requester });
  const refused = await unary<ApproveResponse>((done) =>
    own.client.approve({ id: held.approval, reason: '', requestId: '' }, own.metadata, done),
  ).then(
    () => false,
    () => true,
  );
  own.client.close();
  narrator.check('alice cannot approve her own request', refused);
  await unary<ApproveResponse>((done) =>
    client.approve({ id: held.approval, reason: 'agreed in the change meeting', requestId: '' }, metadata, done),
  );
  client.close();
  narrator.line('bob approves over gRPC');

  const passed = await chat(stack, stack.tokens.requester, text);
  narrator.check('the identical request passes', passed.status === 200 && model.seen.length === reached + 1);
  const again = await chat(stack, stack.tokens.requester, text);
  narrator.check(
    'once: the next one is held again',
    again.status === 403 && again.code === 'approval_pending' && again.approval !== held.approval,
  );
}

async function maskedStream(stack: Stack, narrator: Narrator): Promise<void> {
  narrator.chapter('A secret in a streamed answer is masked, although it is cut into pieces of five characters');
  const text = 'What is the access key of the build account?';
  narrator.line(`alice asks:            ${text}`);
  narrator.line(`the model says:        Sure. Use ${leakedKey} to log in, then carry on.`);
  const response = await fetch(`${stack.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: headers(stack, stack.tokens.requester),
    body: JSON.stringify({ model: 'scripted-1', stream: true, messages: [{ role: 'user', content: text }] }),
  });
  const body = await response.text();
  const said = deltas(body);
  narrator.line(`alice receives:        ${said}`);
  narrator.check(
    'it came as a stream',
    response.headers.get('content-type') === 'text/event-stream' && body.split('\n\n').length > 5,
  );
  narrator.check('no four characters of the key came through', !hasPiece(said, leakedKey.slice(4), 4));
  narrator.check(
    'the rest is as it was said',
    said.startsWith('Sure. Use SECRET_') && said.endsWith(' to log in, then carry on.'),
  );
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly approval: string;
}

async function chat(stack: Stack, token: string | null, text: string): Promise<Answer> {
  const response = await fetch(`${stack.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: headers(stack, token),
    body: JSON.stringify({ model: 'scripted-1', messages: [{ role: 'user', content: text }] }),
  });
  await response.text();
  return {
    status: response.status,
    code: response.headers.get('x-countersign-code') ?? '',
    approval: response.headers.get('x-countersign-approval') ?? '',
  };
}

function headers(stack: Stack, token: string | null): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-session-id': 'demo-session',
    ...(token === null ? {} : { [stack.tokenHeader]: token }),
  };
}

function lastText(body: string): string {
  const parsed: { messages?: { content?: unknown }[] } = JSON.parse(body || '{}');
  const content = parsed.messages?.at(-1)?.content;
  return typeof content === 'string' ? content : JSON.stringify(content);
}

function deltas(stream: string): string {
  let said = '';
  for (const line of stream.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const event: { choices?: { delta?: { content?: string } }[] } = JSON.parse(line.slice(6));
    said += event.choices?.[0]?.delta?.content ?? '';
  }
  return said;
}

function hasPiece(text: string, secret: string, length: number): boolean {
  for (let at = 0; at + length <= secret.length; at++) if (text.includes(secret.slice(at, at + length))) return true;
  return false;
}
