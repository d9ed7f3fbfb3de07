import { describe, expect, test } from 'vitest';
import type { Masking } from '../../../src/mask/decider.ts';
import { createJsonStreamMasker, maskJsonText } from '../../../src/mask/json-stream-masker.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type MaskMethod } from '../../../src/mask/plan.ts';
import { createTally } from '../../../src/mask/tally.ts';
import { createFakeDetector, fakeEntities } from '../../support/fake-detector.ts';

const card = '4111111111111111';

function maskingOf(method: MaskMethod): Masking {
  return {
    detector: createFakeDetector(),
    plan: compilePlan([{ entity: '*', method }]),
    minter: createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: fakeEntities }),
    tally: createTally(),
  };
}

function inUnits(text: string, masking: Masking): string {
  const masker = createJsonStreamMasker(masking, 'assistant');
  let out = '';
  let taken = 0;
  const take = (): void => {
    const to = masker.decided();
    out += masker.take(to) ?? text.slice(taken, to);
    taken = to;
  };
  for (const unit of text.split('')) {
    masker.push(unit);
    take();
  }
  masker.close();
  take();
  return out;
}

describe('JSON', () => {
  const cases: readonly { name: string; given: string; want: string; method?: MaskMethod }[] = [
    {
      name: 'nothing to mask',
      given: '{"a":[1,true,null,"x\\n\\u00e9\\/"]}',
      want: '{"a":[1,true,null,"x\\n\\u00e9\\/"]}',
    },
    { name: 'a string', given: `{"a":"my ${card}."}`, want: '{"a":"my CREDIT_CARD_REDACTED."}' },
    { name: 'a key', given: `{"${card}":1}`, want: '{"CREDIT_CARD_REDACTED":1}' },
    { name: 'a number', given: `[${card}, 1]`, want: '["CREDIT_CARD_REDACTED", 1]' },
    { name: 'a negative number', given: `[-${card}]`, want: '["CREDIT_CARD_REDACTED"]' },
    { name: 'a number alone', given: card, want: '"CREDIT_CARD_REDACTED"' },
    { name: 'a dropped number', given: `[${card}]`, want: '[""]', method: 'drop' },
    { name: 'a dropped string', given: `["${card}"]`, want: '[""]', method: 'drop' },
    { name: 'escapes', given: '["\\u0034111 \\u00311\\u0031\\u0031 1111 1111"]', want: '["CREDIT_CARD_REDACTED"]' },
    { name: 'an escape beside', given: `["\\"${card}\\n"]`, want: '["\\"CREDIT_CARD_REDACTED\\n"]' },
    {
      name: 'an escaped backslash before u',
      given: '["\\\\u0034111111111111111"]',
      want: '["\\\\u0034111111111111111"]',
    },
    { name: 'no value across two strings', given: '["4111 1111","1111 1111"]', want: '["4111 1111","1111 1111"]' },
    {
      name: 'a value that goes on in the next string',
      given: '["password=a","b"]',
      want: '["password=PASSWORD_REDACTED",""]',
    },
    {
      name: 'text that is no JSON',
      given: `hello ${card} "open ${card}`,
      want: 'hello "CREDIT_CARD_REDACTED" "open CREDIT_CARD_REDACTED',
    },
    { name: 'a broken escape', given: `["\\u00zz ${card}"]`, want: '["\\u00zz CREDIT_CARD_REDACTED"]' },
    { name: 'an escape that never ends', given: `["${card} \\u00`, want: '["CREDIT_CARD_REDACTED \\u00' },
    {
      name: 'a number of endless digits stays a number',
      given: `[${'0.'.padEnd(300, '5')}]`,
      want: `[${'0.'.padEnd(300, '5')}]`,
    },
    {
      name: 'a value in a number of endless digits',
      given: `[1e${'0'.repeat(300)}.${card}]`,
      want: `[1e${'0'.repeat(300)}.1111111111111111]`,
    },
  ];

  test.each(cases)('$name', ({ given, want, method = 'label' }) => {
    expect(maskJsonText(given, maskingOf(method), 'assistant')).toBe(want);
    expect(inUnits(given, maskingOf(method))).toBe(want);
  });

  test('without a value is the very string', () => {
    const text = JSON.stringify({ a: ['x'.repeat(5000), 1] });
    expect(maskJsonText(text, maskingOf('label'), 'assistant')).toBe(text);
  });
});
