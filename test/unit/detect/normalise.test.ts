import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { createOffsets, plainText } from '../../../src/detect/normalise.ts';

const detector = createDetector({ tier: 'core' });

describe('evasion', () => {
  test.each([
    {
      name: 'full-width digits',
      text: 'card ４１１１ １１１１ １１１１ １１１１.',
      want: '４１１１ １１１１ １１１１ １１１１',
    },
    { name: 'Arabic-Indic digits', text: 'SSN ٥٣٦-٢٢-٨٧٢٦', want: '٥٣٦-٢٢-٨٧٢٦' },
    {
      name: 'no-break spaces',
      text: 'x 4111\u00a01111\u00a01111\u00a01111',
      want: '4111\u00a01111\u00a01111\u00a01111',
    },
    {
      name: 'zero-width characters',
      text: '4\u200b1\u200d1\u2060111111111111\ufeff1',
      want: '4\u200b1\u200d1\u2060111111111111\ufeff1',
    },
    { name: 'soft hyphens', text: 'AKIA\u00ad2E0A8F3B244C9986', want: null },
    { name: 'non-breaking hyphens', text: '536\u201122\u20118726', want: '536\u201122\u20118726' },
    { name: 'full-width at sign and dot', text: 'jane＠example．com', want: 'jane＠example．com' },
    { name: 'typographic quotes', text: 'password: “Xk29vQ#@”', want: 'Xk29vQ#@' },
    { name: 'full-width colon', text: '密码：Xk29vQ#@', want: 'Xk29vQ#@' },
    { name: 'emoji before it', text: '😀😀 jane@example.com', want: 'jane@example.com' },
  ])('$name', ({ text, want }) => {
    const found = detector.scan(text).findings.map(({ start, end }) => text.slice(start, end));
    expect(found).toEqual(want === null ? [] : [want]);
  });
});

test('offsets lead back to the units that were kept', () => {
  const unit = fc.constantFrom('a', '1', '\u200b', '\u00ad', '１', 'é', '\u00a0', '😀');
  fc.assert(
    fc.property(fc.array(fc.array(unit, { maxLength: 6 }), { maxLength: 5 }), (pieces) => {
      const offsets = createOffsets();
      const original = pieces.flat().join('');
      const plain = pieces.map((piece) => plainText(piece.join(''), offsets)).join('');
      const kept =
        [...plain].length === 0 ? [] : Array.from({ length: plain.length }, (_, i) => offsets.range(i, i + 1));
      for (const [i, { start, end }] of kept.entries()) {
        expect(end).toBe(start + 1);
        expect(plainText(original.charAt(start), createOffsets())).toBe(plain.charAt(i));
      }
      expect(offsets.boundary(plain.length)).toBe(original.length);
    }),
    { numRuns: 500, seed: 9 },
  );
});
