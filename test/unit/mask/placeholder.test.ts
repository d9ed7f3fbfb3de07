import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMinter, entityWord, type Minter, maskCharsMax } from '../../../src/mask/placeholder.ts';

const key = Buffer.alloc(32, 7);
const entities = new Set(['CREDIT_CARD', 'EMAIL_ADDRESS', 'IBAN_CODE', 'US_SSN', 'custom rule-1']);

function minter(scope = 'session-1', secret: Uint8Array = key): Minter {
  return createMinter({ key: secret, scope, entities });
}

describe('token', () => {
  test('is the entity, eight keyed characters and two of check, and stays so', () => {
    expect(minter().token('CREDIT_CARD', '4111111111111111')).toBe('CREDIT_CARD_Z02G8V7CDM');
    expect(minter().hash('CREDIT_CARD', '4111111111111111')).toBe('CREDIT_CARD_HASH_PCDBZ8T2S3Z6MDHD');
  });

  test.each([
    {
      entity: 'CREDIT_CARD',
      one: '4111111111111111',
      other: '4111-1111 1111\u00a01111',
    },
    {
      entity: 'CREDIT_CARD',
      one: '4111111111111111',
      other: '\uff14\uff11\uff11\uff11111111111111',
    },
    { entity: 'US_SSN', one: '078-05-1121', other: '078051121' },
    {
      entity: 'IBAN_CODE',
      one: 'GB82 WEST 1234 5698 7654 32',
      other: 'gb82west12345698765432',
    },
    { entity: 'EMAIL_ADDRESS', one: 'Jo@Example.COM', other: 'Jo@example.com' },
  ])('is one for one $entity however written: $other', ({ entity, one, other }) => {
    expect(minter().token(entity, other)).toBe(minter().token(entity, one));
  });

  test.each([
    {
      name: 'another value',
      a: minter().token('US_SSN', '078-05-1121'),
      b: minter().token('US_SSN', '078-05-1122'),
    },
    {
      name: 'another scope',
      a: minter('a').token('US_SSN', '1'),
      b: minter('b').token('US_SSN', '1'),
    },
    {
      name: 'another key',
      a: minter('a').token('US_SSN', '1'),
      b: minter('a', Buffer.alloc(32, 8)).token('US_SSN', '1'),
    },
    {
      name: 'an e-mail address with another local part',
      a: minter().token('EMAIL_ADDRESS', 'Jo@example.com'),
      b: minter().token('EMAIL_ADDRESS', 'jo@example.com'),
    },
  ])('differs for $name', ({ a, b }) => {
    expect(a).not.toBe(b);
  });

  test('of another entity is unrelated', () => {
    const tail = (word: string) => word.slice(-10);
    expect(tail(minter().token('US_SSN', '1'))).not.toBe(tail(minter().token('US_ITIN', '1')));
  });

  test('fields cannot run into each other', () => {
    expect(minter('a').token('US_SSN', 'bc').slice(-10)).not.toBe(minter('ab').token('US_SSN', 'c').slice(-10));
  });

  test('has a fixed form, a digit, and a bound', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (entity, value) => {
        const token = minter().token(entity, value);
        expect(token).toMatch(/^[A-Z][A-Z0-9_]{0,63}_(?=[A-Z]{0,7}[0-9])[0-9A-HJKMNP-TV-Z]{10}$/);
        expect(token.length).toBeLessThanOrEqual(maskCharsMax);
        expect(minter().hash(entity, value).length).toBeLessThanOrEqual(maskCharsMax);
      }),
    );
  });
});

describe('hash', () => {
  test('is one in every scope, and another under another key', () => {
    expect(minter('a').hash('US_SSN', '1')).toBe(minter('b').hash('US_SSN', '1'));
    expect(minter('a').hash('US_SSN', '1')).not.toBe(minter('a', Buffer.alloc(32, 8)).hash('US_SSN', '1'));
  });
});

