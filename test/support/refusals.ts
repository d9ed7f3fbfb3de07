import { expect } from 'vitest';
import { type RawAnswer, rawRequest } from './raw-client.ts';
import { outcomeOf } from './records.ts';
import type { TestStack } from './stack.ts';
import type { Script } from './upstream.ts';

export type Spoken = 'openai' | 'anthropic' | 'json';

interface Dialect {
  readonly path: string;
  readonly body: (text: string) => string;
}

const dialects: Readonly<Record<Spoken, Dialect>> = {
  openai: {
    path: '/v1/chat/completions',
    body: (text) => JSON.stringify({ model: 'scripted-1', messages: [{ role: 'user', content: text }] }),
  },
  anthropic: {
    path: '/v1/messages',
    body: (text) => JSON.stringify({ model: 'scripted-1', max_tokens: 9, messages: [{ role: 'user', content: text }] }),
  },
  json: { path: '/anything', body: (text) => JSON.stringify({ input: text }) },
};

export interface Said {
  readonly text?: string;
  /** In place of the body that would say `text`. */
  readonly body?: string | Buffer;
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly script?: Script;
  readonly onBody?: (sofar: string) => void;
}

/** Says something to the model in one of the providers' formats, as alice. */
export function say(stack: TestStack, spoken: Spoken, said: Said): Promise<RawAnswer> {
  const { text = 'hello', token = stack.tokens.requester, headers = {}, script, onBody } = said;
  const { path, body } = dialects[spoken];
  return rawRequest(`${stack.baseUrl}${path}`, {
    body: said.body ?? body(text),
    ...(onBody ? { onBody } : {}),
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { [stack.tokenHeader]: token }),
      ...(script ? stack.upstream.keep(script) : {}),
      ...headers,
    },
  });
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** Where the refused exchange stands on record; `none`: the record is what failed. Default: where the log of the stack is. */
  readonly recordedIn?: string | 'none';
}

/** Asks, and holds that the answer is this refusal, in the caller's own format, on record, and that the model was not asked. */
export async function expectRefused(
  stack: TestStack,
  spoken: Spoken,
  said: Said,
  { status, code, recordedIn = stack.auditFolder }: Refusal,
): Promise<RawAnswer> {
  const reached = stack.upstream.seen.length;
  const answer = await say(stack, spoken, said);
  expect(answer).toMatchObject({
    status,
    complete: true,
    headers: {
      'x-countersign-code': code,
      'x-should-retry': status === 503 && code !== 'policy_failed' ? 'true' : 'false',
      'content-type': 'application/json',
    },
  });
  expectErrorOf(spoken, JSON.parse(answer.body), code);
  expect(stack.upstream.seen.length).toBe(reached);
  if (recordedIn === 'none') return answer;
  const { facts } = await outcomeOf(recordedIn, String(answer.headers['x-countersign-exchange']));
  expect(facts).toMatchObject({ final: true, ended: 'refused', code, status });
  return answer;
}

/** An error object as the official SDKs of the provider read it. */
export function expectErrorOf(spoken: Spoken, value: unknown, code: string): void {
  const error = {
    type: expect.stringMatching(/^(\w+_error|request_too_large)$/),
    message: expect.stringMatching(/\w/),
    code,
  };
  expect(value).toMatchObject(spoken === 'anthropic' ? { type: 'error', error } : { error });
}

/** Holds that nothing which ever reached the model has any of these in it, spaced or not. */
export function expectNeverSent(stack: TestStack, ...secrets: readonly string[]): void {
  for (const { body, headers } of stack.upstream.seen) {
    const text = `${body.toString('utf8')} ${JSON.stringify(headers)}`;
    for (const secret of secrets)
      expect(text.includes(secret) || text.includes(secret.replaceAll(' ', ''))).toBe(false);
  }
}
