import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PolicyInput } from '../../../src/policy/decision.ts';
import { piecesOf, type Question, written } from '../../../src/policy/question.ts';
import { ordinaryRequest } from '../../support/policy.ts';

/** Texts with halves of surrogate pairs, quotes and control characters. */
const anyText = fc.string({
  unit: fc.constantFrom('a', 'é', '😀', '\ud83d', '\ude00', '"', '\\', '\n', '\u0000'),
  maxLength: 40,
});

const anyQuestion: fc.Arbitrary<Question> = fc
  .record({
    segments: fc.array(fc.record({ pointer: anyText, role: anyText, kind: anyText, text: anyText }), { maxLength: 6 }),
    tools: fc.array(anyText, { maxLength: 3 }),
    uninspected: fc.array(fc.record({ pointer: anyText, kind: anyText }), { maxLength: 3 }),
    isAboutTexts: fc.boolean(),
    model: anyText,
  })
  .map(({ segments, tools, uninspected, isAboutTexts, model }) => {
    const { conversation: _, findings, ...rest }: PolicyInput = ordinaryRequest;
    const asked = { ...rest, resource: { ...rest.resource, model } };
    return isAboutTexts ? { ...asked, findings, conversation: { segments, tools, uninspected } } : asked;
  });

test('the pieces of a question are the question', () => {
  fc.assert(
    fc.property(anyQuestion, fc.integer({ min: 1, max: 200 }), (question, pieceChars) => {
      const pieces = [...piecesOf(question, pieceChars)];
      expect(JSON.parse(pieces.join(''))).toEqual(JSON.parse(written(question)));
    }),
  );
});

test('no piece is much longer than it should be, however long a text is', () => {
  const text = 'x'.repeat(1_000_000);
  const segments = [{ pointer: '/a', role: 'user', kind: 'text', text }];
  const question = { ...ordinaryRequest, conversation: { segments, tools: [], uninspected: [] } };
  const lengths = [...piecesOf(question, 10_000)].map(({ length }) => length);
  expect(lengths.length).toBeGreaterThan(90);
  expect(Math.max(...lengths)).toBeLessThan(25_000);
});