describe('covers', () => {
  const token = minter().token('CREDIT_CARD', '4111111111111111');
  const hash = minter().hash('CREDIT_CARD', '4111111111111111');
  const covers = (text: string, start = 0, end = text.length) => minter().covers(text, start, end);
  test.each([
    { name: 'a token', text: token, want: true },
    { name: 'a hash', text: hash, want: true },
    { name: 'a label', text: 'CREDIT_CARD_REDACTED', want: true },
    { name: 'an ending', text: 'CREDIT_CARD_ENDING_1111', want: true },
    { name: 'a custom entity', text: `${entityWord('custom rule-1')}_REDACTED`, want: true },
    { name: 'a label of no known entity', text: 'AKIAEXAMPLE_REDACTED', want: false },
    { name: 'more than an ending', text: 'CREDIT_CARD_ENDING_111111111', want: false },
    { name: 'a token of another scope', text: minter('other').token('CREDIT_CARD', '4111111111111111'), want: false },
    { name: 'more than a token', text: `${token}0`, want: false },
    { name: 'less than a token', text: token.slice(0, -1), want: false },
    { name: 'a lower-case token', text: token.toLowerCase(), want: false },
    { name: 'a hash of another key', text: minter('', Buffer.alloc(16)).hash('CREDIT_CARD', '4'), want: false },
    { name: 'nothing', text: '', want: false },
  ])('$name: $want', ({ text, want }) => {
    expect(covers(text)).toBe(want);
  });

  test('a part of a mask, also of one that is glued to other words', () => {
    expect(covers(`pw${token}X`, 5, 2 + token.length)).toBe(true);
    expect(covers(`pw${token}X`, 1, 2 + token.length)).toBe(false);
    expect(covers(`${token}${hash}`, token.length + 1, token.length + hash.length)).toBe(true);
    expect(covers(`${token}${hash}`, token.length - 1, token.length + 1)).toBe(false);
  });

  test('nothing, when there are no entities', () => {
    const none = createMinter({ key, scope: 'session-1', entities: new Set() });
    expect(none.covers('_REDACTED', 0, 9)).toBe(false);
  });

  test('no altered token', () => {
    const last10 = token.slice(-10);
    const altered = [...last10].map((char, i) => {
      const next = char === 'Z' ? 'Y' : 'Z';
      return `CREDIT_CARD_${last10.slice(0, i)}${next}${last10.slice(i + 1)}`;
    });
    expect(altered.filter((word) => covers(word))).toEqual([]);
  });
});

describe('neutralise', () => {
  const ours = minter().token('CREDIT_CARD', '4111111111111111');
  const foreign = minter('other').token('CREDIT_CARD', '4111111111111111');
  const foreignHash = minter('other', Buffer.alloc(16)).hash('US_SSN', '1');
  const cut = (word: string) => word.replace(/_(?=[^_]*$)/, '-');
  test.each([
    {
      name: 'plain text',
      text: 'no placeholder here',
      want: 'no placeholder here',
    },
    { name: 'our own', text: `pay with ${ours}.`, want: `pay with ${ours}.` },
    {
      name: 'a foreign one',
      text: `pay with ${foreign}.`,
      want: `pay with ${cut(foreign)}.`,
    },
    {
      name: 'a foreign hash',
      text: `(${foreignHash})`,
      want: `(${cut(foreignHash)})`,
    },
    {
      name: 'two side by side',
      text: `${foreign} ${foreign}`,
      want: `${cut(foreign)} ${cut(foreign)}`,
    },
    {
      name: 'names of a program',
      text: 'US_SSN_PARAMETERS US_SSN_CHARACTERS',
      want: 'US_SSN_PARAMETERS US_SSN_CHARACTERS',
    },
    {
      name: 'names of no entity',
      text: 'BUILD_2024010199',
      want: 'BUILD_2024010199',
    },
    { name: 'part of a longer word', text: `x${foreign}`, want: `x${foreign}` },
  ])('$name', ({ text, want }) => {
    expect(minter().neutralise(text)).toBe(want);
    expect(minter().neutralise(want)).toBe(want);
  });

  test('is linear on long words', () => {
    const text = `${'CREDIT_CARD_'.repeat(20_000)} ${'A_'.repeat(100_000)}`;
    expect(minter().neutralise(text)).toBe(text);
  });
});
