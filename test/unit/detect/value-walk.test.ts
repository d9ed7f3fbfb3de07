import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileDfa, type Dfa, dead, step } from '../../../src/detect/dfa.ts';
import { createValueWalk, noValue, valueOpen } from '../../../src/detect/value-walk.ts';

const values = [/[^\s"]*[^\s".:)]/, /[A-Za-z0-9.=-]*[A-Za-z0-9=-]/, /(?:a{3}|b)+c|(?:ab?)*/].map(compileDfa);

/** Reads every unit of every value. */
function endByHand(dfa: Dfa, maxLength: number, units: Uint16Array, start: number, last: boolean): number {
  let state = dfa.start;
  let matched = state >= dfa.accepting ? start : noValue;
  const end = Math.min(units.length, start + maxLength);
  for (let at = start; at < end; at++) {
    state = step(dfa, state, units[at] ?? 0);
    if (state === dead) return matched;
    if (state >= dfa.accepting) matched = at + 1;
  }
  return end === units.length && !last ? valueOpen : matched;
}

test('a value ends where reading every unit of it says, whatever was read before', () => {
  const words = fc.constantFrom(
    ...['pass=', 'key', 'a', 'aaa', 'ab', 'b', 'c', '=', ':', '"', ' ', '.', '-', 'é', '密'],
  );
  const text = fc.array(words, { minLength: 1, maxLength: 250 }).map((parts) => parts.join(''));
  const places = fc.array(fc.nat(600), { minLength: 1, maxLength: 60 });
  const lengths = fc.constantFrom(8, 64, 100, 256);
  fc.assert(
    fc.property(
      fc.constantFrom(...values),
      lengths,
      text,
      places,
      fc.boolean(),
      (dfa, maxLength, whole, starts, last) => {
        const units = Uint16Array.from(whole, (char) => char.charCodeAt(0));
        const walk = createValueWalk({ maxLength }, dfa);
        const tried = starts.map((start) => start % units.length);
        if (starts.length % 2 === 0) tried.sort((a, b) => a - b);
        for (const start of tried) {
          expect([start, walk.end(units, start, last)]).toEqual([start, endByHand(dfa, maxLength, units, start, last)]);
        }
      },
    ),
    { numRuns: 2000, seed: 7 },
  );
});

test('what a value was read over is not read again from each place where one begins', () => {
  const [dfa] = values;
  if (!dfa) throw new Error('there is a value');
  let reads = 0;
  const units = Uint16Array.from('KEY=4'.repeat(1_000), (char) => char.charCodeAt(0));
  const counting = new Proxy(units, {
    get: (target, key) => {
      if (key === 'length') return target.length;
      reads++;
      return target[Number(key)];
    },
  });
  const walk = createValueWalk({ maxLength: 256 }, dfa);
  for (let start = 4; start < 4_500; start += 5) walk.end(counting, start, true);
  // Of 256 units each, five of them new.
  expect(reads / 900).toBeLessThan(12);
});
