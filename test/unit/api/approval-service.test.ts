import { credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApprovalService } from '../../../src/api/approval-service.ts';
import type { HeldRequest } from '../../../src/approval/approval.ts';
import { createLevelStore } from '../../../src/approval/level-store.ts';
import type { ApprovalStore } from '../../../src/approval/store.ts';
import {
  type Approval,
  ApprovalServiceClient,
  ApprovalServiceService,
  Change,
  DecideBatchRequest,
  type DecideBatchResponse,
  type GetByRequestRequest,
  type GetByRequestResponse,
  ListRequest,
  type ListResponse,
  State,
  Verdict,
  type WatchRequest,
  type WatchResponse,
} from '../../../src/gen/countersign/approval/v1/approval.ts';
import { DetailedStatus, RetryInfo } from '../../../src/gen/google/rpc/error_details.ts';
import { type Authenticator, anonymous, type Subject } from '../../../src/identity/subject.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { err, ok } from '../../../src/lib/result.ts';
import type { HoldTerms } from '../../../src/policy/decision.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { type HandClock, handClock, held, person, scratch, startMs, terms } from '../../support/approvals.ts';

const people: Readonly<Record<string, Subject>> = {
  rita: subject('rita', []),
  ada: subject('ada', ['reviewers']),
  bob: subject('bob', ['reviewers']),
  olga: subject('olga', ['operations']),
  audrey: subject('audrey', ['auditors']),
  eve: { ...subject('eve', ['reviewers', 'auditors']), tenant: 'other' },
  bot: { ...subject('bot', ['reviewers']), kind: 'service' },
  twin: { ...subject('rita', []), issuer: 'https://elsewhere.example' },
  nobody: anonymous,
};

/** The token is the name. */
const authenticator: Authenticator = {
  authenticate: async ({ token }) => {
    if (token === 'keys-down') throw new Fault('identity_unavailable', 'no keys');
    const found = people[token ?? ''];
    return found === undefined ? err('bad_signature') : ok(found);
  },
};

let directory: ReturnType<typeof scratch>;
let clock: HandClock;
let store: ApprovalStore;
let audit: { failure: Fault | null; recorded: string[] };
let draining: AbortController;
let server: Server;
let client: ApprovalServiceClient;

