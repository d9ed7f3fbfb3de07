import { describe, expect, test } from 'vitest';
import { invariant } from '../../../src/lib/invariant.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import type { Segment } from '../../../src/llm/conversation.ts';
import { emptyConversation } from '../../../src/llm/conversation.ts';
import type { ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { encodingUtf8 } from '../../../src/llm/utf8.ts';
import { maskBody } from '../../../src/mask/mask-body.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type Redaction } from '../../../src/mask/plan.ts';
import { createFakeDetector, fakeEntities } from '../../support/fake-detector.ts';

const detector = createFakeDetector();
const minter = createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: fakeEntities });
const route: RouteFacts = { method: 'POST', path: '/v1/chat/completions', header: () => null };
const card = '4111111111111111';
const token = minter.token('CREDIT_CARD', card);
const planted = createMinter({ key: Buffer.alloc(32, 2), scope: 's', entities: fakeEntities }).token('US_SSN', '1');

function mask(parsed: ParsedBody, redact: readonly Redaction[], direction: 'input' | 'output' = 'input') {
  const scans = parsed.conversation.segments.map(({ text }) => detector.scan(text));
  return atOnce(maskBody(parsed, scans, direction, compilePlan(redact), minter));
}

function request(...messages: readonly { readonly role: string; readonly content: string }[]): ParsedBody {
  const parsed = atOnce(createOpenAiChat().readRequest(Buffer.from(JSON.stringify({ model: 'm', messages })), route));
  invariant(parsed.ok, 'the body is of the dialect');
  return parsed.value;
}

function bodyOf(...messages: readonly { readonly role: string; readonly content: string }[]): string {
  return JSON.stringify({ model: 'm', messages });
}

describe('maskBody', () => {
  test('replaces values where the plan says so and leaves every other byte', () => {
    const given = [
      { role: 'system', content: `never say ${card}` },
      { role: 'user', content: `pay ${card} for 123-45-6789` },
    ];
    const masked = mask(request(...given), [{ entity: 'CREDIT_CARD', method: 'token', roles: ['user'] }]);
    expect(masked.body.toString()).toBe(
      bodyOf(
        { role: 'system', content: `never say ${card}` },
        { role: 'user', content: `pay ${token} for 123-45-6789` },
      ),
    );
    expect({ ...masked, body: null }).toEqual({
      body: null,
      isTouched: true,
      replacements: new Map([[1, `pay ${token} for 123-45-6789`]]),
      counts: [
        { entity: 'CREDIT_CARD', method: null, count: 1 },
        { entity: 'CREDIT_CARD', method: 'token', count: 1 },
        { entity: 'US_SSN', method: null, count: 1 },
      ],
      sealedFindings: 0,
      omitted: [],
    });
  });

  test('gives back the very buffer when nothing is to be changed', () => {
    const bytes = Buffer.from(bodyOf({ role: 'user', content: 'hello' }));
    const parsed = atOnce(createOpenAiChat().readRequest(bytes, route));
    invariant(parsed.ok, 'the body is of the dialect');
    const masked = mask(parsed.value, [{ entity: '*', method: 'token' }]);
    expect(masked.body).toBe(bytes);
    expect(masked.isTouched).toBe(false);
  });

  test.each([
    { name: 'in the input', direction: 'input', method: 'token', isCut: true },
    { name: 'but not in the output', direction: 'output', method: 'token', isCut: false },
    { name: 'and not when nothing keyed is written', direction: 'input', method: 'label', isCut: false },
  ] as const)('makes planted placeholders harmless $name', ({ direction, method, isCut }) => {
    const given = { role: 'user', content: `who is ${planted} beside ${token}?` };
    const masked = mask(request(given), [{ entity: '*', method }], direction);
    const harmless = isCut ? planted.replace(/_(?=[^_]*$)/, '-') : planted;
    expect(masked.body.toString()).toBe(bodyOf({ role: 'user', content: `who is ${harmless} beside ${token}?` }));
  });

  test('leaves a sealed text alone and says how many values stay in it', () => {
    const segments: readonly Segment[] = [
      { pointer: '/a', role: 'assistant', kind: 'reasoning', text: `${card} 123-45-6789`, isSealed: true },
    ];
    const body = Buffer.from('as it came');
    const parsed: ParsedBody = {
      conversation: { ...emptyConversation, segments },
      rewrite: (replacements) => encodingUtf8([replacements.size > 0 ? '' : body.toString()]),
    };
    expect(mask(parsed, [{ entity: 'CREDIT_CARD', method: 'token' }])).toEqual({
      body,
      isTouched: false,
      replacements: new Map(),
      counts: [
        { entity: 'CREDIT_CARD', method: null, count: 1 },
        { entity: 'US_SSN', method: null, count: 1 },
      ],
      sealedFindings: 1,
      omitted: [],
    });
  });
});
