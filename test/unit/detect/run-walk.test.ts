import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kindTable } from '../../../src/detect/compiled-rule.ts';
import { createRunWalk } from '../../../src/detect/run-walk.ts';

const letters = kindTable(/[a-z]/);

test('units are of a kind where looking at each of them says so, whatever was asked before', () => {
  const text = fc.array(fc.constantFrom('a', 'abc', 'x'.repeat(20), ' ', '1', 'é'), { minLength: 1, maxLength: 40 });
  const ranges = fc.array(fc.tuple(fc.nat(300), fc.nat(40)), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(text, ranges, fc.boolean(), (parts, asked, isSorted) => {
      const whole = parts.join('');
      const units = Uint16Array.from({ length: whole.length }, (_, at) => whole.charCodeAt(at));
      const walk = createRunWalk(letters);
      const pairs = asked.map(([from, length]) => [from, from + length] as const);
      if (isSorted) pairs.sort(([a], [b]) => a - b);
      for (const [from, to] of pairs) {
        const byHand = to < whole.length && /^[a-z]+$/.test(whole.slice(from, to + 1));
        expect([from, to, walk.covers(units, from, to)]).toEqual([from, to, byHand]);
      }
    }),
    { numRuns: 1_000, seed: 3 },
  );
});

test('a run is looked at once, not from each of the places that ask for its end', () => {
  let reads = 0;
  const units = new Proxy(new Uint16Array(4_000).fill(0x61), {
    get: (target, key) => {
      if (key !== 'length') reads++;
      return Reflect.get(target, key);
    },
  });
  const walk = createRunWalk(letters);
  for (let start = 0; start < 3_900; start += 5) walk.covers(units, start + 41, start + 69);
  expect(reads).toBeLessThan(4_000);
});