beforeEach(async () => {
  directory = scratch('service');
  clock = handClock();
  audit = { failure: null, recorded: [] };
  draining = new AbortController();
  const onTransition = async ({ id, state, version }: { id: string; state: string; version: number }) => {
    if (audit.failure !== null) throw audit.failure;
    audit.recorded.push(`${id} ${state} ${version}`);
  };
  store = await createLevelStore({ directory: directory.directory, contentionMs: 20 }, { clock, onTransition });
  server = new Server();
  const deps = { store, authenticator, clock, log: silentLog, metrics: noMetrics };
  server.addService(
    ApprovalServiceService,
    createApprovalService(deps, { auditorGroups: ['auditors'], draining: draining.signal }),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  client = new ApprovalServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  server.forceShutdown();
  await store.close();
  directory.remove();
});

describe('approval service', () => {
  test('shows a reviewer everything that a decision needs', async () => {
    await open('a');
    clock.move(1_500);
    const approval = await get('ada', 'a');
    expect(approval).toEqual({
      id: 'a',
      digest: 'a',
      state: State.STATE_PENDING,
      version: 1,
      tenant: 'acme',
      requester: { issuer: 'https://issuer.example', id: 'rita', displayName: '' },
      requesterKind: 1,
      onBehalfOf: '',
      resource: { host: 'api.example', path: '/v1/chat/completions', dialect: 'openai.chat', model: 'gpt' },
      direction: 1,
      exchange: 'exchange-1',
      session: 'session-1',
      rules: ['production_code'],
      reasons: ['code for production needs a second pair of eyes'],
      requesterReason: '',
      findings: [{ entity: 'CREDIT_CARD', count: 1 }],
      maskedView: 'user: deploy with card CREDIT_CARD',
      policyRevision: 'sha256:00',
      terms: {
        approverGroups: ['reviewers'],
        quorum: 1,
        grantUses: 1,
        grantTtl: { seconds: 300n, nanos: 0 },
        requireReason: false,
        groupMatch: 1,
        breakGlassGroups: [],
        allowSelfApproval: false,
        returnReason: true,
      },
      createTime: new Date(startMs),
      age: { seconds: 1n, nanos: 500_000_000 },
      pendingUntil: new Date(startMs + 600_000),
      grantUntil: undefined,
      usesLeft: 0,
      decisions: [],
      forced: false,
      timeLeft: { seconds: 598n, nanos: 500_000_000 },
      approvalsMissing: 1,
      groupsMissing: [],
    });
  });

  test.each([
    { who: 'rita', why: 'requester', sees: true },
    { who: 'ada', why: 'approver', sees: true },
    { who: 'audrey', why: 'auditor', sees: true },
    { who: 'olga', why: 'another group', sees: false },
    { who: 'eve', why: 'another tenant', sees: false },
    { who: 'twin', why: 'the same id from another issuer', sees: false },
  ])('$who ($why) sees it: $sees', async ({ who, sees }) => {
    await open('a');
    const listed = await list(who, {});
    if (sees) {
      expect((await get(who, 'a')).id).toBe('a');
      expect(listed.approvals.map((one) => one.id)).toEqual(['a']);
    } else {
      await expect(get(who, 'a')).rejects.toMatchObject({ code: status.NOT_FOUND, details: 'not_found' });
      expect(listed.approvals).toEqual([]);
    }
  });

  test('approves with a reason, and says the first decision to the second', async () => {
    await open('a');
    const approved = await decide('approve', 'ada', 'a', '  fine  ');
    expect(approved).toMatchObject({
      state: State.STATE_APPROVED,
      usesLeft: 1,
      grantUntil: new Date(startMs + 300_000),
      decisions: [
        { by: { id: 'ada' }, groups: ['reviewers'], verdict: 1, reason: 'fine', decideTime: new Date(startMs) },
      ],
    });
    await expect(decide('reject', 'bob', 'a')).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'already_resolved: approved: approve by ada at 2026-01-01T00:00:00.000Z',
    });
    expect((await decide('revoke', 'bob', 'a')).state).toBe(State.STATE_REVOKED);
  });

  test('the requester withdraws', async () => {
    await open('a');
    expect((await decide('cancel', 'rita', 'a')).state).toBe(State.STATE_CANCELLED);
  });

  const refusals = [
    {
      name: 'own request',
      act: () => decide('approve', 'ada', 'own'),
      code: status.PERMISSION_DENIED,
      details: /^own_request: /,
    },
    {
      name: 'auditor',
      act: () => decide('approve', 'audrey', 'a'),
      code: status.PERMISSION_DENIED,
      details: /^not_approver: members of reviewers /,
    },
    { name: 'bot', act: () => decide('approve', 'bot', 'a'), code: status.PERMISSION_DENIED, details: /^not_human: / },
    {
      name: 'not the requester',
      act: () => decide('cancel', 'ada', 'a'),
      code: status.PERMISSION_DENIED,
      details: /^not_requester: /,
    },
    { name: 'unseen', act: () => decide('approve', 'eve', 'a'), code: status.NOT_FOUND, details: /^not_found$/ },
    { name: 'no such id', act: () => decide('approve', 'ada', 'b'), code: status.NOT_FOUND, details: /^not_found$/ },
    {
      name: 'no grant',
      act: () => decide('revoke', 'ada', 'a'),
      code: status.FAILED_PRECONDITION,
      details: /^not_approved: /,
    },
    {
      name: 'no reason',
      act: () => decide('approve', 'ada', 'reason', ' '),
      code: status.INVALID_ARGUMENT,
      details: /^reason_required: /,
    },
    {
      name: 'long reason',
      act: () => decide('approve', 'ada', 'a', 'x'.repeat(1001)),
      code: status.INVALID_ARGUMENT,
      details: /^reason_too_long: .* 1000 /,
    },
    { name: 'bad id', act: () => get('ada', 'a b'), code: status.INVALID_ARGUMENT, details: /^invalid_argument: id / },
    {
      name: 'bad page token',
      act: () => list('ada', { pageToken: '!' }),
      code: status.INVALID_ARGUMENT,
      details: /^invalid_argument: page_token /,
    },
    {
      name: 'bad token',
      act: () => get('mallory', 'a'),
      code: status.UNAUTHENTICATED,
      details: /^unauthenticated: bad_signature$/,
    },
    {
      name: 'anonymous',
      act: () => get('nobody', 'a'),
      code: status.UNAUTHENTICATED,
      details: /^unauthenticated: anonymous$/,
    },
    {
      name: 'no token',
      act: () => get(null, 'a'),
      code: status.UNAUTHENTICATED,
      details: /^unauthenticated: missing_token$/,
    },
    {
      name: 'keys down',
      act: () => get('keys-down', 'a'),
      code: status.UNAVAILABLE,
      details: /^identity_unavailable$/,
    },
  ];
  test.each(refusals)('refuses: $name', async ({ act, code, details }) => {
    await open('a');
    await open('own', { approverGroups: ['reviewers'], requester: 'ada' });
    await open('reason', { requireReason: true });
    await expect(act()).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });

  test('an audit log that is down is UNAVAILABLE, and the decision has no effect', async () => {
    await open('a');
    audit.failure = new Fault('audit_unavailable', 'disk full');
    await expect(decide('approve', 'ada', 'a')).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: 'audit_unavailable',
    });
    expect((await get('ada', 'a')).state).toBe(State.STATE_PENDING);
    await expect(decide('reject', 'bob', 'a')).rejects.toMatchObject({ code: status.ABORTED });
  });

  test('lists by state, group and requester, in pages', async () => {
    await open('a1');
    await open('a2', { approverGroups: ['operations', 'reviewers'] });
    await open('a3', { requester: 'sam' });
    await decide('reject', 'ada', 'a1');
    expect(ids(await list('ada', { state: State.STATE_PENDING }))).toEqual(['a3', 'a2']);
    expect(ids(await list('ada', { group: 'operations' }))).toEqual(['a2']);
    expect(ids(await list('ada', { requesterId: 'sam' }))).toEqual(['a3']);
    const first = await list('ada', { pageSize: 2 });
    expect(ids(first)).toEqual(['a3', 'a2']);
    const second = await list('ada', { pageSize: 2, pageToken: first.nextPageToken });
    expect([ids(second), second.nextPageToken]).toEqual([['a1'], '']);
  });

  test('a watch sends what is there, then what changes, and ends with the client', async () => {
    await open('a');
    await open('hidden', { approverGroups: ['operations'] });
    const watch = openWatch('ada', {});
    expect(await watch.next()).toEqual([Change.CHANGE_CURRENT, 'a', State.STATE_PENDING]);
    await decide('approve', 'ada', 'a');
    expect(await watch.next()).toEqual([Change.CHANGE_UPDATED, 'a', State.STATE_APPROVED]);
    await open('b');
    expect(await watch.next()).toEqual([Change.CHANGE_UPDATED, 'b', State.STATE_PENDING]);
    watch.cancel();
    await expect(watch.ended).resolves.toBe(status.CANCELLED);
  });

  test('a watch of one approval sends only that one', async () => {
    await open('a');
    await open('b');
    const watch = openWatch('rita', { id: 'a' });
    expect(await watch.next()).toEqual([Change.CHANGE_CURRENT, 'a', State.STATE_PENDING]);
    await decide('reject', 'ada', 'b');
    await decide('reject', 'ada', 'a');
    expect(await watch.next()).toEqual([Change.CHANGE_UPDATED, 'a', State.STATE_REJECTED]);
    watch.cancel();
  });

  test('a watch ends well when the server drains, and is refused what its caller may not see', async () => {
    await open('a');
    const watch = openWatch('ada', {});
    await watch.next();
    draining.abort();
    await expect(watch.ended).resolves.toBe(status.OK);
    await expect(openWatch('eve', { id: 'a' }).ended).resolves.toBe(status.NOT_FOUND);
    await expect(openWatch(null, {}).ended).resolves.toBe(status.UNAUTHENTICATED);
  });

  test('a watch says when it has sent all there is, and goes on where another ended', async () => {
    await open('a');
    const watch = openWatch('ada', {});
    await watch.next();
    expect(await watch.any()).toMatchObject({ change: Change.CHANGE_SYNCED, approval: undefined });
    await decide('approve', 'ada', 'a');
    await watch.next();
    watch.cancel();
    await open('b');
    await decide('reject', 'ada', 'b');
    await open('hidden', { approverGroups: ['operations'] });

    const resumed = openWatch('ada', { resumeToken: watch.token() });
    expect(await resumed.any()).toMatchObject({ change: Change.CHANGE_UPDATED, approval: { id: 'b', state: 3 } });
    expect(await resumed.any()).toMatchObject({ change: Change.CHANGE_SYNCED });
    resumed.cancel();
  });

  test.each([{ token: 'nonsense' }, { token: 'p9999999999999999' }])(
    'a watch begins anew by $token',
    async ({ token }) => {
      await open('a');
      const watch = openWatch('ada', { resumeToken: token });
      expect(await watch.next()).toEqual([Change.CHANGE_CURRENT, 'a', State.STATE_PENDING]);
      watch.cancel();
    },
  );

  test('an approval in an emergency is for its own groups, needs a reason, and is flagged', async () => {
    await open('a', { quorum: 2, breakGlassGroups: ['operations'] });
    const force = (who: string, reason: string) =>
      answer<{ approval: Approval | undefined }>((done) =>
        client.breakGlass({ id: 'a', reason, requestId: '' }, token(who), done),
      ).then(shown);
    await expect(force('ada', 'now')).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'not_break_glass: members of operations may approve this in an emergency',
    });
    await expect(force('olga', ' ')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    const forced = await force('olga', 'the site is down');
    expect(forced).toMatchObject({ state: State.STATE_APPROVED, forced: true, approvalsMissing: 0 });
    expect(forced.decisions).toMatchObject([{ verdict: Verdict.VERDICT_BREAK_GLASS, groups: ['operations'] }]);
  });

  test('all groups have to be represented; it says which are missing', async () => {
    await open('a', { approverGroups: ['reviewers', 'operations'], groupMatch: 'all' });
    expect(await get('ada', 'a')).toMatchObject({ approvalsMissing: 2, groupsMissing: ['reviewers', 'operations'] });
    expect(await decide('approve', 'ada', 'a')).toMatchObject({ approvalsMissing: 1, groupsMissing: ['operations'] });
    await expect(decide('approve', 'bob', 'a')).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'seat_filled: it waits for members of operations',
    });
    expect((await decide('approve', 'olga', 'a')).state).toBe(State.STATE_APPROVED);
  });

  test('a request id makes a repetition the same decision, for this caller and this content', async () => {
    await open('a', { quorum: 2 });
    await open('b');
    await open('own', { requester: 'ada' });
    const first = await decide('approve', 'ada', 'a', 'fine', 'r1');
    expect(first).toMatchObject({ version: 2, state: State.STATE_PENDING });
    expect(await decide('approve', 'ada', 'a', ' fine ', 'r1')).toMatchObject({ version: 2 });
    await decide('approve', 'bob', 'a', 'fine', 'r1');
    expect(await decide('approve', 'ada', 'a', 'fine', 'r1')).toMatchObject({
      version: 3,
      state: State.STATE_APPROVED,
    });
    const reused = { code: status.FAILED_PRECONDITION, details: 'request_id_reused: it came with "approve a" first' };
    await expect(decide('reject', 'ada', 'a', 'fine', 'r1')).rejects.toMatchObject(reused);
    await expect(decide('approve', 'ada', 'b', 'fine', 'r1')).rejects.toMatchObject(reused);
    await expect(decide('approve', 'ada', 'a', 'other', 'r1')).rejects.toMatchObject(reused);
    await expect(decide('approve', 'ada', 'a', '', 'r2')).rejects.toMatchObject({
      details: expect.stringMatching(/^already_resolved: approved: approve by bob/),
    });
    await expect(decide('approve', 'ada', 'own', '', 'r3')).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await decide('approve', 'ada', 'b', '', 'r3')).toMatchObject({ state: State.STATE_APPROVED });
    await expect(decide('approve', 'ada', 'a', '', 'x'.repeat(129))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  describe('a decision call that is replayed, word for word and with its token', () => {
    const calls = [
      { verb: 'approve', who: 'ada', first: null, later: null },
      { verb: 'approve', who: 'ada', first: null, later: 'revoke' },
      { verb: 'reject', who: 'ada', first: null, later: null },
      { verb: 'cancel', who: 'rita', first: null, later: null },
      { verb: 'revoke', who: 'ada', first: 'approve', later: null },
      { verb: 'breakGlass', who: 'olga', first: null, later: 'revoke' },
    ] as const;
    const cases = calls.flatMap((call) => ['nonce-1', ''].map((requestId) => ({ ...call, requestId })));
    test.each(cases)('$verb, then $later, with the nonce "$requestId": decides nothing', async (given) => {
      const { verb, who, first, later, requestId } = given;
      await open('a', { breakGlassGroups: ['operations'] });
      await open('bystander', { breakGlassGroups: ['operations'] });
      if (first !== null) await decide(first, 'bob', 'a');
      const call = () =>
        answer<{ approval: Approval | undefined }>((done) =>
          client[verb]({ id: 'a', reason: 'why', requestId }, token(who), done),
        );
      await call();
      if (later !== null) await decide(later, 'bob', 'a');
      const [before, recorded] = [await get('audrey', 'a'), [...audit.recorded]];
      for (const movedMs of [0, 25 * 3_600_000]) {
        clock.move(movedMs);
        const again = await call().catch((error: ServiceError) => error);
        // With its nonce the answer is the one that the caller may have missed; without, the conflict says who was first.
        if (requestId !== '') expect(again).toMatchObject({ approval: { decisions: before.decisions } });
        else
          expect(again).toMatchObject({
            details: expect.stringMatching(/^already_resolved: \w+: \w+ by (ada|bob|rita|olga) at/),
          });
      }
      const changing = ({ age: _age, timeLeft: _timeLeft, ...rest }: Approval) => rest;
      expect(changing(await get('audrey', 'a'))).toEqual(changing(before));
      expect(audit.recorded).toEqual(recorded);
      expect(recorded.filter((line) => line.startsWith('bystander'))).toEqual(['bystander pending 1']);
    });

    test('opens no later request that is the same: its approval is another', async () => {
      await open('a');
      await decide('approve', 'ada', 'a', 'why', 'nonce-1');
      clock.move(3_600_000);
      await store.sweep();
      const { held: asked, terms: same, digest } = (await store.get('a')) ?? unreachableApproval();
      await store.open({ id: 'b', digest, held: asked, terms: same });
      await decide('approve', 'ada', 'a', 'why', 'nonce-1');
      expect((await get('ada', 'b')).state).toBe(State.STATE_PENDING);
    });
  });

  test('a batch decides each for itself, and says how each went', async () => {
    for (const id of ['a', 'b']) await open(id);
    await open('own', { requester: 'ada' });
    await open('hidden', { approverGroups: ['operations'] });
    await decide('reject', 'bob', 'b');
    const ids = ['a', 'b', 'own', 'hidden', 'none'];
    const batch = (request: Partial<DecideBatchRequest>) =>
      answer<DecideBatchResponse>((done) =>
        client.decideBatch(DecideBatchRequest.fromPartial(request), token('ada'), done),
      );
    const request = { ids, verdict: Verdict.VERDICT_APPROVE, reason: 'all of them', requestId: 'batch' };
    const told = ({ outcomes }: DecideBatchResponse) =>
      outcomes.map(({ id, outcome }) => [
        id,
        outcome?.$case === 'approval' ? outcome.value.state : outcome?.value.details.split(':')[0],
      ]);
    const want = [
      ['a', State.STATE_APPROVED],
      ['b', 'already_resolved'],
      ['own', 'own_request'],
      ['hidden', 'not_found'],
      ['none', 'not_found'],
    ];
    expect(told(await batch(request))).toEqual(want);
    expect(told(await batch(request))).toEqual(want);
    await expect(batch({ ...request, ids: ['a'] })).rejects.toMatchObject({
      details: 'request_id_reused: it came with "approve 5 approvals" first',
    });
    for (const bad of [
      { ids: [] },
      { ids: ['a', 'a'] },
      { verdict: Verdict.VERDICT_BREAK_GLASS },
      { ids: many(101) },
    ]) {
      await expect(batch({ ...request, ...bad })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    }
  });

  test('a record that fails is told for each of a batch', async () => {
    await open('a');
    audit.failure = new Fault('audit_unavailable', 'the disk is full');
    const request = DecideBatchRequest.fromPartial({ ids: ['a'], verdict: Verdict.VERDICT_REJECT });
    const { outcomes } = await answer<DecideBatchResponse>((done) => client.decideBatch(request, token('ada'), done));
    expect(outcomes).toMatchObject([
      { outcome: { $case: 'refusal', value: { status: status.UNAVAILABLE, details: 'audit_unavailable' } } },
    ]);
  });

  test('a requester finds what its own request waits for, and nobody else does', async () => {
    await open('a', { held: { exchange: 'x-1' } });
    await open('b', { held: { exchange: 'x-2' } });
    await open('other', { requester: 'sam', held: { exchange: 'x-3' } });
    await decide('reject', 'ada', 'b');
    const find = (who: string, by?: GetByRequestRequest['by']) =>
      answer<GetByRequestResponse>((done) => client.getByRequest({ by }, token(who), done)).then((found) =>
        found.approvals.map((one) => one.id),
      );
    expect(await find('rita', { $case: 'exchange', value: 'x-2' })).toEqual(['b']);
    expect(await find('rita', { $case: 'digest', value: 'a' })).toEqual(['a']);
    expect(await find('rita')).toEqual(['a']);
    expect(await find('ada')).toEqual([]);
    for (const [who, value] of [
      ['ada', 'x-1'],
      ['rita', 'x-3'],
      ['rita', 'none'],
    ] as const) {
      await expect(find(who, { $case: 'exchange', value })).rejects.toMatchObject({ code: status.NOT_FOUND });
    }
    await expect(find('rita', { $case: 'digest', value: 'a b' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  test.each([
    { name: 'returns reasons', returnReason: true, rita: ['no way', 'taken back'] },
    { name: 'does not', returnReason: false, rita: ['', ''] },
  ])('who asked reads the reasons of others where the rule $name; who decides, and auditors, always', async (given) => {
    const terms = { returnReason: given.returnReason };
    await open('a', terms);
    await open('b', terms);
    await open('auditors-own', { ...terms, requester: 'audrey' });
    await open('withdrawn', terms);
    const watch = openWatch('rita', { resumeToken: 'p0' });
    await decide('reject', 'ada', 'a', 'no way');
    await decide('approve', 'ada', 'b');
    await decide('revoke', 'ada', 'b', 'taken back');
    await decide('reject', 'ada', 'auditors-own', 'no way');
    expect((await decide('cancel', 'rita', 'withdrawn', 'changed my mind')).decisions).toMatchObject([
      { reason: 'changed my mind' },
    ]);
    const reasonOf = ({ decisions }: Approval) => decisions.at(-1)?.reason;
    const byGet = async (who: string) => [reasonOf(await get(who, 'a')), reasonOf(await get(who, 'b'))];
    const byList = async (who: string) => {
      const { approvals } = await list(who, {});
      return ['a', 'b'].map((id) => approvals.filter((one) => one.id === id).map(reasonOf)[0]);
    };
    const byRequest = async (value: string) => {
      const by = { $case: 'digest', value } as const;
      const found = await answer<GetByRequestResponse>((done) => client.getByRequest({ by }, token('rita'), done));
      return found.approvals.map(reasonOf)[0];
    };
    const byWatch = new Map<string, string | undefined>();
    while (byWatch.size < 3) {
      const { approval } = await watch.any();
      if (approval !== undefined && approval.state !== State.STATE_PENDING)
        byWatch.set(approval.id, reasonOf(approval));
    }
    watch.cancel();
    for (const who of ['ada', 'audrey']) {
      expect([await byGet(who), await byList(who)]).toEqual([
        ['no way', 'taken back'],
        ['no way', 'taken back'],
      ]);
    }
    expect(reasonOf(await get('audrey', 'auditors-own'))).toBe('no way');
    expect([await byGet('rita'), await byList('rita')]).toEqual([given.rita, given.rita]);
    expect([await byRequest('a'), await byRequest('b')]).toEqual(given.rita);
    expect([byWatch.get('a'), byWatch.get('b'), byWatch.get('withdrawn')]).toEqual([...given.rita, 'changed my mind']);
  });

  test('a list filters and counts', async () => {
    await open('a1', { held: { rules: ['one'], session: 's1' } });
    clock.move(60_000);
    await open('a2', { held: { rules: ['one', 'two'], direction: 'response' } });
    await open('a3', { requester: 'ada', held: { resource: { ...held().resource, model: 'other' } } });
    await decide('reject', 'bob', 'a2');
    const found = async (query: Partial<ListRequest>) => ids(await list('ada', query));
    expect(await found({ rule: 'one' })).toEqual(['a2', 'a1']);
    expect(await found({ session: 's1' })).toEqual(['a1']);
    expect(await found({ model: 'other' })).toEqual(['a3']);
    expect(await found({ direction: 2 })).toEqual(['a2']);
    expect(await found({ states: [State.STATE_REJECTED, State.STATE_EXPIRED] })).toEqual(['a2']);
    expect(await found({ createdAfter: new Date(startMs + 1) })).toEqual(['a3', 'a2']);
    expect(await found({ createdBefore: new Date(startMs + 60_000) })).toEqual(['a1']);
    expect(await found({ mineToDecide: true })).toEqual(['a1']);
    const { counts, countsTruncated } = await list('ada', { state: State.STATE_PENDING, withCounts: true });
    expect([counts, countsTruncated]).toEqual([
      [
        { state: State.STATE_PENDING, count: 2 },
        { state: State.STATE_REJECTED, count: 1 },
      ],
      false,
    ]);
  });

  test('one caller that calls too often is told when to come back, and keeps nobody else from calling', async () => {
    await open('a');
    for (let calls = 0; calls < 200; calls += 1) await get('ada', 'a');
    const refused = await get('ada', 'a').catch((error: ServiceError) => error);
    expect(refused).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: 'too_many_calls' });
    const { metadata } = refused as ServiceError;
    expect(metadata.get('grpc-retry-pushback-ms')).toEqual(['20']);
    const [packed] = metadata.get('grpc-status-details-bin');
    const detailed = DetailedStatus.decode(Buffer.from(packed ?? ''));
    expect(RetryInfo.decode(detailed.details[0]?.value ?? Buffer.alloc(0))).toEqual({
      retryDelay: { seconds: 0n, nanos: 20_000_000 },
    });
    await get('bob', 'a');
    clock.move(20);
    await get('ada', 'a');
    await expect(get('ada', 'a')).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  test('a slow watcher loses no last state', async () => {
    const watch = openWatch('ada', {});
    for (let index = 0; index < 40; index += 1)
      await open(`id-${String(index).padStart(2, '0')}`, { view: 'x'.repeat(16_000) });
    for (let index = 0; index < 40; index += 1) await decide('reject', 'ada', `id-${String(index).padStart(2, '0')}`);
    const last = new Map<string, State>();
    while (last.size < 40 || [...last.values()].some((state) => state !== State.STATE_REJECTED)) {
      const [, id, state] = await watch.next();
      last.set(id, state);
    }
    watch.cancel();
    expect(last.size).toBe(40);
  });
});

function subject(id: string, groups: readonly string[]): Subject {
  const { issuer } = person(id);
  return { ...anonymous, authenticated: true, kind: 'human', id, issuer, tenant: 'acme', groups };
}

async function open(
  id: string,
  changes: Partial<HoldTerms> & { requester?: string; view?: string; held?: Partial<HeldRequest> } = {},
): Promise<void> {
  const { requester, view, held: about, ...ofTerms } = changes;
  await store.open({
    id,
    digest: id,
    held: held({
      ...(requester === undefined ? {} : { requester: person(requester) }),
      ...(view === undefined ? {} : { maskedView: view }),
      ...about,
    }),
    terms: terms(ofTerms),
  });
}

function token(who: string | null): Metadata {
  const metadata = new Metadata();
  if (who !== null) metadata.set('authorization', `Bearer ${who}`);
  return metadata;
}

function answer<T>(start: (done: (error: ServiceError | null, response: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

async function get(who: string | null, id: string): Promise<Approval> {
  return shown(await answer((done) => client.get({ id }, token(who), done)));
}

async function decide(
  verdict: 'approve' | 'reject' | 'cancel' | 'revoke',
  who: string,
  id: string,
  reason = '',
  requestId = '',
): Promise<Approval> {
  return shown(
    await answer<{ approval: Approval | undefined }>((done) =>
      client[verdict]({ id, reason, requestId }, token(who), done),
    ),
  );
}

function shown(response: { approval: Approval | undefined }): Approval {
  if (response.approval === undefined) throw new Error('the answer holds no approval');
  return response.approval;
}

function list(who: string, query: Partial<ListRequest>): Promise<ListResponse> {
  const request = ListRequest.fromPartial(query);
  return answer((done) => client.list(request, token(who), done));
}

function unreachableApproval(): never {
  throw new Error('it is there');
}

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `id-${index}`);
}

function ids(response: ListResponse): string[] {
  return response.approvals.map((one) => one.id);
}

/** `next` passes over the mark that everything current was sent; `token` is the last one that came. */
function openWatch(who: string | null, query: Partial<WatchRequest>) {
  let reached = '';
  const call = client.watch({ id: '', group: '', resumeToken: '', ...query }, token(who));
  const ended = new Promise<status>((resolve) => call.on('status', (end) => resolve(end.code)));
  call.on('error', () => {});
  const messages = call[Symbol.asyncIterator]();
  const next = async (): Promise<[Change, string, State]> => {
    const { change, approval } = await any();
    if (change === Change.CHANGE_SYNCED) return next();
    const { id, state } = shown({ approval });
    return [change, id, state];
  };
  const any = async (): Promise<WatchResponse> => {
    const message: IteratorResult<WatchResponse> = await messages.next();
    if (message.done) throw new Error('the watch is over');
    if (message.value.resumeToken !== '') reached = message.value.resumeToken;
    return message.value;
  };
  return { next, any, ended, token: () => reached, cancel: () => call.cancel() };
}
