import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import type { OpenedBody, StoredRecord } from '../../../src/audit/read.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { createExchangeService } from '../../../src/exchange/service.ts';
import { anonymous } from '../../../src/identity/subject.ts';
import { ok } from '../../../src/lib/result.ts';
import { decideAnswerAgain, isAnswerDecided, type OpenedRecord } from '../../../src/main/replay-answer.ts';
import type { Decision, PolicyInput } from '../../../src/policy/decision.ts';
import { terms } from '../../support/approvals.ts';
import { allowAll, exchangeDeps } from '../../support/exchange-deps.ts';

const detector = createDetector({ tier: 'core' });

type Policy = (input: PolicyInput) => Decision;

/** Decides by all that an answer's decision may stand on, so that whatever a replay does not give back shows. */
const telling: Policy = (input) => ({
  ...allowAll,
  labels: {
    who: `${input.subject.id} ${input.subject.groups.join()}`,
    when: input.exchange.received_at,
    what: `${input.resource.dialect} ${input.resource.model} ${input.resource.operation} ${input.resource.stream}`,
    status: `${input.resource.status} ${input.resource.complete}`,
    session: `${input.exchange.id} ${input.exchange.session}`,
    said: input.conversation.segments.map(({ role, text }) => `${role}: ${text}`).join('\n'),
    found: input.findings.map(({ entity, count }) => `${entity} ${count}`).join(),
  },
});

/** Holds every answer, and decides by its text. */
const reading: Policy = (input) =>
  input.resource.complete === true
    ? { ...telling(input), rules: ['read'] }
    : { ...allowAll, action: 'hold', rules: ['first'], hold: terms({ waitS: 30 }) };

const card = ['4111', '1111', '1111', '1111'].join(' ');
const json = JSON.stringify({ choices: [{ message: { role: 'assistant', content: `Pay with ${card}.` } }] });
const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const stream = `${piece('Pay with 4111 1111 ')}${piece('1111 1111.')}data: [DONE]\n\n`;

describe('the decision about an answer, taken again', () => {
  const answers = [
    { name: 'JSON', type: 'application/json', body: Buffer.from(json) },
    { name: 'a stream', type: 'text/event-stream', body: Buffer.from(stream) },
    { name: 'compressed JSON', type: 'application/json', body: gzipSync(json), encoding: 'gzip' },
    { name: 'brotli', type: 'application/json', body: brotliCompressSync(json), encoding: 'br' },
    { name: 'deflate', type: 'application/json', body: deflateSync(json), encoding: 'deflate' },
  ];
  for (const policy of [telling, reading]) {
    test.each(answers)(`$name comes out as it did (${policy.name})`, async (answer) => {
      const { intent, outcome } = await exchange(policy, answer);
      expect(isAnswerDecided(outcome.record)).toBe(true);
      const again = await replay(intent, outcome, policy);
      expect([again.phase, again.differs, again.caveats]).toEqual(['response', [], []]);
      expect(again.recorded).toEqual(again.again);
      if (policy === reading) {
        expect(again.again['labels']).toMatchObject({ said: `assistant: Pay with ${card}.`, found: 'CREDIT_CARD 1' });
      }
    });
  }

  test('under another policy it flips: by headers, or by its text', async () => {
    const { intent, outcome } = await exchange(telling, { type: 'application/json', body: Buffer.from(json) });
    const denial = { status: 403, code: 'no', message: 'no' };
    const byStatus = await replay(intent, outcome, () => ({ ...allowAll, action: 'deny', deny: denial }));
    expect([byStatus.recorded['action'], byStatus.again['action']]).toEqual(['allow', 'deny']);
    const byText = await replay(intent, outcome, (input) =>
      input.findings.length > 0 ? { ...allowAll, action: 'deny', deny: denial } : reading(input),
    );
    expect([byText.again['action'], byText.differs]).toEqual(['deny', expect.arrayContaining(['action'])]);
  });

  test('one that was held and left has the decision of its headers', async () => {
    const { intent, outcome } = await exchange(reading, { type: 'application/json', body: null });
    expect(outcome.record.facts).toMatchObject({ ended: 'client_gone' });
    expect((await replay(intent, outcome, reading)).differs).toEqual([]);
  });

  test('an answer that was not kept cannot be read again', async () => {
    const { intent, outcome } = await exchange(telling, {
      capture: 'metadata',
      type: 'application/json',
      body: Buffer.from(json),
    });
    await expect(replay(intent, outcome, reading)).rejects.toThrow('the answer was not kept');
  });

  test('a record from before its encoding was named is read by its mark', async () => {
    const answer = { type: 'application/json', body: gzipSync(json), encoding: 'gzip' };
    const { intent, outcome } = await exchange(reading, answer);
    const { content_encoding: named, ...facts } = outcome.record.facts;
    expect(named).toBe('gzip');
    expect((await replay(intent, { ...outcome, record: { ...outcome.record, facts } }, reading)).differs).toEqual([]);
  });

  test('it says what it was decided by', async () => {
    const { outcome } = await exchange(telling, { type: 'application/json', body: Buffer.from(json) });
    expect(outcome.record.facts['policy']).toEqual({ revision: expect.any(String) });
  });

  test('what ext_authz had judged is told as a caveat', async () => {
    const { intent, outcome } = await exchange(telling, { type: 'application/json', body: Buffer.from(json) });
    const facts = { ...intent.record.facts, final: true };
    const again = await replay({ ...intent, record: { ...intent.record, facts } }, outcome, telling);
    expect(again.caveats).toEqual([expect.stringContaining('another filter')]);
  });
});

