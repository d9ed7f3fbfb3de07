import { expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import type { ServiceDeps } from '../../../src/exchange/deps.ts';
import { createExchangeService } from '../../../src/exchange/service.ts';
import { anonymous } from '../../../src/identity/subject.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { ok } from '../../../src/lib/result.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { exchangeDeps } from '../../support/exchange-deps.ts';

const detector = createDetector({ tier: 'core' });

/** No policy is loaded. */
function deps(recorded: AuditEntry[]): ServiceDeps {
  const none = (): never => {
    throw new Fault('policy_unavailable', 'none');
  };
  return { ...exchangeDeps(recorded, none, { bodyBytesMax: 1024 }), pdp: { current: none } };
}

const head = {
  method: 'POST',
  path: '/v1/messages?key=hidden',
  host: 'h',
  headers: new Map([['content-type', 'application/json']]),
  source: { address: '', principal: null },
  destination: '',
  contextExtensions: {},
  metadata: {},
};
const options = { canRewrite: true, handover: null, isBodyWithheld: false };

test('a fault outside of the phases is answered in the dialect that the path suggests, and recorded', async () => {
  const recorded: AuditEntry[] = [];
  const service = createExchangeService(deps(recorded));
  const reply = service.faultReply(head, new Fault('protocol_violation', 'odd'));
  await Promise.resolve();
  expect([reply.status, reply.headers.get('x-countersign-exchange')]).toEqual([500, 'exchange-1']);
  expect(JSON.parse(reply.body.toString())).toMatchObject({ type: 'error', error: { code: 'protocol_violation' } });
  expect(recorded).toMatchObject([
    {
      kind: 'outcome',
      exchange: 'exchange-1',
      facts: { final: true, ended: 'refused', code: 'protocol_violation', path: '/v1/messages' },
    },
  ]);
  expect(JSON.stringify(recorded)).not.toContain('hidden');
});

test('a fault of which not even the request is known still has words', () => {
  const recorded: AuditEntry[] = [];
  const reply = createExchangeService(deps(recorded)).faultReply(null, new Fault('draining', 'soon gone'));
  expect([reply.status, recorded]).toEqual([503, []]);
});

test.each([
  { name: 'no policy', change: {}, want: [503, 'policy_unavailable'] },
  {
    name: 'no keys of the issuer',
    change: { authenticator: { authenticate: () => Promise.reject(new Fault('identity_unavailable', 'down')) } },
    want: [503, 'identity_unavailable'],
  },
  {
    name: 'a bug',
    change: {
      authenticator: {
        authenticate: () => {
          throw new TypeError('x is not a function');
        },
      },
    },
    want: [500, 'internal'],
  },
])('$name: refused, recorded, and nothing forwarded', async ({ change, want }) => {
  const recorded: AuditEntry[] = [];
  const service = createExchangeService({ ...deps(recorded), ...change });
  const verdict = await service.request(head, Buffer.from('{"messages":[]}'), options, new AbortController().signal);
  expect(verdict.kind === 'reply' && [verdict.reply.status, verdict.reply.headers.get('x-countersign-code')]).toEqual(
    want,
  );
  expect(recorded).toMatchObject([{ kind: 'outcome', facts: { final: true, code: want[1] } }]);
});

test('a record that cannot be written is its own refusal', async () => {
  const failing = { append: () => Promise.reject(new Fault('audit_unavailable', 'disk full')) };
  const service = createExchangeService({ ...deps([]), audit: failing });
  const verdict = await service.request({ ...head, headers: new Map() }, null, options, new AbortController().signal);
  // Without a policy the refusal is about the policy; its record fails as well, and the refusal stands.
  expect(verdict.kind === 'reply' && verdict.reply.status).toBe(503);
  const reply = service.faultReply(head, new Fault('internal', 'x'));
  expect(reply.status).toBe(500);
});

const maskAll: Decision = {
  action: 'allow',
  rules: [],
  reasons: [],
  redact: [{ entity: '*', method: 'token' }],
  restore: [],
  omit: [],
  deny: null,
  hold: null,
  labels: {},
  capture: 'metadata',
};
const maskingAll = { current: () => ({ revision: 'sha256:00', evaluate: () => maskAll, decide: () => maskAll }) };

/** What the model gets of this request; the reply, when it gets nothing. */
async function sent(change: Partial<ServiceDeps>, body: unknown, recorded: AuditEntry[] = []): Promise<string> {
  const service = createExchangeService({
    ...deps(recorded),
    pdp: maskingAll,
    entities: new Set(['EMAIL_ADDRESS', 'CREDIT_CARD', 'US_SSN']),
    ...change,
  });
  const asked = { ...head, path: '/v1/chat/completions' };
  const plain = Buffer.from(JSON.stringify(body));
  const verdict = await service.request(asked, plain, options, new AbortController().signal);
  if (verdict.kind === 'forward') return String(verdict.body ?? plain);
  return `${verdict.reply.status} ${verdict.reply.body}`;
}

test('values in names of JSON members are masked wherever they stand, and two stay two; a name of the protocol stays', async () => {
  const properties = { 'jane@corp.example': { type: 'string' }, 'bob@corp.example': { type: 'string' }, city: {} };
  const masked = await sent(
    {},
    {
      model: 'm',
      metadata: { '4111 1111 1111 1111': 'a', '536-22-8726': 'b' },
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties } } }],
      messages: [
        {
          role: 'assistant',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"jane@corp.example":1}' } }],
        },
        { role: 'user', content: '{"jane@corp.example":{"4111111111111111":2}}' },
      ],
    },
  );
  for (const value of ['jane@', 'bob@', '4111', '8726']) expect(masked).not.toContain(value);
  const { metadata, tools, messages } = JSON.parse(masked);
  const [jane = '', bob = '', city] = Object.keys(tools[0].function.parameters.properties);
  expect([jane, bob, city]).toEqual([
    expect.stringMatching(/^EMAIL_ADDRESS_[0-9A-Z]{10}$/),
    expect.stringMatching(/^EMAIL_ADDRESS_[0-9A-Z]{10}$/),
    'city',
  ]);
  expect(bob).not.toBe(jane);
  expect(Object.keys(metadata)).toEqual([
    expect.stringMatching(/^CREDIT_CARD_[0-9A-Z]{10}$/),
    expect.stringMatching(/^US_SSN_[0-9A-Z]{10}$/),
  ]);
  expect(JSON.parse(messages[0].tool_calls[0].function.arguments)).toEqual({ [jane]: 1 });
  const [card = ''] = Object.keys(metadata);
  expect(JSON.parse(messages[1].content)).toEqual({ [jane]: { [card]: 2 } });
});

