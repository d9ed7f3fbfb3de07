import { expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import { createAnswerService } from '../../../src/exchange/answer-service.ts';
import type { ServiceDeps } from '../../../src/exchange/deps.ts';
import { createPseudonyms } from '../../../src/exchange/session.ts';
import { anonymous } from '../../../src/identity/subject.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createSessionKeys } from '../../../src/mask/session-keys.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';

const allow: Decision = {
  action: 'allow',
  rules: [],
  reasons: [],
  redact: [{ entity: '*', method: 'label' }],
  restore: [],
  omit: [],
  deny: null,
  hold: null,
  labels: {},
  capture: 'metadata',
};
const deny: Decision = {
  ...allow,
  action: 'deny',
  rules: ['r'],
  reasons: [{ rule: 'r', message: 'no' }],
  deny: { status: 403, code: 'not_this', message: 'Not this.' },
};

const detector = createDetector({ tier: 'core' });

function deps(recorded: AuditEntry[], decision: Decision, change: Partial<ServiceDeps> = {}): ServiceDeps {
  const key = Buffer.alloc(32, 1);
  return {
    authenticator: { authenticate: async () => ok(anonymous) },
    selectDialect: createDialects(),
    detection: { current: () => detector },
    recognition: null,
    entities: new Set(),
    pdp: { current: () => ({ revision: 'sha256:00', evaluate: () => decision, decide: () => decision }) },
    gate: { pass: () => Promise.reject(new Fault('approval_unavailable', 'none')) },
    audit: {
      append: async (entry) => {
        recorded.push(entry);
        return { id: 'r', sequence: BigInt(recorded.length) };
      },
    },
    clock: systemClock,
    newId: () => 'x-1',
    log: silentLog,
    metrics: noMetrics,
    keys: {
      placeholder: createSessionKeys({ clock: systemClock, entities: new Set() }, [
        { id: 'k', secret: key, fromMs: 0 },
      ]),
      handover: key,
      pseudonym: createPseudonyms(key),
    },
    settings: {
      tokenHeader: { header: 'x-token', scheme: null },
      forwardToken: false,
      sessionHeader: 'x-session-id',
      maskingScope: 'session',
      policyHeaders: [],
      holdWaitMsMax: 0,
      encoding: { requests: 'identity', answers: 'identity' },
      bodyBytesMax: 65_536,
    },
    ...change,
  };
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
