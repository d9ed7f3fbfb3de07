import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import { type AdmittedPatterns, admitPatterns, type CustomPattern } from '../../../src/detect/custom-pattern.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import type { Finding } from '../../../src/detect/finding.ts';
import { compileProgram } from '../../../src/detect/program.ts';
import { createSession } from '../../../src/detect/session.ts';
import { validatorNames } from '../../../src/detect/validators/named.ts';
import { customPatterns } from '../../support/custom-patterns.ts';

function custom(pattern: string, more: Partial<CustomPattern> = {}): CustomPattern {
  return { id: 'employee', entity: 'EMPLOYEE', pattern, score: 0.8, context: [], ...more };
}

function admitted(...patterns: readonly CustomPattern[]): AdmittedPatterns {
  const result = admitPatterns(patterns);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** What the patterns find by themselves, without the built-in rules. */
function scan(patterns: AdmittedPatterns, text: string): readonly Finding[] {
  return createSession(compileProgram([], { roaming: patterns.rules })).feed(text, true).findings;
}

function found(patterns: AdmittedPatterns, text: string): string[] {
  return scan(patterns, text).map(({ start, end }) => text.slice(start, end));
}

describe('admission', () => {
  test.each([
    { name: 'unclosed group', pattern: '(ab', problem: /is not RE2 syntax/ },
    { name: 'back reference', pattern: '(a)\\1', problem: /is not RE2 syntax/ },
    { name: 'look-ahead', pattern: 'a(?=b)', problem: /is not RE2 syntax/ },
    { name: 'matches nothing at all', pattern: 'a*', problem: /empty text/ },
    { name: 'assertion inside', pattern: 'a\\b-b', problem: /has \^, \$ or \\b inside/ },
    { name: 'assertion in one branch only', pattern: '(?:\\ba|b)', problem: /has \^, \$ or \\b inside/ },
    { name: 'too many states', pattern: '[ab]*a[ab]{14}c', problem: /too complex/ },
    { name: 'costly', pattern: '[a-z]{200}x', problem: /steps a character on a text such as "a/ },
    { name: 'too long', pattern: 'a'.repeat(3_000), problem: /longer than 2048/ },
  ])('refuses $name', ({ pattern, problem }) => {
    const result = admitPatterns([custom(pattern)]);
    expect(result.ok ? '' : result.error[0]?.problem).toMatch(problem);
  });

  test('names every pattern that it refuses', () => {
    const result = admitPatterns([custom('(', { id: 'one' }), custom('a'), custom('b*', { id: 'two' })]);
    expect(result.ok ? [] : result.error.map(({ id }) => id)).toEqual(['one', 'two']);
  });
});

describe('matching', () => {
  test.each([
    { pattern: 'EMP-\\d{6}', text: 'EMP-123456, EMP-12345 and xEMP-654321', want: ['EMP-123456', 'EMP-654321'] },
    { pattern: '\\bEMP-\\d{6}\\b', text: 'EMP-123456, EMP-1234567 and xEMP-654321', want: ['EMP-123456'] },
    {
      pattern: '(?i)project (orion|lyra)',
      text: 'Project ORION, project lyra',
      want: ['Project ORION', 'project lyra'],
    },
    { pattern: '^ref:\\d+$', text: 'ref:42', want: ['ref:42'] },
    { pattern: '^ref:\\d+$', text: 'a ref:42', want: [] },
    { pattern: '(?m)^ref:\\d+$', text: 'a\nref:42\nref:43 b', want: ['ref:42'] },
    { pattern: '[\\p{Greek}]{3}-\\d', text: 'code αβγ-7', want: ['αβγ-7'] },
    { pattern: '😀\\d|[😁-😃]x', text: 'a 😀7 😂x 😄x', want: ['😀7', '😂x'] },
    { pattern: 'a|ab', text: 'ab', want: ['ab'] },
    { pattern: 'k[0-9]{2,4}', text: 'k12345k12', want: ['k1234', 'k12'] },
    { pattern: 'B\\d{8}', text: 'B１２３４５６７８', want: ['B１２３４５６７８'] },
  ])('$pattern in $text', ({ pattern, text, want }) => {
    expect(found(admitted(custom(pattern)), text)).toEqual(want);
  });

  test('a match ends at the bound', () => {
    expect(found(admitted(custom('x+')), 'x'.repeat(600)).map(({ length }) => length)).toEqual([256, 256, 88]);
  });

  test('words to the left raise the score', () => {
    const patterns = admitted(custom('K\\d{4}', { score: 0.5, context: ['Badge'] }));
    const scores = ['badge K1234', 'item K1234'].map((text) => scan(patterns, text)[0]?.score);
    expect(scores).toEqual([0.85, 0.5]);
  });

  test('agrees with re2js, taken leftmost-longest', () => {
    const piece = fc.constantFrom('a', 'b', '[ab]', '[^a]', 'ab', '(?:a|bb)', '\\d', 'x?', 'a{1,3}', '(?i:B)', 'b+');
    const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''));
    const text = fc
      .array(fc.constantFrom('a', 'b', 'B', '1', 'x', ' '), { maxLength: 30 })
      .map((units) => units.join(''));
    fc.assert(
      fc.property(pattern, text, (source, given) => {
        const result = admitPatterns([custom(source)]);
        if (!result.ok) return;
        const matcher = RE2JS.compile(source, RE2JS.LONGEST_MATCH).matcher(given);
        const want: string[] = [];
        while (matcher.find()) want.push(matcher.group() ?? '');
        expect(found(result.value, given)).toEqual(want);
      }),
      { numRuns: 300, seed: 11 },
    );
  });
});

