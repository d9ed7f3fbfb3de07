import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Candidate } from '../../../src/detect/attempt.ts';
import { createCandidates } from '../../../src/detect/candidates.ts';
import type { CompiledRule } from '../../../src/detect/compiled-rule.ts';
import { compileProgram } from '../../../src/detect/program.ts';
import { resolve } from '../../../src/detect/resolve.ts';
import { rules as catalogue } from '../../../src/detect/rules/catalogue.ts';

const [compiled] = compileProgram(catalogue.slice(0, 1)).rules;
if (!compiled) throw new Error('there is a rule');
const ruleOf = (order: number, maxLength: number): CompiledRule => ({
  ...compiled,
  order,
  maxLength,
  isRun: maxLength > 0,
});
/** Three whose values go on to the end of a run or to their own length, and one whose values are anywhere. */
const rules = [ruleOf(0, 20), ruleOf(1, 33), ruleOf(2, 50), ruleOf(3, 0)];
const textEnd = 400;

interface Drawn {
  readonly order: number;
  readonly start: number;
  readonly length: number;
  readonly score: number;
  readonly strength: number;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  order: fc.nat(3),
  start: fc.nat(textEnd - 1),
  length: fc.integer({ min: 1, max: 60 }),
  score: fc.constantFrom(0.5, 0.6, 1),
  strength: fc.constantFrom(0, 0, 1),
});

/** Each as its rule would find it. */
function candidatesOf(all: readonly Drawn[], runEnds: readonly number[]): Candidate[] {
  const seen = new Set<string>();
  return all.flatMap(({ order, start, length, score, strength }): Candidate[] => {
    const rule = rules[order];
    if (!rule || seen.has(`${order} ${start}`)) return [];
    seen.add(`${order} ${start}`);
    if (!rule.isRun) return [{ rule, start, end: start + length, score, strength }];
    const end = Math.min(start + rule.maxLength, ...runEnds.filter((each) => each > start));
    return [{ rule, start, end, score: 0.5 + order / 10, strength: 0 }];
  });
}

const shown = ({ rule, start, end }: Candidate): string => `${rule.order}: ${start} to ${end}`;

/** One that was good, with another inside that goes on behind what covers it in the end. */
const coveredOnlyInPart: Drawn[] = [
  ...[51, 50, 1, 0].map((start) => ({ order: 2, start, length: 1, score: 0.5, strength: 0 })),
  { order: 3, start: 0, length: 1, score: 0.5, strength: 1 },
];

test('those are reported that were if all were tried, and few are', () => {
  fc.assert(
    fc.property(
      fc.array(drawn, { minLength: 1, maxLength: 120 }),
      fc.array(fc.nat(textEnd), { maxLength: 12 }),
      fc.integer({ min: 1, max: 90 }),
      (all, cuts, step) => {
        const found = candidatesOf(all, [...cuts, textEnd]).sort((a, b) => a.start - b.start);
        const want = resolve(found.map((each) => ({ ...each }))).map(shown);
        const reported: string[] = [];
        const candidates = createCandidates();
        const at = new Map(found.map((each) => [`${each.rule.order} ${each.start}`, each]));
        const tryAt = (rule: CompiledRule, start: number): void => {
          const value = at.get(`${rule.order} ${start}`);
          if (value && !(rule.isRun && candidates.isInside(rule, start))) candidates.add({ ...value });
        };
        // In steps, as a text comes; what begins behind a step is not known in it.
        for (let place = step; place - step < textEnd; place += step) {
          for (const { rule, start } of found) if (start >= place - step && start < place) tryAt(rule, start);
          candidates.decide(
            () => place,
            (each) => reported.push(shown(each)),
            tryAt,
          );
        }
        candidates.decide(
          () => textEnd + 60,
          (each) => reported.push(shown(each)),
          tryAt,
        );
        expect(reported).toEqual(want);
      },
    ),
    { numRuns: 3000, examples: [[coveredOnlyInPart, [], 11]] },
  );
});

test('a loss that leads to the next, a thousand times', () => {
  const [, rule, , other] = rules;
  if (!rule || !other) throw new Error('there are four rules');
  const candidates = createCandidates();
  let tried = 0;
  const tryAt = (of: CompiledRule, start: number): void => {
    if (candidates.isInside(of, start)) return;
    tried++;
    candidates.add({ rule: of, start, end: start + 33, score: 0.5, strength: 0 });
  };
  candidates.add({ rule: other, start: 0, end: 4, score: 1, strength: 1 });
  // Each begins at a multiple of three; the first is lost to what stands at 0.
  for (let start = 3; start < 33_000; start += 3) tryAt(rule, start);
  const reported: number[] = [];
  candidates.decide(
    () => 40_000,
    ({ start }) => reported.push(start),
    tryAt,
  );
  expect(reported.slice(0, 4)).toEqual([0, 6, 39, 72]);
  expect(reported.length).toBe(1_001);
  // A good one in thirty-three, and once more because of the loss.
  expect(tried).toBeLessThan(2_100);
});