test.each([
  { name: 'throws', thrown: new TypeError('x is undefined'), want: [500, 'internal'] },
  { name: 'hits a bound', thrown: new Fault('detection_failed', 'too many'), want: [500, 'detection_failed'] },
] as const)(
  'a detector that $name: nothing is forwarded, and nothing of the text is told',
  async ({ thrown, want }) => {
    const recorded: AuditEntry[] = [];
    const failing = {
      revision: 'r',
      scan: () => {
        throw thrown;
      },
      openStream: () => {
        throw thrown;
      },
    };
    for (const length of [10, 200_000]) {
      const content = `jane@corp.example ${'x '.repeat(length)}`;
      const answer = await sent(
        { detection: { current: () => failing }, settings: { ...deps([]).settings, bodyBytesMax: 1_000_000 } },
        { model: 'm', messages: [{ role: 'user', content }] },
        recorded,
      );
      expect(answer).toMatch(new RegExp(`^${want[0]} `));
      expect(JSON.parse(answer.slice(4))).toMatchObject({ error: { code: want[1] } });
      expect(answer).not.toMatch(/jane|undefined|too many/);
    }
    expect(recorded.map(({ kind, facts }) => [kind, facts['code']])).toEqual([
      ['outcome', want[1]],
      ['outcome', want[1]],
    ]);
  },
);

test('a policy that goes into service meanwhile changes neither what an exchange masks nor the revision on its record', async () => {
  const recorded: AuditEntry[] = [];
  const later = createDetector({ tier: 'core', allow: ['jane@corp.example'] });
  let now = detector;
  const service = createExchangeService({
    ...deps(recorded),
    detection: { current: () => now },
    pdp: maskingAll,
    recognition: {
      roles: new Set(['user']),
      onFailure: 'deny',
      recogniser: {
        entities: new Set(),
        recognise: async (texts) => {
          now = later;
          return { kind: 'found', findings: texts.map(() => []) };
        },
      },
    },
  });
  const said = { model: 'm', messages: [{ role: 'user', content: 'mail jane@corp.example' }] };
  const verdict = await service.request(
    { ...head, path: '/v1/chat/completions' },
    Buffer.from(JSON.stringify(said)),
    options,
    new AbortController().signal,
  );
  expect(verdict.kind === 'forward' && String(verdict.body)).toMatch(/mail EMAIL_ADDRESS_[0-9A-Z]{10}/);
  expect(recorded).toMatchObject([{ kind: 'intent', facts: { detectors: detector.revision } }]);
  if (verdict.kind !== 'forward') return;
  const answer = verdict.exchange.openResponse({ status: 200, headers: new Map([['content-type', 'text/plain']]) });
  answer.push(Buffer.from('mail jane@corp.example'));
  const end = await answer.finish();
  expect(String(end.tail)).toMatch(/EMAIL_ADDRESS_[0-9A-Z]{10}$/);
  expect(later.revision).not.toBe(detector.revision);
});

