import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileDfa, type Dfa, dead, step } from '../../../src/detect/dfa.ts';
import { createLeadWalk, leadOpen, noLead } from '../../../src/detect/lead-walk.ts';
import { contextCharsMax } from '../../../src/detect/rule.ts';

const leads = [/[a-z][\w .-]*=/, /(?:pass|key)[\w.-]*(?:[=:]|->)[ \t]*"?/i, /a+b|a*c{2}/].map(compileDfa);

/** Reads every unit of every lead. */
function endByHand(dfa: Dfa, units: Uint16Array, start: number): number {
  let state = dfa.start;
  let matched = noLead;
  for (let at = start; at < start + contextCharsMax; at++) {
    if (at >= units.length) return leadOpen;
    state = step(dfa, state, units[at] ?? 0);
    if (state === dead) return matched;
    if (state >= dfa.accepting) matched = at + 1;
  }
  return start + contextCharsMax >= units.length ? leadOpen : matched;
}

test('a lead ends where reading every unit of it says, whatever was read before', () => {
  const words = fc.constantFrom(...['pass', 'key', 'a', 'aa', 'b', 'cc', '=', ':', '->', '"', ' ', '.', '-', '!', 'é']);
  const text = fc.array(words, { minLength: 1, maxLength: 120 }).map((parts) => parts.join(''));
  const places = fc.array(fc.nat(400), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(fc.constantFrom(...leads), text, places, fc.boolean(), (dfa, whole, starts, isSorted) => {
      const units = Uint16Array.from(whole, (char) => char.charCodeAt(0));
      const walk = createLeadWalk(dfa);
      const tried = starts.map((start) => start % units.length);
      if (isSorted) tried.sort((a, b) => a - b);
      for (const start of tried) expect([start, walk.end(units, start)]).toEqual([start, endByHand(dfa, units, start)]);
    }),
    { numRuns: 2000, seed: 11 },
  );
});

test('what a lead was read over is not read again from each of its anchors', () => {
  const [dfa] = leads;
  if (!dfa) throw new Error('there is a lead');
  let reads = 0;
  const units = Uint16Array.from('cf_'.repeat(1_000), (char) => char.charCodeAt(0));
  const counting = new Proxy(units, {
    get: (target, key) => {
      if (key === 'length') return target.length;
      reads++;
      return target[Number(key)];
    },
  });
  const walk = createLeadWalk(dfa);
  for (let start = 0; start < 2_700; start += 3) walk.end(counting, start);
  expect(reads / 2_700).toBeLessThan(5);
});
