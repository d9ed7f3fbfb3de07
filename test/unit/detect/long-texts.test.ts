import { expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';

const detector = createDetector({ tier: 'core' });
const card = '4111 1111 1111 1111';
/** Longer than the pieces that a long text is read in. */
const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJ${'zdWIiOiIxMjM0'.repeat(12_000)}.${'SflKxwRJSM'.repeat(5)}`;

/** Words up to a length, with a space behind them. */
function words(length: number): string {
  return `${'and so on '.repeat(Math.ceil(length / 10)).slice(0, length - 1)} `;
}

test.each([
  { name: 'a value wherever the pieces of a long text meet', value: card, detectorId: 'credit-card' },
  { name: 'a token that is longer than a piece is one finding', value: jwt, detectorId: 'jwt' },
])('$name', ({ value, detectorId }) => {
  for (let start = 65_536 - card.length - 1; start <= 65_537; start += 3) {
    const { findings } = detector.scan(`${words(start)}${value} ${words(100)}`);
    expect(findings).toEqual([expect.objectContaining({ detector: detectorId, start, end: start + value.length })]);
  }
});

test('what a text leaves behind is not found in the next', () => {
  expect(detector.scan('4111 1111').findings).toEqual([]);
  expect(detector.scan(' 1111 1111').findings).toEqual([]);
  expect(detector.scan(card).findings).toHaveLength(1);
  expect(detector.scan(card).findings).toHaveLength(1);
});
