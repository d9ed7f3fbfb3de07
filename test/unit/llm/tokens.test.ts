import { describe, expect, test } from 'vitest';
import { isBase64, isIdentifier, isPlainName, isWord } from '../../../src/llm/tokens.ts';

/** Shaped like an access key of AWS, put together so that no scanner takes it for one. */
const keyShaped = ['AKIA', '0123456789ABCDEF'].join('');

describe('what is no text', () => {
  test.each(['user', 'tool_use', 'chat.completion.chunk', 'web_search_20250305', 'application/pdf', 'A'])(
    '%s is a word of a protocol',
    (value) => {
      expect(isWord(value)).toBe(true);
    },
  );

  test.each(['two words', '4111111111111111', keyShaped, 'alice@example.test', 'x'.repeat(65), 'é'])(
    '%s is no word of a protocol',
    (value) => {
      expect(isWord(value)).toBe(false);
    },
  );

  test.each(['call_9', 'gpt-4o-2024-08-06', 'us.anthropic.claude-v2:0', 'ft:gpt:org::a', '12345678', 'org/model'])(
    '%s is an identifier',
    (value) => {
      expect(isIdentifier(value)).toBe(true);
    },
  );

  test.each([
    '4111111111111111',
    '4111-1111-1111-1111',
    '078-05-1120',
    'alice@example.test',
    'a b',
    `a${'0'.repeat(256)}`,
  ])('%s is no identifier', (value) => {
    expect(isIdentifier(value)).toBe(false);
  });

  test.each(['city', 'max_tokens', 'x-request-id', '$ref', 'line_1', 'address2024', '50256', ''.padEnd(64, 'k')])(
    '%s is plainly a name',
    (key) => {
      expect(isPlainName(key)).toBe(true);
    },
  );

  test.each([
    '',
    '4111 1111 1111 1111',
    '123456789',
    'alice@example.test',
    keyShaped,
    'a/b',
    'a~b',
    '*3',
    'é',
    'k'.padEnd(65, 'k'),
  ])('%s could be a value', (key) => {
    expect(isPlainName(key)).toBe(false);
  });

  test.each([
    { value: `data:image/png;base64,${'iVBORw0KGgo='}`, want: true },
    { value: 'data:image/png;base64,not really', want: false },
    { value: 'data:text/plain,hello', want: false },
    { value: 'https://files.test/a.png', want: false },
    { value: 'A'.repeat(64), want: true },
    { value: 'A'.repeat(63), want: false },
    { value: `${'A'.repeat(64)} hidden words`, want: false },
    { value: `${'A-_/+'.repeat(20)}==`, want: true },
  ])('$value is Base64: $want', ({ value, want }) => {
    expect(isBase64(value)).toBe(want);
  });
});
