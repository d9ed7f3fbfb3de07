import { expect, test } from 'vitest';
import { createRateLimiter } from '../../../src/lib/rate-limiter.ts';
import { handClock } from '../../support/approvals.ts';

test('a burst at once, then so many a second, and no more saved up than a burst', () => {
  const clock = handClock();
  const rates = createRateLimiter(clock, { perSecond: 10, burst: 3 }, 10);
  expect([1, 1, 1, 1].map((calls) => rates.take('ada', calls))).toEqual([null, null, null, 100]);
  clock.move(99);
  expect(rates.take('ada', 1)).toBe(1);
  clock.move(1);
  expect([rates.take('ada', 1), rates.take('ada', 1)]).toEqual([null, 100]);
  clock.move(60_000);
  expect([1, 1, 1, 1].map((calls) => rates.take('ada', calls))).toEqual([null, null, null, 100]);
  expect(rates.take('bob', 1)).toBeNull();
});

test('a batch takes its weight, at most a whole burst', () => {
  const clock = handClock();
  const rates = createRateLimiter(clock, { perSecond: 10, burst: 20 }, 10);
  expect(rates.take('ada', 15)).toBeNull();
  expect(rates.take('ada', 15)).toBe(1_000);
  clock.move(1_500);
  expect(rates.take('ada', 100)).toBeNull();
  expect(rates.take('ada', 1)).toBe(100);
});

test('callers that were silent longest are forgotten, and begin anew', () => {
  const rates = createRateLimiter(handClock(), { perSecond: 1, burst: 1 }, 100);
  for (let caller = 0; caller < 100; caller += 1) rates.take(`caller-${caller}`, 1);
  expect(rates.take('caller-0', 1)).toBe(1_000);
  rates.take('one more', 1);
  expect(rates.take('caller-0', 1)).toBe(1_000);
  expect(rates.take('caller-1', 1)).toBeNull();
});
