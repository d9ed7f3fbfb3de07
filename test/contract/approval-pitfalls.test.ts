import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Approval, Gate, GateOutcome } from '../../src/approval/approval.ts';
import { type Fingerprinted, fingerprint } from '../../src/approval/fingerprint.ts';
import { createGate } from '../../src/approval/gate.ts';
import { createLevelStore } from '../../src/approval/level-store.ts';
import { emailText, webhookBody } from '../../src/approval/notice/bodies.ts';
import { tell } from '../../src/approval/notice/fields.ts';
import { noticeEvents, noticeOf } from '../../src/approval/notice/notice.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore } from '../../src/approval/store.ts';
import { checkConfig } from '../../src/config/check.ts';
import { settings } from '../../src/config/settings.ts';
import { held as heldReply, replyOf } from '../../src/exchange/replies.ts';
import { ApprovalServiceService } from '../../src/gen/countersign/approval/v1/approval.ts';
import { Fault } from '../../src/lib/fault.ts';
import { limits } from '../../src/lib/limits.ts';
import { atOnce } from '../../src/lib/slices.ts';
import { emptyConversation } from '../../src/llm/conversation.ts';
import { createDialects, createRoutableDialects } from '../../src/llm/dialects.ts';
import { sampleNotice } from '../../src/main/notice-sample.ts';
import { createFileSource } from '../../src/policy/file-source.ts';
import { loadPolicy } from '../../src/policy/opa-wasm.ts';
import { noMetrics } from '../../src/telemetry/telemetry.ts';
import {
  actor,
  countingIds,
  type HandClock,
  handClock,
  held,
  person,
  scratch,
  startMs,
  terms,
} from '../support/approvals.ts';
import { requesterRoute, route } from '../support/notices.ts';
import { saying } from '../support/policy.ts';
import { type PolicyVariant, policyVariant } from '../support/policy-variant.ts';

/**
 * What has gone wrong in other systems that hold requests, one test each, named for what went wrong. Details of each behaviour are
 * tested where it is written; here it is shown that none of it goes wrong here.
 */

const ada = { by: actor('ada'), reason: null };
const ben = { by: actor('ben'), reason: null };
const forever = new AbortController().signal;

let folder: ReturnType<typeof scratch>;
let clock: HandClock;
let recorded: Approval[];
let isRecordDown: boolean;
let store: ApprovalStore;
let gate: Gate;

beforeEach(async () => {
  folder = scratch('pitfalls');
  clock = handClock();
  recorded = [];
  isRecordDown = false;
  await open();
});
afterEach(async () => {
  await store.close();
  folder.remove();
});

async function open(): Promise<void> {
  const onTransition = async (approval: Approval): Promise<void> => {
    if (isRecordDown) throw new Fault('audit_unavailable', 'no record');
    recorded.push(approval);
  };
  store = await createLevelStore({ directory: folder.directory, orphanAfterMs: 0 }, { clock, onTransition });
  gate = createGate({ store, clock, newId: countingIds(String(recorded.length)), observe: noMetrics }, { pollMs: 20 });
}

const pass = (digest: string, changes: Parameters<typeof terms>[0] = {}, signal = forever): Promise<GateOutcome> =>
  gate.pass(digest, held(), terms({ waitS: 0, ...changes }), signal);

describe('a status that clients retry, for a call that is held', () => {
  test.each(createRoutableDialects().map((dialect) => ({ name: dialect.id, dialect })))(
    '$name',
    async ({ dialect }) => {
      const { approval } = await pass('d');
      for (const kind of ['pending', 'rejected', 'expired', 'revoked'] as const) {
        const { status, headers } = replyOf(heldReply(kind, approval), dialect, 'exchange-1');
        // 202 is taken for an answer; 408, 409, 429 and 5xx are tried again.
        expect([status, headers.get('x-should-retry'), headers.has('retry-after')]).toEqual([403, 'false', false]);
      }
    },
  );
});

test('state lost when the hold times out: the approval that comes after the waiter is used by the next try', async () => {
  const { kind, approval } = await pass('d', { waitS: 0.02 });
  expect(kind).toBe('pending');
  clock.move(189_000);
  await store.approve(approval.id, ada);
  expect(await pass('d')).toMatchObject({ kind: 'granted', approval: { id: approval.id } });
});

