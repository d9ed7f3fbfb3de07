import { expect, test } from 'vitest';
import { atOnce, inSlices, type Sliced } from '../../../src/lib/slices.ts';

function* counting(steps: number, seen: string[]): Sliced<number> {
  for (let step = 1; step <= steps; step++) {
    seen.push(`step ${step}`);
    yield;
  }
  return steps;
}

test('at once: all steps, now', () => {
  const seen: string[] = [];
  expect(atOnce(counting(3, seen))).toBe(3);
  expect(seen).toEqual(['step 1', 'step 2', 'step 3']);
});

test('in slices: others have a turn between two steps', async () => {
  const seen: string[] = [];
  const work = inSlices(counting(2, seen));
  setImmediate(() => seen.push('another'));
  expect(await work).toBe(2);
  expect(seen).toEqual(['step 1', 'step 2', 'another']);
});

test('what has one step needs no promise', () => {
  expect(inSlices(counting(0, []))).toBe(0);
});

test('a throw in a later step is a rejection', async () => {
  function* failing(): Sliced<void> {
    yield;
    throw new Error('late');
  }
  await expect(inSlices(failing())).rejects.toThrow('late');
});
