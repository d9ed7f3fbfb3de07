import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import type { Detector } from '../../../src/detect/finding.ts';
import { decideAgain, type ReplayDeps } from '../../../src/main/replay.ts';
import { decideAnswerAgain, type OpenedRecord } from '../../../src/main/replay-answer.ts';
import { type BytesAgain, bytesText } from '../../../src/main/replay-bytes.ts';
import type { MaskMethod } from '../../../src/mask/plan.ts';
import { createSessionKeys, type EpochKey, type SessionKeyRing } from '../../../src/mask/session-keys.ts';
import type { Decision, PolicyInput } from '../../../src/policy/decision.ts';
import { terms } from '../../support/approvals.ts';
import { allowAll } from '../../support/exchange-deps.ts';
import { ownEntities, recordExchange, type WantedExchange } from '../../support/recorded-exchange.ts';
import { sensitiveTexts } from '../../support/sensitive-texts.ts';

const card = ['4111', '1111', '1111', '1111'].join(' ');
const otherCard = ['5500', '0000', '0000', '0004'].join(' ');
const mail = 'rita.reviewer@corp.example.org';
const server = '8.8.4.4';
const said = (content: string, more: object = {}) =>
  JSON.stringify({ model: 'gpt', stream: true, messages: [{ role: 'user', content }], ...more });

const detector = createDetector({ tier: 'core' });

function ringOf(...fills: readonly [number, ...number[]]): SessionKeyRing {
  const [first, ...rest] = fills.map((fill): EpochKey => {
    return { id: `k${fill}`, secret: Buffer.alloc(32, fill), fromMs: fill };
  });
  if (first === undefined) throw new Error('no key');
  return createSessionKeys({ clock: { nowMs: () => 1_000 }, entities: ownEntities }, [first, ...rest]);
}
const then = ringOf(1);

type Policy = (input: PolicyInput) => Decision;
const masking =
  (method: MaskMethod, more: Partial<Decision> = {}): Policy =>
  () => ({ ...allowAll, redact: [{ entity: '*', method }], ...more });

function depsOf(keys: SessionKeyRing | null, now: Detector = detector): ReplayDeps {
  return {
    config: { routes: [], policy: { bundle: '', reloadMs: 0, headers: [] } },
    detector: now,
    writing: {
      keysOf: (tenant) => keys?.all(tenant) ?? [],
      entities: ownEntities,
      maskingScope: 'session',
      random: randomBytes,
    },
  };
}

const policyOf = (decide: Policy) => ({ pinned: { revision: 'sha256:00', evaluate: decide, decide }, reads: [] });

async function sentOf({ record, bodies }: OpenedRecord, decide: Policy, deps: ReplayDeps): Promise<BytesAgain | null> {
  return (await decideAgain(record, bodies, policyOf(decide), deps)).sent;
}

function withBody({ record, bodies }: OpenedRecord, name: string, change: (text: string) => string): OpenedRecord {
  const changed = bodies.map((body) =>
    body.name === name ? { ...body, content: Buffer.from(change(body.content.toString())) } : body,
  );
  return { record, bodies: changed };
}

function bodyOf({ bodies }: OpenedRecord, name: string): string {
  return bodies.find((body) => body.name === name)?.content.toString() ?? '';
}

const byBytes: BytesAgain = { result: 'same', by: 'bytes' };
const byForm: BytesAgain = { result: 'same', by: 'form' };

const text = `Cards ${card}, ${otherCard} and ${card}; ${mail} at ${server}.`;

