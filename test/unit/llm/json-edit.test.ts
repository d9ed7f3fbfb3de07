import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyEdits } from '../../../src/llm/json-edit.ts';
import { isAsciiStyle, jsonString } from '../../../src/llm/json-string.ts';

describe('applyEdits', () => {
  test.each([
    { name: 'none', edits: [], want: 'abcdef' },
    { name: 'one', edits: [{ start: 1, end: 3, source: 'XYZ' }], want: 'aXYZdef' },
    {
      name: 'in any order',
      edits: [
        { start: 4, end: 6, source: '2' },
        { start: 0, end: 1, source: '1' },
      ],
      want: '1bcd2',
    },
    {
      name: 'side by side',
      edits: [
        { start: 0, end: 2, source: '1' },
        { start: 2, end: 4, source: '2' },
      ],
      want: '12ef',
    },
    {
      name: 'one inside another is dropped',
      edits: [
        { start: 2, end: 3, source: '1' },
        { start: 1, end: 5, source: '-' },
      ],
      want: 'a-f',
    },
    {
      name: 'the same twice',
      edits: [
        { start: 1, end: 5, source: 'null' },
        { start: 1, end: 5, source: 'null' },
      ],
      want: 'anullf',
    },
  ])('$name', ({ edits, want }) => {
    expect(applyEdits('abcdef', edits)).toBe(want);
  });

  test('refuses edits that cross', () => {
    const edits = [
      { start: 0, end: 3, source: '' },
      { start: 2, end: 5, source: '' },
    ];
    expect(() => applyEdits('abcdef', edits)).toThrow('broken invariant: edits do not overlap');
  });
});

describe('jsonString', () => {
  test('reads back as the same string, in ASCII and not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, asciiOnly) => {
        const literal = jsonString(text, asciiOnly);
        expect(JSON.parse(literal)).toBe(text);
        expect(literal.isWellFormed()).toBe(true);
        if (asciiOnly) expect(literal).toMatch(/^[\x20-\x7f]*$/);
      }),
    );
  });

  test('writes a lone surrogate as an escape', () => {
    expect(jsonString('a\ud800')).toBe('"a\\ud800"');
  });

  test.each([
    { literal: '"plain"', want: false },
    { literal: '"line\\nbreak"', want: false },
    { literal: '"caf\\u00e9"', want: true },
    { literal: '"caf\\u00e9 é"', want: false },
    { literal: '"\\u0041"', want: false },
  ])('the style of $literal', ({ literal, want }) => {
    expect(isAsciiStyle(literal)).toBe(want);
  });
});
