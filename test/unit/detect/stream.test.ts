import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admitPatterns } from '../../../src/detect/custom-pattern.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import type { Detector, Finding, StreamScan } from '../../../src/detect/finding.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';

const patterns = ['EMP-\\d{3,6}\\b', '[a-z]{2,9}:[0-9]+', '(?i)project \\w+'].map((pattern, i) => ({
  ...{ id: `custom-${i}`, entity: 'CUSTOM', pattern, score: 0.6, context: ['card'] },
}));
const admitted = admitPatterns(patterns);
const detector = createDetector({ tier: 'extended', ...(admitted.ok ? { custom: admitted.value } : {}) });

/** Feeds the pieces and joins continuations; fails when a finding begins in text that was decided before. */
function streamed(subject: Detector, pieces: readonly string[]): Finding[] {
  const scanner = subject.openStream();
  const findings: { entity: string; detector: string; start: number; end: number; score: number }[] = [];
  let decided = 0;
  function take(scan: StreamScan): void {
    for (const { continuation, ...finding } of scan.findings) {
      expect(finding.start).toBeGreaterThanOrEqual(decided);
      expect(finding.end).toBeLessThanOrEqual(scan.decided);
      const before = findings.at(-1);
      if (continuation && before) {
        expect([finding.start, finding.detector]).toEqual([before.end, before.detector]);
        before.end = finding.end;
      } else findings.push(finding);
    }
    expect(scan.decided).toBeGreaterThanOrEqual(decided);
    decided = scan.decided;
  }
  for (const piece of pieces) take(scanner.push(piece));
  take(scanner.close());
  expect(decided).toBe(pieces.join('').length);
  return findings;
}

function cut(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (let i = 0; at < text.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces;
}

const atoms = rules.flatMap(({ examples }) => [
  ...examples.positive.map((example) => (typeof example === 'string' ? example : example.text)),
  ...examples.negative,
]);
const noise = [
  '\uffff',
  '😀',
  '”',
  'EMP-1',
  'project ',
  'abc:12',
  ' ',
  '\n',
  ', ',
  '-',
  '.',
  '@',
  ':',
  '"',
  '1',
  '42',
  'card ',
  'phone ',
  ' and then ',
  'password',
  '\u200b',
  '\u00a0',
  '４',
  'é',
  '비밀번호',
  '://',
  '+',
  '(',
];

describe('stream', () => {
  const text = fc
    .array(
      fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom(...atoms) },
        fc.constantFrom(...noise),
        fc.string({ maxLength: 8 }),
      ),
      {
        maxLength: 12,
      },
    )
    .map((parts) => parts.join(''));
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 });

  test('any cutting yields what the whole text yields', () => {
    fc.assert(
      fc.property(text, sizes, (whole, by) => {
        expect(streamed(detector, cut(whole, by))).toEqual(detector.scan(whole).findings);
      }),
      { numRuns: 1500, seed: 7 },
    );
  });

  test('one unit at a time', () => {
    const whole = atoms.join(' | ');
    expect(streamed(detector, cut(whole, [1]))).toEqual(detector.scan(whole).findings);
  });

  test('ordinary prose is held no longer than its last word', () => {
    const prose =
      'The keys to a good password policy are simple enough: tokens expire, and in 2024 nobody reuses a secret.';
    const scanner = detector.openStream();
    for (let end = 1; end <= prose.length; end++) {
      const { decided } = scanner.push(prose.charAt(end - 1));
      const word = prose.slice(0, end).search(/[A-Za-z0-9]*.?$/);
      expect({ end, held: end - decided <= end - word + 2 }).toEqual({ end, held: true });
    }
  });
});
