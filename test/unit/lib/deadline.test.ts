import { expect, test, vi } from 'vitest';
import { createDeadline } from '../../../src/lib/deadline.ts';

test('ends when the time is over, with the reason that timeouts have', () => {
  vi.useFakeTimers();
  try {
    const deadline = createDeadline(new AbortController().signal, 50);
    vi.advanceTimersByTime(49);
    expect(deadline.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(deadline.signal.reason).toMatchObject({ name: 'TimeoutError' });
  } finally {
    vi.useRealTimers();
  }
});

test('ends with its caller, also with one that has ended already', () => {
  const caller = new AbortController();
  const early = createDeadline(caller.signal, 60_000);
  caller.abort('gone');
  const late = createDeadline(caller.signal, 60_000);
  expect([early.signal.reason, late.signal.reason]).toEqual(['gone', 'gone']);
  early.clear();
  late.clear();
});

test('cleared, it follows nobody', () => {
  const caller = new AbortController();
  const deadline = createDeadline(caller.signal, 60_000);
  deadline.clear();
  caller.abort('gone');
  expect(deadline.signal.aborted).toBe(false);
});