describe('tried before they are used', () => {
  const badge = custom('B\\d{7}', { validator: 'luhn' });

  test('examples that hold', () => {
    const examples = { positive: ['badge B1234566'], negative: ['badge B1234567', 'B12'] };
    expect(admitPatterns([{ ...badge, examples }]).ok).toBe(true);
  });

  test('examples that do not hold are named by their places', () => {
    const examples = { positive: ['B1234566', 'B1234567'], negative: ['none', 'B1234566'] };
    const result = admitPatterns([{ ...badge, examples }]);
    expect(result.ok ? [] : result.error).toEqual([
      { id: 'employee', problem: 'is not found by the pattern', part: ['examples', 'positive', 1] },
      { id: 'employee', problem: 'is found by the pattern', part: ['examples', 'negative', 1] },
    ]);
  });

  test.each([
    { validator: 'luhn', right: '4111-1111-1111-1111', wrong: '4111-1111-1111-1112' },
    { validator: 'iban', right: 'DE89 3704 0044 0532 0130 00', wrong: 'DE89 3704 0044 0532 0130 01' },
    { validator: 'mod97', right: 'ABC12392', wrong: 'ABC12399' },
    { validator: 'verhoeff', right: '2363', wrong: '2364' },
    { validator: 'mod11_10', right: '33392005961', wrong: '33392005962' },
    { validator: 'mod11', right: '0-306-40615-2', wrong: '0-306-40615-3' },
    { validator: 'entropy', right: 'k8Jq2ZpX', wrong: 'aaaabbbb' },
    { validator: 'random', right: 'k8Jq2ZpXw0Rt', wrong: 'production-mode' },
    { validator: 'not_placeholder', right: 'Wq83kPz', wrong: '${TOKEN}' },
  ] as const)('validator $validator', ({ validator, right, wrong }) => {
    const patterns = admitted(custom('^[A-Za-z0-9${}][A-Za-z0-9${} -]+[A-Za-z0-9${}]$', { validator }));
    expect([found(patterns, right), found(patterns, wrong)]).toEqual([[right], []]);
  });

  test('every validator has a case', () => {
    expect(validatorNames).toHaveLength(9);
  });
});

test('many patterns together find what each finds alone, whole and in pieces', () => {
  const patterns = customPatterns(48);
  const each = patterns.map((pattern) => compileProgram([], { roaming: admitted(pattern).rules }));
  const all = compileProgram([], { roaming: admitted(...patterns).rules });
  const samples = [
    ...[
      'AAA-123456',
      'project bhlx',
      'QK12345Z',
      '123-45-3',
      'jo.e@ecs.example.com',
      'fjd_0123456789ab',
      'cost center 12346',
    ],
    ...['host-7a.corp', 'AAA-12345', 'plain words', 'host-7.intern', 'zz_top@x.example.com', 'host-15.internal'],
  ];
  const text = fc.array(fc.constantFrom(...samples), { maxLength: 8 }).map((parts) => parts.join(' '));
  fc.assert(
    fc.property(text, fc.array(fc.nat(200), { maxLength: 12 }), (given, places) => {
      const whole = createSession(all).feed(given, true).findings;
      const session = createSession(all);
      const cuts = [...new Set(places.map((place) => place % (given.length + 1)))].sort((a, b) => a - b);
      const pieces = [...cuts, given.length].map((cut, i) => given.slice(cuts[i - 1] ?? 0, cut));
      const piecewise = [
        ...pieces.flatMap((piece) => session.feed(piece, false).findings),
        ...session.feed('', true).findings,
      ];
      expect(piecewise).toEqual(whole);
      const singly = each.flatMap((one) =>
        createSession(one)
          .feed(given, true)
          .findings.map(({ start, end }) => `${start}-${end}`),
      );
      for (const { start, end } of whole) expect(singly).toContain(`${start}-${end}`);
      expect(whole.length > 0).toBe(singly.length > 0);
    }),
    { numRuns: 25, seed: 5 },
  );
});

test('allowed values are no findings', () => {
  const detector = createDetector({ tier: 'core', allow: ['4111 1111 1111 1111'] });
  const text = 'cards 4111 1111 1111 1111 and 5555 5555 5555 4444';
  expect(detector.scan(text).findings.map(({ start, end }) => text.slice(start, end))).toEqual(['5555 5555 5555 4444']);
});

test('the revision tells settings apart and nothing else', () => {
  const revisions = [
    createDetector({ tier: 'core' }),
    createDetector({ tier: 'core' }),
    createDetector({ tier: 'core', allow: ['x'] }),
    createDetector({ tier: 'core', custom: admitted(custom('a')) }),
  ].map(({ revision }) => revision);
  expect(revisions[0]).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect([revisions[0] === revisions[1], new Set(revisions).size]).toEqual([true, 3]);
});