function replay(intent: OpenedRecord, outcome: OpenedRecord, policy: Policy) {
  return decideAnswerAgain(
    intent,
    outcome,
    { pinned: { revision: 'sha256:00', evaluate: policy, decide: policy }, reads: [] },
    { config: { routes: [], policy: { bundle: '', reloadMs: 0, headers: [] } }, detector },
  );
}

/** One exchange of the real service, as its records. `body` null: the client leaves before the answer is there. */
async function exchange(
  policy: Policy,
  answer: {
    readonly type: string;
    readonly body: Buffer | null;
    readonly encoding?: string;
    readonly capture?: Decision['capture'];
  },
): Promise<{ intent: OpenedRecord; outcome: OpenedRecord }> {
  const recorded: AuditEntry[] = [];
  const decide: Policy = (input) =>
    input.phase === 'request' ? { ...allowAll, capture: answer.capture ?? 'full' } : policy(input);
  const service = createExchangeService({
    ...exchangeDeps(recorded, decide, { holdWaitMsMax: 1_000 }),
    authenticator: {
      authenticate: async () =>
        ok({ ...anonymous, authenticated: true, kind: 'human', id: 'rita', groups: ['leads'], issuer: 'https://i' }),
    },
    entities: new Set(rules.map((rule) => rule.entity)),
  });
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
  const request = Buffer.from('{"model":"gpt","stream":true,"messages":[{"role":"user","content":"how?"}]}');
  const options = { canRewrite: true, handover: null, isBodyWithheld: false };
  const verdict = await service.request(head, request, options, new AbortController().signal);
  if (verdict.kind !== 'forward') throw new Error(`refused: ${verdict.reply.body.toString()}`);
  const encoding: [string, string][] = answer.encoding === undefined ? [] : [['content-encoding', answer.encoding]];
  const phase = verdict.exchange.openResponse({
    status: 200,
    headers: new Map([['content-type', answer.type], ...encoding]),
  });
  if (answer.body === null) await verdict.exchange.abort('client_gone');
  else {
    phase.push(answer.body);
    await phase.finish();
  }
  const of = (kind: string): OpenedRecord => {
    const entry = recorded.find((each) => each.kind === kind);
    if (entry === undefined) throw new Error(`no ${kind}`);
    return { record: storedOf(entry), bodies: bodiesOf(entry) };
  };
  return { intent: of('intent'), outcome: of('outcome') };
}

function storedOf({ kind, exchange, session, facts }: AuditEntry): StoredRecord {
  return {
    sequence: 0,
    id: kind,
    kind,
    exchange,
    session,
    wallNs: 0n,
    // As it is read from disk.
    facts: JSON.parse(JSON.stringify(facts)),
    bodies: [],
    manifest: {},
    manifestBytes: Buffer.alloc(0),
    sealed: Buffer.alloc(0),
    folder: '',
    segment: 0,
    offset: 0,
  };
}

function bodiesOf({ bodies }: AuditEntry): OpenedBody[] {
  return Object.entries(bodies).map(([name, { mediaType, bytes }]) => {
    return { name, mediaType, bytes: bytes.length, content: Buffer.from(bytes), salt: Buffer.alloc(0) };
  });
}
