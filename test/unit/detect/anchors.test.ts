import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildAnchors } from '../../../src/detect/anchors.ts';

const anchors = ['abc', 'bc', 'c1', 'b1c', 'ab-', '-', 'ä', '--a'];

function hits(text: string): string[] {
  const { next, shift, symbol, start, hit, hitFrom, hitOwner, hitLength } = buildAnchors(
    anchors.map((anchor, owner) => ({ owner, anchor })),
  );
  const out: string[] = [];
  let state = start;
  for (let at = 0; at < text.length; at++) {
    state = next[(state << shift) + (symbol[text.charCodeAt(at)] ?? 0)] ?? 0;
    if (state < hit) continue;
    for (let i = hitFrom[state - hit] ?? 0; i < (hitFrom[state - hit + 1] ?? 0); i++) {
      out.push(`${at + 1 - (hitLength[i] ?? 0)} ${hitOwner[i]}`);
    }
  }
  return out.sort();
}

function hitsByHand(text: string): string[] {
  const lower = text.toLowerCase();
  return anchors
    .flatMap((anchor, owner) => [...lower].flatMap((_, at) => (lower.startsWith(anchor, at) ? [`${at} ${owner}`] : [])))
    .sort();
}

test('every anchor is found, once', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', 'B', 'C', '1', '2', '-', 'ä', 'x'), { maxLength: 24 });
  fc.assert(
    fc.property(text, (units) => {
      expect(hits(units.join(''))).toEqual(hitsByHand(units.join('')));
    }),
    { numRuns: 1000, seed: 5 },
  );
});

test('the depth tells how much of an anchor the text ends with', () => {
  const { next, shift, symbol, start, depth } = buildAnchors([{ owner: 0, anchor: 'token' }]);
  const depths = [...'a token to'].map(
    ((state) => (char: string) => {
      state = next[(state << shift) + (symbol[char.charCodeAt(0)] ?? 0)] ?? 0;
      return depth[state];
    })(start),
  );
  expect(depths).toEqual([0, 0, 1, 2, 3, 4, 5, 0, 1, 2]);
});
