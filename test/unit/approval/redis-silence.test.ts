import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchSilence } from '../../../src/approval/redis-silence.ts';

const limitMs = 100;
let connection: EventEmitter;
let givenUp: boolean[];
let silence: ReturnType<typeof watchSilence>;

beforeEach(() => {
  vi.useFakeTimers();
  connection = new EventEmitter();
  givenUp = [];
  const disconnect = (reconnect: boolean) => void givenUp.push(reconnect);
  silence = watchSilence(Object.assign(connection, { disconnect }), limitMs);
});
afterEach(() => {
  vi.useRealTimers();
});

function ready(): void {
  connection.emit('connect');
  connection.emit('ready');
}

test('a peer that has answered nothing for twice the limit is given up, once', () => {
  ready();
  const mark = silence.mark();
  vi.advanceTimersByTime(limitMs);
  silence.late(mark);
  silence.late(mark);
  vi.advanceTimersByTime(limitMs - 1);
  expect(givenUp).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(givenUp).toEqual([true]);
});

test('one that answers anything is not', () => {
  ready();
  const early = silence.mark();
  silence.heard();
  silence.late(early);
  const later = silence.mark();
  silence.late(later);
  silence.heard();
  vi.advanceTimersByTime(10 * limitMs);
  expect(givenUp).toEqual([]);
});

test('a call of the connection before says nothing about the next', () => {
  ready();
  const mark = silence.mark();
  connection.emit('close');
  ready();
  silence.late(mark);
  vi.advanceTimersByTime(10 * limitMs);
  expect(givenUp).toEqual([]);
});

test('a suspicion ends with its connection, and a new one may arise', () => {
  ready();
  silence.late(silence.mark());
  connection.emit('close');
  vi.advanceTimersByTime(10 * limitMs);
  expect(givenUp).toEqual([]);
  ready();
  silence.late(silence.mark());
  vi.advanceTimersByTime(limitMs);
  expect(givenUp).toEqual([true]);
});

test('a peer that takes the connection and says nothing at all is given up as well', () => {
  connection.emit('connect');
  vi.advanceTimersByTime(limitMs);
  expect(givenUp).toEqual([true]);
  connection.emit('close');
  ready();
  vi.advanceTimersByTime(10 * limitMs);
  expect(givenUp).toEqual([true]);
});

test('nothing is given up, and so made anew, after the end', () => {
  connection.emit('connect');
  silence.close();
  ready();
  silence.late(silence.mark());
  silence.close();
  vi.advanceTimersByTime(10 * limitMs);
  expect(givenUp).toEqual([]);
});
