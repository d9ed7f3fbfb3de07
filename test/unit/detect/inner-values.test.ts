import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Gate } from '../../../src/detect/gate.ts';
import { compileProgram, type Program } from '../../../src/detect/program.ts';
import { rules as catalogue } from '../../../src/detect/rules/catalogue.ts';
import { createSession } from '../../../src/detect/session.ts';

const program = compileProgram(catalogue.filter(({ tier }) => tier === 'core'));
/** Every value is tried, whatever it begins in. */
const thorough: Program = {
  ...program,
  rules: program.rules.map((rule) => ({ ...rule, isRun: false })),
  gates: program.gates.map((gates) =>
    gates.map((gate): Gate => ({ ...gate, rules: gate.rules.map((rule) => ({ ...rule, isRun: false })) })),
  ),
};

const found = (from: Program, pieces: readonly string[]): unknown[] => {
  const session = createSession(from);
  return pieces.flatMap((piece, i) => session.feed(piece, i === pieces.length - 1).findings);
};

/** Names, values, and what other rules find and prefer. */
const names = ['pass=', 'pw:', 'PASSWORD=', '\u5bc6\u7801:', 'KEY=', 'secret=', 'token: ', 'password is '];
const values = ['hunter22x', 'X0', '_', 'a', '-Qr', '/', '&b=', 'secret44_', 'zz', '9', '\u5bc6', 'Xk29vQ#@'];
const rivals = [
  '4111 1111 1111 1111',
  '4111111111111111',
  'jo@example.com',
  `AKIA${'IOSFODNN7EXAMPLE'}`,
  'GB82WEST12345698765432',
];
const rest = [' ', '\n', '"', ',', `${'ey'}JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXRoaXMtb25l`];
const closers = [')', '.', ']}', '>:'];

const runs = (words: readonly string[]): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...words), { minLength: 4, maxLength: 120 }).map((parts) => parts.join(''));

describe('what begins inside a good value of its rule is found where, and only where, that value loses', () => {
  const words = [...names, ...values, ...names, ...values];

  test('of values that end before they are cut', () => {
    // A cut value may end in a full stop, which is not its: then one that begins inside it may be longer.
    const texts = runs([...words, ...rivals, ...rest]).map((text) => text.slice(0, 125));
    fc.assert(
      fc.property(texts, (text) => {
        expect(found(program, [text])).toEqual(found(thorough, [text]));
      }),
      { numRuns: 1000 },
    );
  });

  test('of values that go on and on', () => {
    const texts = runs([...words, ...rivals.filter((each) => !each.includes('.')), ' ', '"']);
    fc.assert(
      fc.property(texts, (text) => {
        expect(found(program, [text])).toEqual(found(thorough, [text]));
      }),
      { numRuns: 1000 },
    );
  });
});

test('in whatever pieces a text comes, the same begins inside the same', () => {
  fc.assert(
    fc.property(
      runs([...names, ...values, ...names, ...values, ...rivals, ...rest, ...closers]),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
      (text, sizes) => {
        const pieces: string[] = [];
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          pieces.push(text.slice(at, at + size));
          at += size;
        }
        expect(joined(found(program, pieces))).toEqual(joined(found(program, [text])));
      },
    ),
    { numRuns: 800 },
  );
});

/** Pieces of one unbounded token as one. */
function joined(findings: readonly unknown[]): unknown[] {
  const whole: { start: number; end: number; detector: string }[] = [];
  for (const each of findings) {
    const { start, end, detector, continuation } = each as {
      start: number;
      end: number;
      detector: string;
      continuation: boolean;
    };
    const before = whole.at(-1);
    if (continuation && before) before.end = end;
    else whole.push({ start, end, detector });
  }
  return whole;
}