describe('what was sent to the model, written again', () => {
  const methods: readonly { method: MaskMethod; keyless: BytesAgain }[] = [
    { method: 'label', keyless: byBytes },
    { method: 'partial', keyless: byBytes },
    { method: 'drop', keyless: byBytes },
    { method: 'token', keyless: byForm },
    { method: 'hash', keyless: byForm },
    { method: 'surrogate', keyless: byForm },
  ];
  test.each(methods)('$method: with the key, without it, and after a rotation', async ({ method, keyless }) => {
    const decide = masking(method);
    const { intent } = await recordExchange({ decide, body: said(text), placeholders: then });
    expect(bodyOf(intent, 'prompt_sent')).not.toContain(card);
    expect(await sentOf(intent, decide, depsOf(then))).toEqual(byBytes);
    expect(await sentOf(intent, decide, depsOf(null))).toEqual(keyless);
    expect(await sentOf(intent, decide, depsOf(ringOf(3, 1, 2)))).toEqual(byBytes);
    expect(await sentOf(intent, decide, depsOf(ringOf(2)))).toEqual(keyless);
  });

  test('what nothing was masked in is compared with what came', async () => {
    const { intent } = await recordExchange({ decide: masking('token'), body: said('nothing in here') });
    expect(intent.bodies.map(({ name }) => name)).not.toContain('prompt_sent');
    expect(await sentOf(intent, masking('token'), depsOf(null))).toEqual(byBytes);
  });

  test('placeholders that a session brought along are its own, forged ones none', async () => {
    const decide = masking('token');
    const first = await recordExchange({ decide, body: said(text), placeholders: then });
    const own = /CREDIT_CARD_[0-9A-Z]{10}/.exec(bodyOf(first.intent, 'prompt_sent'))?.[0] ?? '';
    const settings = { sessionHeader: 'host' };
    const body = said(`${own} and CREDIT_CARD_7QK3M9XW2A and ${card}`);
    const { intent } = await recordExchange({ decide, body, placeholders: then, settings });
    expect(bodyOf(intent, 'prompt_sent')).toContain(`${own} and CREDIT_CARD-7QK3M9XW2A and ${own}`);
    expect(await sentOf(intent, decide, depsOf(then))).toEqual(byBytes);
    expect(await sentOf(intent, decide, depsOf(null))).toEqual(byForm);
  });

  const tampered: readonly {
    name: string;
    method: MaskMethod;
    change: (sent: string) => string;
    want: string;
  }[] = [
    {
      name: 'a value that was let through',
      method: 'label',
      change: (sent) => sent.replace('CREDIT_CARD_REDACTED', card),
      want: 'different at /messages/0/content, character 6',
    },
    {
      name: 'another text beside a placeholder',
      method: 'token',
      change: (sent) => sent.replace(' at ', ' on '),
      want: 'different at /messages/0/content, character 106',
    },
    {
      name: 'a placeholder of another entity',
      method: 'token',
      change: (sent) => sent.replace(/CREDIT_CARD_/, 'CREDIT_CART_'),
      want: 'different at /messages/0/content, character',
    },
    {
      name: 'a placeholder that is none',
      method: 'token',
      change: (sent) => sent.replace(/(CREDIT_CARD_.{9})./, '$1u'),
      want: 'different at /messages/0/content, character',
    },
    {
      name: 'one value with two placeholders',
      method: 'token',
      change: (sent) => sent.replace(/CREDIT_CARD_.{10}(?=; )/, 'CREDIT_CARD_7QK3M9XW2A'),
      want: 'different at /messages/0/content, character',
    },
    {
      name: 'a surrogate that may be somebody’s',
      method: 'surrogate',
      change: (sent) => sent.replace(/9999/, '4999'),
      want: 'different at /messages/0/content, character',
    },
    {
      name: 'bytes outside of all texts',
      method: 'label',
      change: (sent) => sent.replace('"model":"gpt"', '"model":"gpX"'),
      want: 'different at byte 12',
    },
  ];
  test.each(tampered)('$name is a difference, with and without the key', async ({ method, change, want }) => {
    const decide = masking(method);
    const whole = await recordExchange({ decide, body: said(text), placeholders: then });
    const intent = withBody(whole.intent, 'prompt_sent', change);
    for (const keys of [then, null]) {
      const sent = await sentOf(intent, decide, depsOf(keys));
      expect(sent && bytesText(sent)).toMatch(new RegExp(`^${want}`));
    }
  });

  test('a placeholder that its key did not write is a difference for whoever has the key', async () => {
    const decide = masking('token');
    const whole = await recordExchange({ decide, body: said(text), placeholders: then });
    const intent = withBody(whole.intent, 'prompt_sent', (sent) =>
      sent.replace(/EMAIL_ADDRESS_.{10}/, 'EMAIL_ADDRESS_7QK3M9XW2A'),
    );
    expect(await sentOf(intent, decide, depsOf(null))).toEqual(byForm);
    const { content } = JSON.parse(bodyOf(intent, 'prompt_sent')).messages[0];
    const place = { path: '/messages/0/content', offset: content.indexOf('_7QK3M9XW2A') + 1 };
    expect(await sentOf(intent, decide, depsOf(then))).toEqual({ result: 'different', at: place });
  });

  test('any text: the same without the key, and a difference with one more character anywhere', async () => {
    const decide = masking('token');
    const where = fc.double({ min: 0, max: 1, noNaN: true });
    await fc.assert(
      fc.asyncProperty(sensitiveTexts, where, async (content, share) => {
        const { intent } = await recordExchange({ decide, body: said(content), placeholders: then });
        const sent = await sentOf(intent, decide, depsOf(null));
        expect(sent?.result).toBe('same');
        const name = intent.bodies.some((body) => body.name === 'prompt_sent') ? 'prompt_sent' : null;
        if (name === null) return;
        const longer = withBody(intent, name, (text) => {
          const at = Math.floor(share * text.length);
          return `${text.slice(0, at)}A${text.slice(at)}`;
        });
        expect((await sentOf(longer, decide, depsOf(null)))?.result).toBe('different');
      }),
      { numRuns: 40 },
    );
  });

  test('another detector under the same decision is a difference, told by its place', async () => {
    const decide = masking('label');
    const { intent } = await recordExchange({ decide, body: said(text), detector: blindFor('EMAIL_ADDRESS') });
    const again = await decideAgain(intent.record, intent.bodies, policyOf(decide), depsOf(null));
    const { content } = JSON.parse(bodyOf(intent, 'prompt_sent')).messages[0];
    expect(again).toMatchObject({
      differs: [],
      sent: { result: 'different', at: { path: '/messages/0/content', offset: content.indexOf(mail) } },
    });
  });

  test('a name of a member is not told where it is a value itself', async () => {
    const body = said('x', { metadata: { [mail]: `pay ${card}` } });
    const { intent } = await recordExchange({ decide: masking('label'), body, detector: blindFor('CREDIT_CARD') });
    const sent = await sentOf(intent, masking('label'), depsOf(null));
    expect(sent && bytesText(sent)).toBe('different at /metadata/EMAIL_ADDRESS_REDACTED, character 4');
  });

  const partly: readonly { name: string; decide: Policy; now?: Policy; body?: string; why: string }[] = [
    { name: 'a denied request', decide: denying, why: 'nothing was sent on' },
    {
      name: 'a plan that is another now',
      decide: masking('label'),
      now: masking('drop'),
      why: 'policy masks otherwise now, and the record holds not all of how it did',
    },
    { name: 'a request without a body', decide: masking('label'), body: '', why: 'there was no body' },
  ];
  test.each(partly)('$name is not comparable, and said to be', async ({ decide, now = decide, body, why }) => {
    const { intent } = await recordExchange({ decide, ...(body === undefined ? {} : { body }) });
    expect(await sentOf(intent, now, depsOf(null))).toEqual({ result: 'not comparable', why });
  });

  test('what an external recogniser found is not comparable', async () => {
    const { intent } = await recordExchange({ decide: masking('label'), body: said(text) });
    const findings = [{ count: 1, detector: 'presidio', entity: 'PERSON', role: 'user' }];
    const record = { ...intent.record, facts: { ...intent.record.facts, findings } };
    expect(await sentOf({ ...intent, record }, masking('label'), depsOf(null))).toMatchObject({
      result: 'not comparable',
      why: expect.stringContaining('recogniser'),
    });
  });
});

