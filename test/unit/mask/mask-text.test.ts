import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maskText } from '../../../src/mask/mask-text.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type MaskMethod } from '../../../src/mask/plan.ts';
import { createFakeDetector, fakeEntities } from '../../support/fake-detector.ts';

const detector = createFakeDetector();
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: fakeEntities,
});
const card = '4111 1111 1111 1111';
const token = minter.token('CREDIT_CARD', card);

function mask(text: string, method: MaskMethod, entity = '*') {
  return maskText(text, detector.scan(text).findings, 'user', compilePlan([{ entity, method }]), minter);
}

describe('maskText', () => {
  test.each([
    { method: 'drop', want: 'pay  now' },
    { method: 'label', want: 'pay CREDIT_CARD_REDACTED now' },
    { method: 'token', want: `pay ${token} now` },
    { method: 'hash', want: `pay ${minter.hash('CREDIT_CARD', card)} now` },
    { method: 'partial', want: 'pay CREDIT_CARD_ENDING_1111 now' },
  ] as const)('$method', ({ method, want }) => {
    expect(mask(`pay ${card} now`, method)).toEqual({
      text: want,
      counts: [{ entity: 'CREDIT_CARD', method, count: 1 }],
    });
  });

  test.each([
    { keep: 1, want: 'CREDIT_CARD_ENDING_1' },
    { keep: 8, want: 'CREDIT_CARD_ENDING_11111111' },
  ])('partial keeps the last $keep, and knows it again', ({ keep, want }) => {
    const plan = compilePlan([
      { entity: '*', method: 'partial', keep },
      { entity: 'CREDIT_CARD', method: 'partial', keep: 8 },
    ]);
    const once = maskText(card, detector.scan(card).findings, 'user', plan, minter).text;
    expect(once).toBe(want);
    expect(minter.covers(once, 0, once.length)).toBe(true);
    const short = maskText('536-22-8726', detector.scan('536-22-8726').findings, 'user', plan, minter).text;
    expect(short).toBe(keep === 1 ? 'US_SSN_ENDING_6' : 'US_SSN_REDACTED');
  });

  test('a partial secret is a label', () => {
    expect(mask('key-abcdefABCDEF', 'partial').text).toBe('SECRET_KEY_REDACTED');
  });

  test('counts per entity and method, also what the plan leaves', () => {
    const text = `${card}, ${card} and 123-45-6789`;
    expect(mask(text, 'token', 'CREDIT_CARD')).toEqual({
      text: `${token}, ${token} and 123-45-6789`,
      counts: [
        { entity: 'CREDIT_CARD', method: 'token', count: 2 },
        { entity: 'US_SSN', method: null, count: 1 },
      ],
    });
  });

  test('leaves a finding inside of our own mask, and masks one that only has a mask in it', () => {
    expect(mask(`password=${token}`, 'token')).toEqual({
      text: `password=${token}`,
      counts: [],
    });
    expect(mask('password=CREDIT_CARD_REDACTED', 'label')).toEqual({
      text: 'password=CREDIT_CARD_REDACTED',
      counts: [],
    });
    expect(mask('password=my+US_SSN_REDACTED', 'label').text).toBe('password=PASSWORD_REDACTED');
    expect(mask('password=HUNTER_REDACTED', 'label').text).toBe('password=PASSWORD_REDACTED');
  });

  const texts = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          card,
          '4111111111111111',
          '123-45-6789',
          'key-abcdefABCDEF',
          'password=hunter2!',
          token,
          ' ',
          ', ',
          '\n',
        ),
        fc.string({ maxLength: 12 }),
      ),
      { maxLength: 20 },
    )
    .map((parts) => parts.join(' '));

  test('is the same string when nothing is found, and idempotent when something is', () => {
    fc.assert(
      fc.property(
        texts,
        fc.constantFrom<MaskMethod>('label', 'token', 'surrogate', 'partial', 'hash'),
        (text, method) => {
          const once = mask(text, method);
          if (detector.scan(text).findings.length === 0) expect(once.text).toBe(text);
          expect(mask(once.text, method)).toEqual({
            text: once.text,
            counts: [],
          });
        },
      ),
    );
  });

  test('surrogates side by side are not taken for another card', () => {
    const once = mask(`${card} ${card} ${card}`, 'surrogate');
    expect(once.counts).toEqual([{ entity: 'CREDIT_CARD', method: 'surrogate', count: 3 }]);
    expect(mask(once.text, 'surrogate')).toEqual({ text: once.text, counts: [] });
  });

  test('no found value survives', () => {
    fc.assert(
      fc.property(texts, fc.constantFrom<MaskMethod>('label', 'token', 'hash', 'drop'), (text, method) => {
        const { findings } = detector.scan(text);
        const masked = mask(text, method).text;
        for (const { start, end } of findings) {
          const value = text.slice(start, end);
          if (!minter.covers(value, 0, value.length)) expect(masked.includes(value)).toBe(false);
        }
      }),
    );
  });
});
