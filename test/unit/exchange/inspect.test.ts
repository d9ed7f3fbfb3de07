import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { inspect } from '../../../src/exchange/inspect.ts';
import type { Segment } from '../../../src/llm/conversation.ts';

const detector = createDetector({ tier: 'core' });

function segment(text: string): Segment {
  return { pointer: '/x', role: 'user', kind: 'text', text };
}

test('ordinary bodies are scanned at once, without a promise', () => {
  const scans = inspect(detector, [segment('card 4111 1111 1111 1111'), segment('')]);
  expect(scans).toMatchObject([{ findings: [{ entity: 'CREDIT_CARD', start: 5, end: 24 }] }, { findings: [] }]);
});

test('a long text, scanned in turns, has the findings of a whole scan', async () => {
  const filler = fc
    .integer({ min: 16_300, max: 33_000 })
    .map((length) => 'lorem ipsum '.repeat(3_000).slice(0, length));
  await fc.assert(
    fc.asyncProperty(filler, filler, async (before, after) => {
      const text = `${before} 4111 1111 1111 1111 ${after} jane.doe@example.com`;
      const [scan] = await inspect(detector, [segment(text)]);
      expect(scan).toEqual(detector.scan(text));
      expect(scan?.findings.map((finding) => finding.entity)).toEqual(['CREDIT_CARD', 'EMAIL_ADDRESS']);
    }),
    { numRuns: 5 },
  );
});

test.each([
  { name: 'many long texts', large: Array.from({ length: 40 }, () => segment('word '.repeat(40_000))) },
  { name: 'very many short ones', large: Array.from({ length: 10_000 }, () => segment('word')) },
])('other work gets its turn while $name are scanned', async ({ large }) => {
  let turns = 0;
  let isDone = false;
  const tick = (): void => {
    turns++;
    if (!isDone) setImmediate(tick);
  };
  setImmediate(tick);
  await inspect(detector, large);
  isDone = true;
  expect(turns).toBeGreaterThan(40);
});
