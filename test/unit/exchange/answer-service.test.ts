import { expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { createAnswerService } from '../../../src/exchange/answer-service.ts';
import type { ServiceDeps } from '../../../src/exchange/deps.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { err } from '../../../src/lib/result.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { allowAll, exchangeDeps } from '../../support/exchange-deps.ts';

const allow: Decision = {
  ...allowAll,
  redact: [{ entity: '*', method: 'label' }],
  capture: 'metadata',
};
const deny: Decision = {
  ...allow,
  action: 'deny',
  rules: ['r'],
  reasons: [{ rule: 'r', message: 'no' }],
  deny: { status: 403, code: 'not_this', message: 'Not this.' },
};

function deps(recorded: AuditEntry[], decision: Decision, change: Partial<ServiceDeps> = {}): ServiceDeps {
  return { ...exchangeDeps(recorded, () => decision), newId: () => 'x-1', ...change };
}

const head = {
  method: 'POST',
  path: '/v1/chat/completions',
  host: 'litellm',
  headers: new Map([
    ['content-type', 'application/json'],
    ['x-session-id', 's-1'],
  ]),
  source: { address: '', principal: null },
  destination: '',
  contextExtensions: {},
  metadata: {},
};
const response = { status: 200, headers: new Map([['content-type', 'application/json']]) };
const answer = (content: string): Buffer =>
  Buffer.from(JSON.stringify({ choices: [{ index: 0, message: { content } }] }));

test.each([
  { name: 'with a value', content: 'write to jane@example.com', want: 'write to EMAIL_ADDRESS_REDACTED' },
  { name: 'without', content: 'hello', want: null },
])('an answer $name is an exchange of its own on record', async ({ content, want }) => {
  const recorded: AuditEntry[] = [];
  const service = createAnswerService(deps(recorded, allow));
  const verdict = await service.judge(head, response, answer(content), new AbortController().signal);
  expect(verdict).toEqual({ kind: 'forward', body: want === null ? null : answer(want) });
  expect(recorded).toMatchObject([
    { kind: 'intent', exchange: 'x-1', session: 's-1', facts: { operation: 'answer', host: 'litellm' } },
    { kind: 'outcome', exchange: 'x-1', session: 's-1', facts: { ended: 'complete' } },
  ]);
  // Capture `metadata`: no text of it is kept.
  expect(recorded.flatMap(({ bodies }) => Object.keys(bodies))).toEqual([]);
});

test.each<{ name: string; decision: Decision; change: Partial<ServiceDeps>; want: [number, string]; kinds: string[] }>([
  { name: 'policy', decision: deny, change: {}, want: [403, 'not_this'], kinds: ['intent', 'outcome'] },
  {
    name: 'a token that is none',
    decision: allow,
    change: { authenticator: { authenticate: async () => err('malformed' as const) } },
    want: [401, 'identity_rejected'],
    kinds: ['outcome'],
  },
  {
    name: 'no policy',
    decision: allow,
    change: {
      pdp: {
        current: () => {
          throw new Fault('policy_unavailable', 'none');
        },
      },
    },
    want: [503, 'policy_unavailable'],
    kinds: ['outcome'],
  },
  {
    name: 'a record that cannot be written',
    decision: allow,
    change: { audit: { append: () => Promise.reject(new Fault('audit_unavailable', 'disk full')) } },
    want: [503, 'audit_unavailable'],
    kinds: [],
  },
])('$name: refused', async ({ decision, change, want, kinds }) => {
  const recorded: AuditEntry[] = [];
  const service = createAnswerService(deps(recorded, decision, change));
  const verdict = await service.judge(head, response, answer('hello'), new AbortController().signal);
  expect(verdict.kind === 'reply' && [verdict.reply.status, verdict.reply.headers.get('x-countersign-code')]).toEqual(
    want,
  );
  expect(recorded.map(({ kind }) => kind)).toEqual(kinds);
});

test('an outcome that cannot be written keeps the answer back', async () => {
  let appended = 0;
  const audit = {
    append: async () => {
      if (++appended > 1) throw new Fault('audit_unavailable', 'disk full');
      return { id: 'r', sequence: 1n };
    },
  };
  const service = createAnswerService(deps([], allow, { audit }));
  const verdict = await service.judge(head, response, answer('hello'), new AbortController().signal);
  expect(verdict.kind === 'reply' && verdict.reply.status).toBe(503);
});

test('an answer that is no JSON is refused', async () => {
  const service = createAnswerService(deps([], allow));
  const verdict = await service.judge(head, response, Buffer.from('{'), new AbortController().signal);
  expect(verdict.kind === 'reply' && verdict.reply.headers.get('x-countersign-code')).toBe('response_invalid_json');
});