test('"allow once" that can be replayed', async () => {
  const { approval } = await pass('d');
  await store.approve(approval.id, ada);
  const outcomes = [await pass('d'), await pass('d'), await pass('d')];
  expect(outcomes.map(({ kind }) => kind)).toEqual(['granted', 'pending', 'pending']);
});

describe('an approval that is not bound to what was asked', () => {
  const base: Fingerprinted = {
    held: held(),
    method: 'POST',
    terms: terms(),
    redactions: [],
    conversation: emptyConversation,
    body: Buffer.from('{"tool":"transfer","amount":10}'),
  };
  const changes: Readonly<Record<string, Partial<Fingerprinted>>> = {
    'an argument': { body: Buffer.from('{"tool":"transfer","amount":11}') },
    'a blank': { body: Buffer.from('{"tool":"transfer", "amount":10}') },
    'who asks': { held: held({ requester: person('mallory') }) },
    'for whom': { held: held({ onBehalfOf: 'mallory' }) },
    'the tenant': { held: held({ tenant: 'other' }) },
    'the model': { held: held({ resource: { ...held().resource, model: 'other' } }) },
    'the route': { held: held({ resource: { ...held().resource, path: '/v1/responses' } }) },
    'the direction': { held: held({ direction: 'response' }) },
    'the masking': { redactions: [{ entity: '*', method: 'label' }] },
    'milder terms': { terms: terms({ quorum: 2 }) },
  };
  test.each(Object.entries(changes))('%s', (_name, change) => {
    expect(fingerprint({ ...base, ...change })).not.toBe(fingerprint(base));
  });
});

test('pending for ever: it expires, is written as expired and published, and no policy can ask for more than the limit', async () => {
  const { approval } = await pass('d', { ttlS: Number.MAX_SAFE_INTEGER });
  expect(approval.pendingUntilMs - startMs).toBe(limits.approvalTtlSecondsMax * 1000);
  const heard: string[] = [];
  store.subscribe((hint) => hint.kind === 'changed' && heard.push(hint.id));
  clock.move(limits.approvalTtlSecondsMax * 1000);
  expect((await store.sweep()).expired).toBe(1);
  expect([recorded.at(-1)?.state, heard]).toEqual(['expired', [approval.id]]);
});

test('a time-out that is reported as the rejection of a person', async () => {
  const waiting = pass('d', { ttlS: 60, waitS: 30 });
  await expect.poll(() => recorded.length).toBe(1);
  clock.move(60_000);
  const { kind, approval } = await waiting;
  expect([kind, approval.state, approval.decisions]).toEqual(['expired', 'expired', []]);
  expect(heldReply('expired', approval).code).toBe('approval_expired');
  // Nor is somebody who comes late told that a person was first.
  expect(await store.approve(approval.id, ada)).toMatchObject({ error: { kind: 'already_resolved', first: null } });
});

test('a time-out that is fixed: policy sets wait, life and grant, rule by rule', async () => {
  const { approval } = await pass('d', { ttlS: 86_400, waitS: 0, grant: { uses: 3, ttlS: 7_200 } });
  await store.approve(approval.id, ada);
  const granted = await store.get(approval.id);
  expect([approval.pendingUntilMs - startMs, (granted?.grantUntilMs ?? 0) - startMs, granted?.usesLeft]).toEqual([
    86_400_000, 7_200_000, 3,
  ]);
});

describe('the identity of a chat taken for that of a reviewer', () => {
  test('a bot that relays a click is no person', async () => {
    const { approval } = await pass('d');
    const bot = { by: { ...actor('bot'), kind: 'service' as const }, reason: null };
    expect(await store.approve(approval.id, bot)).toMatchObject({ error: { kind: 'not_human' } });
  });

  test.each(noticeEvents)('a card about %s links, and decides nothing', (event) => {
    const { notice, from } = sampleNotice(event, startMs, { group: 'g', rule: 'r' });
    const told = tell(notice, from, { link: 'https://console.example/{approval}', maskedView: true });
    for (const format of ['slack', 'teams'] as const) {
      const body = JSON.stringify(webhookBody(route(), format, told, startMs));
      expect(body).toContain('https://console.example/');
      expect(body).not.toMatch(/Action\.(Submit|Http|Execute)|"action_id"|"interaction"/);
    }
  });
});

