import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Approval } from '../../../src/approval/approval.ts';
import { createGate } from '../../../src/approval/gate.ts';
import { createLevelStore } from '../../../src/approval/level-store.ts';
import type { ApprovalStore } from '../../../src/approval/store.ts';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import type { ServiceDeps } from '../../../src/exchange/deps.ts';
import type { ResponseEnd, ResponsePhase } from '../../../src/exchange/exchange.ts';
import { createExchangeService } from '../../../src/exchange/service.ts';
import { anonymous } from '../../../src/identity/subject.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { ok } from '../../../src/lib/result.ts';
import type { Decision, PolicyInput } from '../../../src/policy/decision.ts';
import { noMetrics } from '../../../src/telemetry/telemetry.ts';
import { actor, countingIds, scratch, terms } from '../../support/approvals.ts';
import { eventually } from '../../support/eventually.ts';
import { allowAll, exchangeDeps } from '../../support/exchange-deps.ts';

const card = ['4111', '1111', '1111', '1111'].join(' ');
const allow: Decision = { ...allowAll, redact: [{ entity: '*', method: 'label' }] };
const hold: Decision = {
  ...allow,
  action: 'hold',
  rules: ['risky_answer'],
  reasons: [{ rule: 'risky_answer', message: 'somebody has to read this' }],
  hold: terms({ waitS: 30 }),
};