test('sealed blocks that policy has left out, of a request and of its streamed answer, are counted on record', async () => {
  const omitting: Decision = { ...maskAll, redact: [], omit: [{ blocks: 'signed' }, { blocks: 'encrypted' }] };
  const pdp = { current: () => ({ revision: 'sha256:00', evaluate: () => omitting, decide: () => omitting }) };
  const recorded: AuditEntry[] = [];
  const service = createExchangeService({ ...deps(recorded), pdp });
  const text = { type: 'text', text: 'a' };
  const body = (content: readonly object[]): Buffer =>
    Buffer.from(JSON.stringify({ messages: [{ role: 'assistant', content }] }));
  const asked = body([{ type: 'thinking', thinking: 'to jane@example.com', signature: 'EqQB' }, text]);
  const { signal } = new AbortController();

  const refused = await service.request(head, asked, { ...options, canRewrite: false }, signal);
  expect(refused.kind === 'reply' && refused.reply.headers.get('x-countersign-code')).toBe('masking_not_possible');

  const verdict = await service.request(head, asked, options, signal);
  if (verdict.kind !== 'forward') throw new Error('it is not forwarded');
  expect(verdict.body).toEqual(body([text]));
  const event = (of: object): string => `data: ${JSON.stringify(of)}\n\n`;
  const start = (index: number, type: string): string =>
    event({ type: 'content_block_start', index, content_block: { type } });
  const phase = verdict.exchange.openResponse({
    status: 200,
    headers: new Map([['content-type', 'text/event-stream']]),
  });
  const first = phase.push(Buffer.from(start(0, 'redacted_thinking') + start(1, 'text')));
  const { tail } = await phase.finish();
  expect(Buffer.concat([first, tail]).toString()).toBe(start(0, 'text'));
  expect(recorded.slice(1)).toMatchObject([
    {
      kind: 'intent',
      facts: {
        decision: { omit: [{ blocks: 'signed' }, { blocks: 'encrypted' }] },
        omitted: [{ kind: 'signed', count: 1 }],
        masked: [],
      },
    },
    { kind: 'outcome', facts: { ended: 'complete', omitted: [{ kind: 'encrypted', count: 1 }] } },
  ]);
});

test('the address of the caller is in no record, sealed or not, and in nothing that Envoy is handed', async () => {
  const recorded: AuditEntry[] = [];
  const email = 'jane@corp.example';
  const subject = { ...anonymous, authenticated: true, kind: 'human' as const, id: 'jane', email };
  const allow: Decision = { ...maskAll, redact: [] };
  const service = createExchangeService({
    ...deps(recorded),
    authenticator: { authenticate: async () => ok(subject) },
    pdp: { current: () => ({ revision: 'sha256:00', evaluate: () => allow, decide: () => allow }) },
  });
  const body = Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }));
  const asked = { ...head, path: '/v1/chat/completions' };
  const verdict = await service.request(asked, body, { ...options, canRewrite: false }, new AbortController().signal);
  if (verdict.kind === 'reply') throw new Error('it is allowed');
  const caller = recorded.map(({ bodies }) => bodies['caller']?.bytes.toString()).join();
  expect([JSON.parse(caller).id, JSON.stringify(verdict.handover)]).toEqual(['jane', expect.stringContaining('jane')]);
  expect(`${caller}${JSON.stringify([recorded, verdict.handover])}`).not.toContain(email);
});

test('facts come in the order of canonical JSON, so that no record has to sort them', async () => {
  const recorded: AuditEntry[] = [];
  const busy: Decision = {
    ...maskAll,
    rules: ['mask', 'tag'],
    reasons: [{ rule: 'mask', message: 'a value' }],
    redact: [{ entity: '*', method: 'token', roles: ['user'], minScore: 0.5 }],
    restore: [{ entity: 'EMAIL_ADDRESS' }],
    omit: [{ blocks: 'signed' }],
    labels: { a: '1', b: '2' },
  };
  const subject = { ...anonymous, authenticated: true, id: 'jane', workload: 'spiffe://example.com/app' };
  const service = createExchangeService({
    ...deps(recorded),
    authenticator: { authenticate: async () => ok(subject) },
    pdp: { current: () => ({ revision: 'sha256:00', evaluate: () => busy, decide: () => busy }) },
    entities: new Set(['EMAIL_ADDRESS']),
  });
  const traced = new Map([
    ['content-type', 'application/json'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ]);
  const body = Buffer.from(
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'to jane@corp.example' }] }),
  );
  const asked = { ...head, path: '/v1/chat/completions', headers: traced };
  for (const canRewrite of [true, false]) {
    const verdict = await service.request(asked, body, { ...options, canRewrite }, new AbortController().signal);
    if (verdict.kind === 'reply') continue;
    const answer = verdict.exchange.openResponse({
      status: 200,
      headers: new Map([['content-type', 'application/json']]),
    });
    answer.push(
      Buffer.from(
        JSON.stringify({
          model: 'm-1',
          choices: [{ message: { role: 'assistant', content: 'from bob@corp.example' }, finish_reason: 'stop' }],
          usage: { prompt_tokens: 1, completion_tokens: 2 },
        }),
      ),
    );
    await answer.finish();
  }
  expect(recorded.map(({ kind, facts }) => `${kind} ${facts['final'] === true}`)).toEqual([
    'intent false',
    'outcome false',
    'outcome true',
  ]);
  // A refusal adds its own members behind.
  for (const { facts } of recorded.slice(0, 2)) expect(JSON.stringify(facts)).toBe(canonicalJson(facts));
});