test('a requester who may approve: not alone, not as owner, not as the one acted for, not as an administrator', async () => {
  const involved = held({
    requester: person('svc'),
    requesterKind: 'service',
    onBehalfOf: 'rita',
    excluded: ['owen', 'rita'],
  });
  const { approval } = await gate.pass('d', involved, terms({ waitS: 0 }), forever);
  for (const who of ['svc', 'rita', 'owen']) {
    const by = actor(who, ['reviewers', 'administrators', 'auditors']);
    expect(await store.approve(approval.id, { by, reason: null })).toMatchObject({ error: { kind: 'own_request' } });
  }
});

test('a requester who is asked to approve: it is told what became of its request, by a mail that decides nothing', () => {
  const toRequester = requesterRoute();
  const { config } = checkConfig(
    `policy: { bundle: b }
identity: { issuers: [{ issuer: "https://idp.example.com", audiences: [a] }] }
notices: { routes: [{ name: r, email: { host: h, from: c@example.com, to_requester: true } }] }`,
    '/etc/c.yaml',
    { env: {}, readText: () => '', readPem: () => null, kindOf: (path) => (path === '/etc/b' ? 'file' : 'missing') },
  );
  expect(config?.notices.routes[0]?.events).toEqual(['decided', 'break_glass', 'expired', 'revoked']);
  for (const event of config?.notices.routes[0]?.events ?? []) {
    const { notice, from } = sampleNotice(event, startMs, { group: 'g', rule: 'r' });
    const { text } = emailText(
      toRequester,
      tell(notice, from, { link: null, maskedView: false, toRequester: true }).fields,
    );
    expect(text).not.toMatch(/approvals (approve|reject|break-glass)/);
  }
});

describe('decisions and consumptions at the same time', () => {
  test('one decision wins; the others are told which', async () => {
    const { approval } = await pass('d');
    const people = Array.from({ length: 20 }, (_, n) => ({ by: actor(`p${n}`), reason: null }));
    const outcomes = await Promise.all(
      people.map((intent, n) => (n % 2 === 0 ? store.approve(approval.id, intent) : store.reject(approval.id, intent))),
    );
    const won = outcomes.filter(({ ok }) => ok);
    expect(won).toHaveLength(1);
    const first = (await store.get(approval.id))?.decisions[0];
    for (const outcome of outcomes)
      if (!outcome.ok) expect(outcome.error).toMatchObject({ kind: 'already_resolved', first });
  });

  test('a grant of three uses, fifty at once', async () => {
    const { approval } = await pass('d', { grant: { uses: 3, ttlS: 60 } });
    await store.approve(approval.id, ada);
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => store.consume(approval.id)));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(3);
  });
});

test('a grant that is taken back while the request is still held', async () => {
  const { approval } = await pass('d');
  await store.approve(approval.id, ada);
  // Ben is quicker than the request that has just found its grant.
  const overtaken: ApprovalStore = {
    ...store,
    consume: async (id, seen) => {
      await store.revoke(id, { by: actor('ben'), reason: 'not today' });
      return store.consume(id, seen);
    },
  };
  const late = createGate({ store: overtaken, clock, newId: countingIds('late'), observe: noMetrics });
  const outcome = await late.pass('d', held(), terms({ waitS: 30 }), forever);
  expect(outcome).toMatchObject({ kind: 'revoked', approval: { id: approval.id, state: 'revoked' } });
  expect(heldReply('revoked', outcome.approval)).toMatchObject({
    code: 'approval_revoked',
    details: { reason: 'not today' },
  });
});

