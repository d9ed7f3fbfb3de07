import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileContext, createContextWalk } from '../../../src/detect/context.ts';
import { contextCharsMax } from '../../../src/detect/rule.ts';

const words = ['card', 'call me', 'pan', 'tel', '#id', 'é', '電話'];
const wordsMax = 6;

/** The characters before a match, six words of them at most. */
function nearBefore(text: string, start: number): number {
  let from = Math.max(0, start - contextCharsMax);
  const ends = [...text.slice(0, start + 1).matchAll(/\S(?=\s)/g)].map(({ index }) => index + 1);
  const seventh = ends.filter((end) => end <= start).at(-1 - wordsMax);
  if (seventh !== undefined) from = Math.max(from, seventh);
  return from;
}

/** Whether one of the words stands there whole: `cardNumber` has one, `discard` has none. */
function standsByHand(text: string, start: number): boolean {
  const isInside = (at: number): boolean => {
    const [before = '', after = ''] = [text.charAt(at - 1), text.charAt(at)];
    return /[A-Za-z]/.test(before) && /[A-Za-z]/.test(after) && !(/[a-z]/.test(before) && /[A-Z]/.test(after));
  };
  for (let at = nearBefore(text, start); at < start; at++) {
    for (const word of words) {
      const end = at + word.length;
      const isThere = end <= start && text.slice(at, end).toLowerCase() === word;
      if (isThere && !isInside(at) && !isInside(end)) return true;
    }
  }
  return false;
}

test('a word stands near a place where reading everything before it says so, whatever was asked before', () => {
  const part = fc.constantFrom(
    ...[...words, 'Card', 'CARD', 'discard', 'cardNumber', 'call', 'me', '12', '4111', 'x'.repeat(70)],
    ...[' ', '  ', '\n', '-', '.', '_', '12/ ', ') (', 'a b '],
  );
  const text = fc.array(part, { minLength: 1, maxLength: 60 }).map((parts) => parts.join(''));
  const places = fc.array(fc.nat(600), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(text, places, fc.boolean(), (whole, starts, isSorted) => {
      const units = Uint16Array.from({ length: whole.length }, (_, at) => whole.charCodeAt(at));
      const walk = createContextWalk(compileContext(words));
      const asked = starts.map((start) => start % units.length);
      if (isSorted) asked.sort((a, b) => a - b);
      for (const start of asked)
        expect([start, walk.stands(units, start)]).toEqual([start, standsByHand(whole, start)]);
    }),
    { numRuns: 2_000, seed: 5 },
  );
});

test('what was read for one place is not read again for the next', () => {
  let reads = 0;
  const units = new Proxy(
    Uint16Array.from('12/ '.repeat(1_000), (char) => char.charCodeAt(0)),
    {
      get: (target, key) => {
        reads++;
        return target[Number(key)];
      },
    },
  );
  const walk = createContextWalk(compileContext(words));
  for (let start = 0; start < 4_000; start += 4) walk.stands(units, start);
  expect(reads / 4_000).toBeLessThan(2);
});
