import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Allowed, allowedHash, createAllowList } from '../../../src/detect/allow-list.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import { admitDictionary, type Dictionary } from '../../../src/detect/dictionary.ts';
import { compileProgram, type Program } from '../../../src/detect/program.ts';
import { createSession } from '../../../src/detect/session.ts';
import { projectNames } from '../../support/custom-patterns.ts';

function dictionary(words: readonly string[], more: Partial<Dictionary> = {}): Dictionary {
  return { id: 'projects', entity: 'PROJECT_NAME', words, score: 0.9, caseSensitive: false, ...more };
}

function programOf(words: readonly string[], more: Partial<Dictionary> = {}): Program {
  const admitted = admitDictionary(dictionary(words, more));
  if (!admitted.ok) throw new Error(JSON.stringify(admitted.error));
  return compileProgram([], { lists: [admitted.value] });
}

function found(program: Program, text: string): string[] {
  return createSession(program)
    .feed(text, true)
    .findings.map(({ start, end }) => text.slice(start, end));
}

describe('a list of words', () => {
  const program = programOf(['Orion', 'Blue Harbour', 'Blue Harbour Two', 'R2-D2', '猎户座', 'Zürich West']);

  test.each([
    { text: 'Is Orion late? ORION is.', want: ['Orion', 'ORION'] },
    { text: 'Orionid and xOrion and Orion_2 are none', want: [] },
    { text: 'blue harbour, Blue\n  Harbour', want: ['blue harbour', 'Blue\n  Harbour'] },
    { text: 'blue harbour two and blue harbours', want: ['blue harbour two'] },
    { text: 'ask r2-d2.', want: ['r2-d2'] },
    { text: '我们的猎户座项目', want: ['猎户座'] },
    { text: 'in ZÜRICH WEST', want: ['ZÜRICH WEST'] },
    { text: 'Ｏｒｉｏｎ and Or\u200bion', want: ['Ｏｒｉｏｎ', 'Or\u200bion'] },
    { text: 'orion', want: ['orion'] },
    { text: 'blue harbor', want: [] },
  ])('$text', ({ text, want }) => {
    expect(found(program, text)).toEqual(want);
  });

  test('heeds case where it is told to', () => {
    expect(found(programOf(['Orion'], { caseSensitive: true }), 'Orion orion ORION')).toEqual(['Orion']);
  });

  test.each([
    { word: 'x', problem: 'is shorter than two characters' },
    { word: '#tag', problem: 'does not begin and end with a letter or a digit' },
    { word: 'y'.repeat(200), problem: 'is longer than 128 characters' },
  ])('refuses $word', ({ word, problem }) => {
    const result = admitDictionary(dictionary(['fine', word]));
    expect(result.ok ? [] : result.error).toEqual([{ id: 'projects', problem, index: 1 }]);
  });

  test('ten thousand names, each found, whole and in pieces', () => {
    const names = projectNames(10_000);
    const large = programOf(names);
    fc.assert(
      fc.property(
        fc.array(fc.nat(names.length - 1), { maxLength: 6 }),
        fc.array(fc.nat(200), { maxLength: 10 }),
        (picks, places) => {
          const text = picks.map((pick) => `we met about ${names[pick]?.toUpperCase()}, then`).join(' and ');
          const whole = createSession(large).feed(text, true).findings;
          expect(whole.length).toBe(picks.length);
          const session = createSession(large);
          const cuts = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
          const pieces = [...cuts, text.length].map((cut, i) => text.slice(cuts[i - 1] ?? 0, cut));
          const piecewise = pieces.flatMap((piece) => session.feed(piece, false).findings);
          expect([...piecewise, ...session.feed('', true).findings]).toEqual(whole);
        },
      ),
      { numRuns: 60, seed: 3 },
    );
  });
});

describe('what is allowed', () => {
  const nothing: Allowed = { values: [], patterns: [], hashes: [], key: null };
  const text = 'cards 4111 1111 1111 1111 and 5555-5555-5555-4444, mail jane@example.com, joe@example.org';

  function kept(allowed: Partial<Allowed>): string[] {
    const source = { ...nothing, ...allowed };
    const list = createAllowList(source);
    if (!list.ok) throw new Error(JSON.stringify(list.error));
    const detector = createDetector({ tier: 'core', allow: { source, list: list.value } });
    return detector.scan(text).findings.map(({ start, end }) => text.slice(start, end));
  }

  const all = ['4111 1111 1111 1111', '5555-5555-5555-4444', 'jane@example.com', 'joe@example.org'];

  test.each([
    { name: 'nothing', allowed: {}, want: all },
    { name: 'a value', allowed: { values: ['jane@example.com'] }, want: [all[0], all[1], all[3]] },
    { name: 'a pattern', allowed: { patterns: ['[a-z]+@example\\.(?:com|org)'] }, want: [all[0], all[1]] },
    { name: 'a pattern of a part only', allowed: { patterns: ['[a-z]+@example'] }, want: all },
    { name: 'a hash', allowed: { hashes: [allowedHash('4111111111111111', null)] }, want: all.slice(1) },
    {
      name: 'a hash with a key',
      allowed: { hashes: [allowedHash('5555555555554444', 'k')], key: 'k' },
      want: [all[0], all[2], all[3]],
    },
    {
      name: 'a hash with another key',
      allowed: { hashes: [allowedHash('5555555555554444', 'k')], key: 'l' },
      want: all,
    },
  ])('$name', ({ allowed, want }) => {
    expect(kept(allowed)).toEqual(want);
  });

  test('the hash is what a shell makes of the plain value', () => {
    // printf %s 4111111111111111 | openssl dgst -sha256
    expect(allowedHash('4111-1111 1111-1111', null)).toBe(
      '9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e',
    );
  });

  test('a bad pattern is named by its place', () => {
    const list = createAllowList({ ...nothing, patterns: ['a', '('] });
    expect(list.ok ? [] : list.error.map(({ part }) => part)).toEqual([[1]]);
  });

  test('lists and what is allowed are part of the revision', () => {
    const admitted = admitDictionary(dictionary(['Orion']));
    const list = createAllowList({ ...nothing, values: ['x'] });
    if (!admitted.ok || !list.ok) throw new Error('these are fine');
    const revisions = [
      createDetector({ tier: 'core' }),
      createDetector({ tier: 'core', dictionaries: [{ source: dictionary(['Orion']), list: admitted.value }] }),
      createDetector({ tier: 'core', allow: { source: { ...nothing, values: ['x'] }, list: list.value } }),
    ].map(({ revision }) => revision);
    expect(new Set(revisions).size).toBe(3);
  });
});