describe('an SDK that repeats the call by itself after the model has failed', () => {
  test.each([
    { uses: 1, want: ['granted', 'pending', 'pending'] },
    { uses: 3, want: ['granted', 'granted', 'granted'] },
  ])('is given $uses of its three tries where the rule grants as many uses', async ({ uses, want }) => {
    const { approval } = await pass('d', { grant: { uses, ttlS: 60 } });
    await store.approve(approval.id, ada);
    const tries = [];
    for (let n = 0; n < 3; n += 1) tries.push((await pass('d', { grant: { uses, ttlS: 60 } })).kind);
    expect(tries).toEqual(want);
  });
});

test('policy that changes between request and resume: the old grant opens nothing under the new revision', async () => {
  const of = (policyRevision: string) =>
    fingerprint({
      held: held({ policyRevision }),
      method: 'POST',
      terms: terms(),
      redactions: [],
      conversation: emptyConversation,
      body: Buffer.from('same'),
    });
  const before = await pass(of('sha256:01'));
  await store.approve(before.approval.id, ada);
  expect((await pass(of('sha256:02'))).kind).toBe('pending');
  expect((await pass(of('sha256:01'))).kind).toBe('granted');
});

describe('rules', () => {
  const risky = saying('Write a script that drops the users table in production.');
  let variant: PolicyVariant;
  let policy: Awaited<ReturnType<typeof loadPolicy>>;
  beforeAll(async () => {
    variant = await policyVariant({});
    policy = await loadPolicy(await createFileSource(variant.bundle).read());
  });
  afterAll(() => variant.remove());

  test('that contradict each other: deny wins over hold, whoever asks', () => {
    expect(policy.evaluate(risky).action).toBe('hold');
    const anonymous = {
      ...risky,
      subject: { ...risky.subject, authenticated: false, kind: 'anonymous' as const, id: '' },
    };
    const decision = policy.evaluate(anonymous);
    expect([decision.action, decision.rules.includes('hold_production_changes')]).toEqual(['deny', true]);
  });

  const text = risky.conversation.segments[0]?.text ?? '';
  const said = { role: 'user', content: text };
  test.each([
    ['/v1/chat/completions', { messages: [said] }],
    ['/v1/responses', { input: text }],
    ['/v1/responses', { input: [said], stream: true }],
    ['/v1/completions', { prompt: text }],
    ['/openai/deployments/d/chat/completions', { messages: [said] }],
    ['/v1/messages', { max_tokens: 1, messages: [said] }],
    ['/v1beta/models/m:generateContent', { contents: [{ role: 'user', parts: [{ text }] }] }],
    ['/v1beta/models/m:streamGenerateContent', { contents: [{ role: 'user', parts: [{ text }] }] }],
    ['/model/m/converse', { messages: [{ role: 'user', content: [{ text }] }] }],
    ['/api/chat', { messages: [said] }],
    ['/api/generate', { prompt: text }],
    ['/v2/chat', { messages: [said] }],
  ])('that a second path would go round: %s %j', (path, body) => {
    const facts = { method: 'POST', path, header: () => 'application/json' };
    const dialect = createDialects([])(facts, 'application/json');
    const parsed = atOnce(dialect.readRequest(Buffer.from(JSON.stringify({ model: 'm', ...body })), facts));
    if (!parsed.ok) throw new Error('not read');
    const { segments } = parsed.value.conversation;
    const decision = policy.evaluate({ ...risky, conversation: { ...risky.conversation, segments } });
    expect(decision.action).toBe('hold');
  });

  test('that silently do not fire: a text in a format that nobody knows is read all the same', () => {
    const path = '/a/path/that/nobody/has/configured';
    const facts = { method: 'POST', path, header: () => 'application/json' };
    const dialect = createDialects([])(facts, 'application/json');
    const parsed = atOnce(dialect.readRequest(Buffer.from(JSON.stringify({ deep: [{ inside: text }] })), facts));
    if (!parsed.ok) throw new Error('not read');
    const { segments } = parsed.value.conversation;
    expect(segments.map((segment) => segment.text)).toContain(text);
    // In the role that the shipped rule reads, or it would pass in a format that we do not know.
    const decision = policy.evaluate({ ...risky, conversation: { ...risky.conversation, segments } });
    expect(decision.action).not.toBe('allow');
  });
});

