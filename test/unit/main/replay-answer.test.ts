import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { decideAnswerAgain, isAnswerDecided, type OpenedRecord } from '../../../src/main/replay-answer.ts';
import type { Decision, PolicyInput } from '../../../src/policy/decision.ts';
import { terms } from '../../support/approvals.ts';
import { allowAll } from '../../support/exchange-deps.ts';
import { recordExchange } from '../../support/recorded-exchange.ts';

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
    { config: { routes: [], policy: { bundle: '', reloadMs: 0, headers: [] } }, detector, writing: null },
  );
}

/** `body` null: the client leaves before the answer is there. */
async function exchange(
  policy: Policy,
  answer: {
    readonly type: string;
    readonly body: Buffer | null;
    readonly encoding?: string;
    readonly capture?: Decision['capture'];
  },
): Promise<{ intent: OpenedRecord; outcome: OpenedRecord }> {
  const decide: Policy = (input) =>
    input.phase === 'request' ? { ...allowAll, capture: answer.capture ?? 'full' } : policy(input);
  const { intent, outcome } = await recordExchange({ decide, answer, settings: { holdWaitMsMax: 1_000 } });
  if (outcome === null) throw new Error('no outcome');
  return { intent, outcome };
}