const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const answers = [
  {
    name: 'JSON',
    type: 'application/json',
    body: Buffer.from(JSON.stringify({ choices: [{ message: { role: 'assistant', content: text } }] })),
    path: '/choices/0/message/content',
  },
  {
    name: 'a stream',
    type: 'text/event-stream',
    body: Buffer.from(
      `${[...text].map((_, at) => (at % 7 === 0 ? piece(text.slice(at, at + 7)) : '')).join('')}data: [DONE]\n\n`,
    ),
    path: expect.stringContaining('/'),
  },
] as const;

describe('what the caller got, written again', () => {
  for (const method of ['label', 'token', 'surrogate'] as const) {
    const keyless = method === 'label' ? byBytes : byForm;
    test.each(answers)(`$name, ${method}: with the key and without it`, async ({ type, body }) => {
      for (const pieceBytes of [11, body.length]) {
        const whole = await answered(masking(method), { type, body, pieceBytes });
        expect(bodyOf(whole.outcome, 'output_released')).not.toContain('4111');
        expect(await releasedOf(whole, masking(method), depsOf(then))).toEqual(byBytes);
        expect(await releasedOf(whole, masking(method), depsOf(null))).toEqual(keyless);
        expect(await releasedOf(whole, masking(method), depsOf(ringOf(2)))).toEqual(keyless);
      }
    });
  }

  test.each(answers)('$name: another masker is a difference, told by its place', async ({ type, body, path }) => {
    const whole = await answered(masking('label'), { type, body }, { detector: blindFor('EMAIL_ADDRESS') });
    const { intent, outcome } = whole;
    const again = await decideAnswerAgain(intent, outcome, policyOf(masking('label')), depsOf(null));
    const at = 'Cards CREDIT_CARD_REDACTED, CREDIT_CARD_REDACTED and CREDIT_CARD_REDACTED; '.length;
    expect(again).toMatchObject({ differs: [], sent: { result: 'different', at: { path, offset: at } } });
  });

  test('compressed, and one that was not touched', async () => {
    const { type, body } = answers[0];
    for (const decide of [masking('label'), () => allowAll]) {
      const whole = await answered(decide, { type, body: gzipSync(body), encoding: 'gzip' });
      expect(await releasedOf(whole, decide, depsOf(null))).toEqual(byBytes);
    }
  });

  const restored: Policy = (input) =>
    input.phase === 'request'
      ? { ...allowAll, redact: [{ entity: '*', method: 'token' }], restore: [{ entity: 'CREDIT_CARD' }] }
      : { ...allowAll, redact: [{ entity: '*', method: 'token' }] };
  test('values that were put back, with the key and without it', async () => {
    const asked = await recordExchange({ decide: restored, body: said(text), placeholders: then });
    const token = /CREDIT_CARD_[0-9A-Z]{10}/.exec(bodyOf(asked.intent, 'prompt_sent'))?.[0] ?? '';
    const body = Buffer.from(
      JSON.stringify({ choices: [{ message: { role: 'assistant', content: `I charge ${token} and tell ${mail}.` } }] }),
    );
    const whole = await answered(restored, { type: 'application/json', body }, { body: said(text) });
    expect(bodyOf(whole.outcome, 'output_released')).toContain(`I charge ${card} and tell EMAIL_ADDRESS_`);
    expect(await releasedOf(whole, restored, depsOf(then))).toEqual(byBytes);
    expect(await releasedOf(whole, restored, depsOf(null))).toEqual(byForm);
    const kept = withBody(whole.outcome, 'output_released', (out) => out.replace(card, token));
    expect(await releasedOf({ ...whole, outcome: kept }, restored, depsOf(null))).toEqual({
      result: 'different',
      at: { path: '/choices/0/message/content', offset: 'I charge '.length },
    });
    const unsure = withBody(whole.intent, 'prompt_sent', (sent) => sent.replace('Cards', 'cards'));
    expect(await releasedOf({ ...whole, intent: unsure }, restored, depsOf(null))).toMatchObject({
      result: 'not comparable',
      why: expect.stringContaining('put back'),
    });
  });

  test('the answer to a request without a body', async () => {
    const { type, body } = answers[0];
    const whole = await answered(masking('token'), { type, body }, { body: '' });
    expect(whole.intent.record.facts['dialect']).toBe('none');
    expect(await releasedOf(whole, masking('token'), depsOf(null))).toEqual(byForm);
  });

  test.each(answers)('$name that was held and judged by its text', async ({ type, body }) => {
    const decide: Policy = (input) =>
      input.phase === 'request' || input.resource.complete === true
        ? { ...allowAll, redact: [{ entity: '*', method: 'token' }] }
        : { ...allowAll, action: 'hold', hold: terms({ waitS: 30 }) };
    const whole = await answered(decide, { type, body }, { settings: { holdWaitMsMax: 1_000 } });
    expect(bodyOf(whole.outcome, 'output_released')).toContain('CREDIT_CARD_');
    expect(await releasedOf(whole, decide, depsOf(then))).toEqual(byBytes);
    expect(await releasedOf(whole, decide, depsOf(null))).toEqual(byForm);
  });

  test('one that named no media type', async () => {
    const whole = await answered(masking('label'), { type: '', body: answers[0].body });
    expect(bodyOf(whole.outcome, 'output_released')).toContain('CREDIT_CARD_REDACTED');
    expect(await releasedOf(whole, masking('label'), depsOf(null))).toEqual(byBytes);
  });

  test('one that was cut off, or not kept, is not comparable, and said to be', async () => {
    const left = await answered(masking('label'), { type: 'text/event-stream', body: null });
    expect(await releasedOf(left, masking('label'), depsOf(null))).toMatchObject({
      result: 'not comparable',
      why: 'it did not go out whole: client_gone',
    });
    const masked = masking('label', { capture: 'masked' });
    const unkept = await answered(masked, { type: answers[0].type, body: answers[0].body });
    expect(await releasedOf(unkept, masked, depsOf(null))).toMatchObject({
      result: 'not comparable',
      why: expect.stringContaining('not kept'),
    });
  });
});