describe('clients that give up before the hold is over', () => {
  test('the wait ends with the client, the record stays, and no grant is lost on nobody', async () => {
    const client = new AbortController();
    const waiting = pass('d', { waitS: 600 }, client.signal);
    await expect.poll(() => recorded.length).toBe(1);
    client.abort();
    const { kind, approval } = await waiting;
    expect(kind).toBe('pending');
    await store.approve(approval.id, ada);
    expect((await pass('d')).kind).toBe('granted');
  });

  test('a wait that Envoy would not wait for is refused at the start', () => {
    const text = 'policy: { bundle: b }\napproval: { max_wait: 60s }\nenvoy: { message_timeout: 60s }\n';
    const machine = { env: {}, readText: () => null, readPem: () => null, kindOf: () => 'file' as const };
    const { config, problems } = checkConfig(text, '/etc/countersign.yaml', machine);
    expect([config, problems.map(({ setting }) => setting)]).toEqual([
      null,
      expect.arrayContaining(['approval.max_wait']),
    ]);
  });
});

test('no signal while it is pending: people are told, the caller gets the id and the end, and a watcher a hint', async () => {
  const hint = new Promise<string>((resolve) => store.subscribe((one) => one.kind === 'changed' && resolve(one.id)));
  const { approval } = await pass('d');
  expect(await hint).toBe(approval.id);
  expect(noticeOf(approval, null, startMs)?.event).toBe('created');
  expect(heldReply('pending', approval).details).toMatchObject({
    approval_id: approval.id,
    expires_at: new Date(approval.pendingUntilMs).toISOString(),
    status_call: ApprovalServiceService.get.path.slice(1),
  });
  const { details } = heldReply('pending', approval, 'https://console.example/a/{approval}?from={approval}');
  expect(details['status_url']).toBe(`https://console.example/a/${approval.id}?from=${approval.id}`);
  // What is decided needs no asking.
  for (const kind of ['rejected', 'expired', 'revoked'] as const) {
    const told = heldReply(kind, approval, 'https://console.example/a/{approval}').details;
    expect([told['status_call'], told['status_url']]).toEqual([undefined, undefined]);
  }
});

test('a record that is lost on restart: no decision has effect before it is on record, and none that was made is lost', async () => {
  const { approval } = await pass('d');
  isRecordDown = true;
  await expect(store.approve(approval.id, ada)).rejects.toMatchObject({ code: 'audit_unavailable' });
  expect((await store.get(approval.id))?.state).toBe('pending');
  await store.close();
  isRecordDown = false;
  await open();
  await store.sweep();
  expect([(await store.get(approval.id))?.state, recorded.at(-1)?.state]).toEqual(['approved', 'approved']);
});

test('what waits for people in the memory of one replica: another process finds it, decides, and the first one’s waiter goes on', async () => {
  const { approval } = await pass('d');
  await store.close();
  await open();
  const waiting = pass('d', { waitS: 30 });
  expect((await store.approve(approval.id, ben)).ok).toBe(true);
  expect(await waiting).toMatchObject({ kind: 'granted', approval: { id: approval.id } });
});

describe('a mode that opens when something fails', () => {
  test('there is no setting for it, but for the record of what needs no approval', () => {
    const names = settings().map(({ name }) => name);
    expect(names.length).toBeGreaterThan(50);
    const deciding = names.filter((name) => /^(approval|policy|identity|audit|limits|envoy)\b/.test(name));
    // That one is about what is on record, not about who agreed: approvals never pass without a record (allow-unrecorded.test.ts).
    expect(deciding.filter((name) => /fail|open\b|bypass|enforce/.test(name))).toEqual(['audit.on_failure']);
  });

  test('a store that is away is a fault, not a pass', async () => {
    const target = { kind: 'single', url: 'redis://127.0.0.1:1' } as const;
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const away = await createRedisStore({ target, deadlineMs: 100 }, { clock, onTransition: async () => {}, log });
    const closed = createGate({ store: away, clock, newId: countingIds(), observe: noMetrics });
    await expect(closed.pass('d', held(), terms(), forever)).rejects.toMatchObject({ code: 'approval_unavailable' });
    await away.close();
  });
});
