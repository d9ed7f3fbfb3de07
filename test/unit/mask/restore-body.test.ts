import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import type { ParsedBody } from '../../../src/llm/dialect.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { type MaskedBody, maskBody } from '../../../src/mask/mask-body.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type MaskMethod } from '../../../src/mask/plan.ts';
import { createRestorables } from '../../../src/mask/restorables.ts';
import { restoreBody } from '../../../src/mask/restore-body.ts';
import { bodyCases, bodyOf } from '../../support/llm-cases.ts';

const detector = createDetector({ tier: 'core' });
const options = { key: Buffer.alloc(32, 1), scope: 's', entities: new Set(rules.map(({ entity }) => entity)) };

function mask(parsed: ParsedBody, method: MaskMethod, minter: ReturnType<typeof createMinter>): MaskedBody {
  const scans = parsed.conversation.segments.map(({ text }) => detector.scan(text));
  return atOnce(maskBody(parsed, scans, 'output', compilePlan([{ entity: '*', method }]), minter));
}

describe('an answer in placeholders is restored', () => {
  test.each(bodyCases.filter(({ path }) => path === null))('$name', (given) => {
    const dialect = given.create();
    const read = (body: Buffer): ParsedBody => {
      const parsed = atOnce(dialect.readResponse(body));
      if (!parsed.ok) throw new Error(parsed.error.message);
      return parsed.value;
    };
    const restorables = createRestorables([{ entity: '*', tools: true }]);
    const written = mask(read(bodyOf(given)), 'token', createMinter({ ...options, onReversible: restorables.add }));
    const restorer = restorables.forAnswer([{ entity: '*', method: 'label' }]);
    if (restorer === null) throw new Error('nothing to restore');
    const parsed = read(written.body);
    const masked = mask(parsed, 'label', createMinter(options));
    // What is ours is left as it stands.
    expect(masked.body.equals(written.body)).toBe(true);
    const restored = atOnce(restoreBody(parsed, masked, restorer, new Set())).toString();
    expect(restored).not.toMatch(/(?:CREDIT_CARD|EMAIL_ADDRESS|US_SSN)_[0-9A-HJKMNP-TV-Z]{10}\b/);
    expect(read(Buffer.from(restored)).conversation.segments.length).toBe(parsed.conversation.segments.length);
  });
});

test('without placeholders it is the very buffer that masking gave', () => {
  const body = Buffer.from('{"choices":[{"message":{"content":"write to jane@example.com"}}]}');
  const parsed = atOnce(createOpenAiChat().readResponse(body));
  const restorables = createRestorables([{ entity: '*' }]);
  restorables.add('EMAIL_ADDRESS_0123456789', 'EMAIL_ADDRESS', 'x@example.com');
  const restorer = restorables.forAnswer([]);
  if (!parsed.ok || restorer === null) throw new Error('nothing to restore');
  const masked = mask(parsed.value, 'label', createMinter(options));
  expect(atOnce(restoreBody(parsed.value, masked, restorer, new Set()))).toBe(masked.body);
});
