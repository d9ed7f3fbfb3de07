import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StreamFinding } from '../../../src/detect/finding.ts';
import type { Gate } from '../../../src/detect/gate.ts';
import { compileProgram, type Program } from '../../../src/detect/program.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { createSession } from '../../../src/detect/session.ts';
import { anchorBit, flagBits, shortBit, siftedMax } from '../../../src/detect/sieve-machine.ts';
import { promptText } from '../../support/prompt-text.ts';

const program = compileProgram(rules);
/** Looks at every place, and lets everything pass. */
const everyPlace = Int32Array.from({ length: siftedMax }, (_, i) => (i << flagBits) | anchorBit | shortBit);
const everywhere: Program = {
  ...program,
  sieve: { sift: (_, from, to) => to - from, places: everyPlace },
  gates: program.gates.map(opened),
};

function opened(gates: readonly Gate[]): Gate[] {
  return gates.map((gate) => ({ ...gate, rulesAt: () => (1 << gate.rules.length) - 1 }));
}

function found(from: Program, pieces: readonly string[]): readonly StreamFinding[] {
  const session = createSession(from);
  return pieces.flatMap((piece, i) => session.feed(piece, i === pieces.length - 1).findings);
}

function cut(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  for (let at = 0, i = 0; at < text.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces.length > 0 ? pieces : [''];
}

const examples = rules.flatMap((rule) =>
  rule.examples.positive.map((example) => (typeof example === 'string' ? example : example.text)),
);
const samples = fc.constantFrom(...examples);
const noise = fc.string({ unit: fc.constantFrom(...' \n.:-_/@"=+()09aAkKeyſé中'), maxLength: 6 });
/** Dates and what may make numbers of them, which the rule for telephone numbers passes over. */
const dates = fc
  .tuple(
    fc.constantFrom('', '+', '(', '0', '1 ', 'call '),
    fc.constantFrom('2024-06-15', '1999/01/02', '2031.12.24', '2024-06/15'),
  )
  .chain(([before, date]) =>
    fc
      .constantFrom('', 'T', ' 08:15', ' 08', ' 0815', '-1', ', ', '. 12 34', ' x12', ' office', 'Tel')
      .map((behind) => before + date + behind),
  );

describe('passing over text finds what looking everywhere finds', () => {
  test('in text such as people write', () => {
    for (let seed = 0; seed < 8; seed++) {
      const text = promptText(16_384, seed, seed % 2 === 0);
      expect(found(program, [text])).toEqual(found(everywhere, [text]));
    }
  });

  test('in text that is nothing but values and what may stand around them, in any pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(samples, noise, dates), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 6 }),
        (parts, sizes) => {
          const text = parts.join('');
          const whole = found(everywhere, [text]);
          expect(found(program, [text])).toEqual(whole);
          expect(found(program, cut(text, sizes))).toEqual(found(everywhere, cut(text, sizes)));
        },
      ),
      { numRuns: 300 },
    );
  });
});
