import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDeadlines } from '../../../src/approval/redis-deadlines.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('each call has its own end, whoever else has begun or ended', () => {
  const late: string[] = [];
  const deadlines = createDeadlines(100);
  const first = deadlines.begin(() => late.push('first'));
  vi.advanceTimersByTime(40);
  const second = deadlines.begin(() => late.push('second'));
  vi.advanceTimersByTime(40);
  deadlines.begin(() => late.push('third'));
  expect(deadlines.end(second)).toBe(true);
  vi.advanceTimersByTime(19);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['first']);
  expect(deadlines.end(first)).toBe(false);
  vi.advanceTimersByTime(79);
  expect(late).toEqual(['first']);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['first', 'third']);
});

test('a call that begins when nothing is under way has its whole time', () => {
  const late: string[] = [];
  const deadlines = createDeadlines(100);
  expect(deadlines.end(deadlines.begin(() => late.push('ended')))).toBe(true);
  vi.advanceTimersByTime(60);
  deadlines.begin(() => late.push('next'));
  vi.advanceTimersByTime(99);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['next']);
  expect(vi.getTimerCount()).toBe(0);
});

test('what begins while another runs out is in time', () => {
  const late: string[] = [];
  const deadlines = createDeadlines(100);
  deadlines.begin(() => {
    late.push('first');
    deadlines.begin(() => late.push('second'));
  });
  vi.advanceTimersByTime(199);
  expect(late).toEqual(['first']);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['first', 'second']);
});
