import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileDfa, type Dfa, dead, lengthsOf, step } from '../../../src/detect/dfa.ts';
import { literalPrefixes } from '../../../src/detect/literal-prefix.ts';

/** Length of the longest match from the beginning, or -1. */
function longest(dfa: Dfa, text: string): number {
  let state = dfa.start;
  let end = state >= dfa.accepting ? 0 : -1;
  for (let at = 0; at < text.length && state !== dead; at++) {
    state = step(dfa, state, text.charCodeAt(at));
    if (state >= dfa.accepting) end = at + 1;
  }
  return end;
}

/** The same by the built-in engine, which stops at the first way to match: so try every length. */
function longestByRegExp(pattern: RegExp, text: string): number {
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags);
  for (let end = text.length; end >= 0; end--) if (whole.test(text.slice(0, end))) return end;
  return -1;
}

describe('automaton', () => {
  test('agrees with the built-in engine', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '[ab]',
      '[^a]',
      '\\d',
      '\\w',
      '(?:ab|b)',
      '(?:a|)',
      '\\s',
      '[0-9-]',
      'é',
      '.',
    );
    const count = fc.constantFrom('', '?', '*', '+', '{2}', '{1,3}', '{2,}');
    const source = fc
      .array(fc.tuple(atom, count), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.map(([piece, times]) => piece + times).join(''));
    const text = fc.array(fc.constantFrom('a', 'b', 'A', '1', '-', ' ', 'é', '\n'), { maxLength: 8 });
    fc.assert(
      fc.property(source, fc.constantFrom('', 'i'), text, (given, flags, units) => {
        const pattern = new RegExp(given, flags);
        expect(longest(compileDfa(pattern), units.join(''))).toBe(longestByRegExp(pattern, units.join('')));
      }),
      { numRuns: 1000, seed: 3 },
    );
  });

  test.each([
    { name: 'a capture', pattern: /(a)/, why: /only \(\?:…\) groups/ },
    { name: 'a look-ahead', pattern: /a(?=b)/, why: /only \(\?:…\) groups/ },
    { name: 'an anchor', pattern: /^a/, why: /no anchors/ },
    { name: 'a lazy quantifier', pattern: /a+?/, why: /lazy quantifier/ },
    { name: 'a back reference', pattern: RegExp(['(?:a)', '1'].join('\\')), why: /unknown escape/ },
    { name: 'a word boundary', pattern: /a\b/, why: /unknown escape/ },
    { name: 'a pattern with too many states', pattern: /[ab]*a[ab]{16}/, why: /few enough states/ },
  ])('refuses $name', ({ pattern, why }) => {
    expect(() => compileDfa(pattern)).toThrow(why);
  });
});

test.each([
  { pattern: /dbt[uc]_[a-z]{36,64}/, want: { shortest: 41, longest: 69 } },
  { pattern: /a(?:bc|d?)e|f{3}/, want: { shortest: 2, longest: 4 } },
  { pattern: /[0-9a-f]{32}/, want: { shortest: 32, longest: 32 } },
  { pattern: /ab+/, want: null },
  { pattern: /x(?:ab)*y/, want: null },
])('matches of $pattern have $want units', ({ pattern, want }) => {
  expect(lengthsOf(compileDfa(pattern))).toEqual(want);
});

describe('literal prefixes', () => {
  test.each([
    { pattern: /gh[pou]_[a-z]{3}/, want: ['gho_', 'ghp_', 'ghu_'] },
    { pattern: /(?:AKIA|ASIA)[A-Z]{16}/, want: ['akia', 'asia'] },
    { pattern: /https?:\/\//, want: ['http://', 'https://'] },
    { pattern: /sk-(?:proj-)?x/, want: ['sk-proj-', 'sk-x'] },
    { pattern: /api[ _-]?key/i, want: ['api'] },
    { pattern: /pass(?:word)?/, want: ['pass'] },
  ])('of $pattern', ({ pattern, want }) => {
    expect([...literalPrefixes(pattern)].sort()).toEqual([...want].sort());
  });

  test('a pattern that begins with anything has none', () => {
    expect(() => literalPrefixes(/[a-z]+x/)).toThrow(/must name its anchors/);
  });
});