interface Answered {
  readonly intent: OpenedRecord;
  readonly outcome: OpenedRecord;
}

async function answered(
  decide: Policy,
  answer: NonNullable<WantedExchange['answer']>,
  more: Partial<WantedExchange> = {},
): Promise<Answered> {
  const { intent, outcome } = await recordExchange({ decide, answer, placeholders: then, ...more });
  if (outcome === null) throw new Error('no outcome');
  return { intent, outcome };
}

async function releasedOf({ intent, outcome }: Answered, decide: Policy, deps: ReplayDeps): Promise<BytesAgain | null> {
  return (await decideAnswerAgain(intent, outcome, policyOf(decide), deps)).sent;
}

function denying(): Decision {
  return { ...allowAll, action: 'deny', deny: { status: 403, code: 'no', message: 'no' } };
}

/** The detector of then, or of now, with a fault in it. */
function blindFor(entity: string): Detector {
  const sees = (finding: { readonly entity: string }): boolean => finding.entity !== entity;
  return {
    revision: detector.revision,
    scan: (scanned) => ({ findings: detector.scan(scanned).findings.filter(sees) }),
    openStream: () => {
      const stream = detector.openStream();
      const seen = ({ findings, decided }: ReturnType<typeof stream.push>) => ({
        findings: findings.filter(sees),
        decided,
      });
      return { push: (more) => seen(stream.push(more)), close: () => seen(stream.close()) };
    },
  };
}