let directory: ReturnType<typeof scratch>;
let store: ApprovalStore;
let recorded: AuditEntry[];
let asked: PolicyInput[];
let exchangeIds: () => string;
beforeEach(async () => {
  directory = scratch('held-answer');
  recorded = [];
  asked = [];
  exchangeIds = countingIds();
  store = await createLevelStore(
    { directory: directory.directory },
    { clock: systemClock, onTransition: async () => {} },
  );
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

const json = JSON.stringify({ choices: [{ message: { role: 'assistant', content: `Deploy with ${card}.` } }] });
const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const sse = `${piece('Deploy with 4111 1111 ')}${piece('1111 1111.')}data: [DONE]\n\n`;
const answers = [
  { name: 'JSON', type: 'application/json', body: json },
  { name: 'a stream', type: 'text/event-stream', body: sse },
];

describe.each(answers)('an answer that policy holds: $name', ({ type, body }) => {
  test('waits whole, is shown masked, and goes out masked once somebody agreed', async () => {
    const { phase, ended } = await answer(type, body, (input) => ({ ...hold, hold: waits(input) }));
    expect([phase.mode, phase.reply]).toEqual(['whole', null]);
    const approval = await held();
    expect(approval.held).toMatchObject({
      direction: 'response',
      exchange: 'id-000001',
      findings: [{ entity: 'CREDIT_CARD', count: 1 }],
      resource: { dialect: 'openai.chat', model: 'gpt' },
    });
    expect(approval.held.maskedView).toMatch(/^assistant: Deploy with .*CREDIT_CARD.*\.\n$/);
    expect(approval.held.maskedView).not.toContain('4111');
    expect(approval.pendingUntilMs - approval.createdAtMs).toBeLessThanOrEqual(30_000);
    await store.approve(approval.id, { by: actor('ada', ['reviewers'], 'default'), reason: null });
    const { tail, reply } = await ended;
    expect(reply).toBeNull();
    expect(tail.toString()).toContain('Deploy with ');
    expect(tail.toString()).toContain('CREDIT_CARD');
    expect(tail.toString()).not.toContain('1111');
    expect((await store.get(approval.id))?.state).toBe('consumed');
    expect(recorded.at(-1)).toMatchObject({
      kind: 'outcome',
      facts: {
        ended: 'complete',
        decision: { action: 'hold' },
        approval: {
          id: approval.id,
          state: 'consumed',
          decisions: [{ by: { id: 'ada' }, groups: ['reviewers'], verdict: 'approve', reason: null }],
        },
      },
    });
  });

  test('is asked about once more, with its text, and goes out when there is nothing in it', async () => {
    const { ended } = await answer(type, body, (input) => (input.resource.complete ? allow : hold));
    expect((await ended).reply).toBeNull();
    expect(
      asked.map(({ resource, conversation, findings }) => [
        resource.complete,
        conversation.segments.length,
        findings.length,
      ]),
    ).toEqual([
      [false, 0, 0],
      [true, 1, 1],
    ]);
    expect(asked[1]?.conversation.segments[0]).toMatchObject({ role: 'assistant', text: `Deploy with ${card}.` });
    expect((await store.list({ state: null, accepts: () => true, pageSize: 1, after: null })).approvals).toEqual([]);
  });

  test('is refused where policy, having read it, says no', async () => {
    const denied: Decision = { ...allow, action: 'deny', deny: { status: 403, code: 'no_cards', message: 'no' } };
    const { ended } = await answer(type, body, (input) => (input.resource.complete ? denied : hold));
    const { tail, reply } = await ended;
    expect([tail.length, reply?.status, reply?.headers.get('x-countersign-code')]).toEqual([0, 403, 'no_cards']);
  });

  test.each([
    { name: 'rejected', end: (id: string) => store.reject(id, { by: ada, reason: 'not like this' }) },
    { name: 'revoked', end: (id: string) => store.cancel(id, { by: requester, reason: null }) },
  ])('is discarded when it is $name', async ({ name, end }) => {
    const { ended } = await answer(type, body, () => hold);
    expect((await end((await held()).id)).ok).toBe(true);
    const { tail, reply } = await ended;
    expect([tail.length, reply?.status, reply?.headers.get('x-countersign-code')]).toEqual([
      0,
      403,
      `approval_${name}`,
    ]);
    expect(recorded.at(-1)).toMatchObject({ facts: { ended: 'refused', code: `approval_${name}` } });
  });
});

test('nobody agreed in time: the approval is over before the wait is, and the answer is gone', async () => {
  const { ended } = await answer('application/json', json, () => ({ ...hold, hold: terms({ waitS: 1 }) }));
  const approval = await held();
  const { tail, reply } = await ended;
  expect([tail.length, reply?.headers.get('x-countersign-code')]).toEqual([0, 'approval_expired']);
  expect(reply?.body.toString()).toContain('Another try asks the model anew');
  expect((await store.get(approval.id))?.state).toBe('expired');
});

test('a client that goes away ends the wait, and leaves the record', async () => {
  const { exchange, ended } = await answer('application/json', json, () => hold);
  const approval = await held();
  await exchange.abort('client_gone');
  expect((await ended).tail.length).toBe(0);
  expect((await store.get(approval.id))?.state).toBe('pending');
  expect(recorded.filter(({ kind }) => kind === 'outcome')).toMatchObject([{ facts: { ended: 'client_gone' } }]);
});

test.each([
  { name: 'policy gives none', decision: { ...hold, hold: terms({ waitS: 0 }) }, holdWaitMsMax: 50_000 },
  { name: 'the gateway gives none', decision: hold, holdWaitMsMax: 0 },
])('without time there is no approval: $name', async ({ decision, holdWaitMsMax }) => {
  const { ended } = await answer('application/json', json, () => decision, holdWaitMsMax);
  const { reply } = await ended;
  expect([reply?.status, reply?.headers.get('x-countersign-code')]).toEqual([403, 'approval_not_possible']);
});

test('the same answer to another exchange is another approval', async () => {
  const first = await answer('application/json', json, () => hold);
  const second = await answer('application/json', json, () => hold);
  const pending = await eventually('two approvals', async () => {
    const page = await store.list({ state: 'pending', accepts: () => true, pageSize: 5, after: null });
    return page.approvals.length === 2 ? page.approvals : undefined;
  });
  for (const { id } of pending) await store.reject(id, { by: ada, reason: null });
  for (const { ended } of [first, second]) expect((await ended).reply?.status).toBe(403);
});

test('an answer that cannot be read is refused, and one that is too large', async () => {
  const broken = await answer('application/json', '{"choices":', () => hold);
  expect((await broken.ended).reply?.headers.get('x-countersign-code')).toBe('response_invalid_json');
  const large = await answer('application/json', `"${'x'.repeat(70_000)}"`, () => hold);
  expect((await large.ended).reply?.headers.get('x-countersign-code')).toBe('response_body_too_large');
});

const ada = actor('ada', ['reviewers'], 'default');
const requester = { ...actor('rita', [], 'default') };

function waits(input: PolicyInput) {
  return terms({ waitS: 30, approverGroups: ['reviewers'], ttlS: input.resource.complete ? 600 : 1 });
}

async function held(): Promise<Approval> {
  return eventually('a held answer', async () => {
    const page = await store.list({ state: 'pending', accepts: () => true, pageSize: 1, after: null });
    return page.approvals[0];
  });
}

const newId = countingIds('approval');

/** Sends a request that passes, then its answer in two pieces. */
async function answer(type: string, body: string, decide: (input: PolicyInput) => Decision, holdWaitMsMax = 50_000) {
  const service = createExchangeService(deps(decide, holdWaitMsMax));
  const head = {
    method: 'POST',
    path: '/v1/chat/completions',
    host: 'api.example',
    headers: new Map([['content-type', 'application/json']]),
    source: { address: '', principal: null },
    destination: '',
    contextExtensions: {},
    metadata: {},
  };
  const options = { canRewrite: true, handover: null, isBodyWithheld: false };
  const request = Buffer.from('{"model":"gpt","messages":[{"role":"user","content":"how?"}]}');
  const verdict = await service.request(head, request, options, new AbortController().signal);
  if (verdict.kind !== 'forward') throw new Error(`refused: ${verdict.reply.body.toString()}`);
  const { exchange } = verdict;
  const phase = exchange.openResponse({ status: 200, headers: new Map([['content-type', type]]) });
  return { exchange, phase, ended: finished(phase, Buffer.from(body)) };
}

async function finished(phase: ResponsePhase, body: Buffer): Promise<ResponseEnd> {
  const half = Math.floor(body.length / 2);
  for (const part of [body.subarray(0, half), body.subarray(half)]) expect(phase.push(part).length).toBe(0);
  return phase.finish();
}

function deps(decide: (input: PolicyInput) => Decision, holdWaitMsMax: number): ServiceDeps {
  const evaluate = (input: PolicyInput): Decision => {
    if (input.phase === 'request') return allow;
    asked.push(input);
    return decide(input);
  };
  return {
    ...exchangeDeps(recorded, evaluate, { holdWaitMsMax }),
    authenticator: {
      authenticate: async () =>
        ok({ ...anonymous, authenticated: true, kind: 'human', id: 'rita', issuer: 'https://issuer.example' }),
    },
    entities: new Set(rules.map((rule) => rule.entity)),
    gate: createGate({ store, clock: systemClock, newId, observe: noMetrics }),
    newId: exchangeIds,
  };
}
