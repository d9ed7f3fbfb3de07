import { expect, test } from 'vitest';
import { type Analyse, createExternalRecogniser, withoutOverlaps } from '../../../src/detect/external-recogniser.ts';
import type { Finding } from '../../../src/detect/finding.ts';
import { limits } from '../../../src/lib/limits.ts';

const options = { entities: ['PERSON'], timeoutMs: 60_000, concurrency: 2, charactersMax: 1_000 };
const never = new AbortController().signal;

function person(start: number, end: number, score = 0.85): Finding {
  return { entity: 'PERSON', detector: 'presidio', start, end, score };
}

test('few calls at a time, and none for a text that was seen', async () => {
  const calls: string[] = [];
  let running = 0;
  let most = 0;
  const analyse: Analyse = async (text) => {
    calls.push(text);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return [person(0, text.length)];
  };
  const recogniser = createExternalRecogniser(analyse, options);
  const texts = ['a', 'bb', 'ccc', 'bb', 'dddd'];
  const found = { kind: 'found', findings: texts.map((text) => [person(0, text.length)]) };
  expect(await recogniser.recognise(texts, never)).toEqual(found);
  expect([calls, most]).toEqual([['a', 'bb', 'ccc', 'dddd'], 2]);
  expect(await recogniser.recognise(texts, never)).toEqual(found);
  expect(calls.length).toBe(4);
});

test('only the entities that were asked for', async () => {
  const recogniser = createExternalRecogniser(async () => [{ ...person(0, 1), entity: 'URL' }], options);
  expect(await recogniser.recognise(['x'], never)).toEqual({ kind: 'found', findings: [[]] });
});

test('a failure is a value, is not remembered, and ends the other calls', async () => {
  const signals: AbortSignal[] = [];
  let isBroken = true;
  const analyse: Analyse = (text, signal) => {
    signals.push(signal);
    if (!isBroken) return Promise.resolve([]);
    if (text === 'bad') return Promise.reject(new Error('status 503'));
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  };
  const recogniser = createExternalRecogniser(analyse, options);
  expect(await recogniser.recognise(['slow', 'bad', 'waits'], never)).toEqual({ kind: 'failed', reason: 'status 503' });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  isBroken = false;
  expect(await recogniser.recognise(['bad'], never)).toEqual({ kind: 'found', findings: [[]] });
});

test('the deadline counts the wait for a turn, and frees the turn', async () => {
  const analyse: Analyse = (text, signal) =>
    text === 'ok'
      ? Promise.resolve([])
      : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const recogniser = createExternalRecogniser(analyse, { ...options, timeoutMs: 20, concurrency: 1 });
  const late = { kind: 'failed', reason: 'no answer within 20 ms' };
  expect(await Promise.all([recogniser.recognise(['one'], never), recogniser.recognise(['two'], never)])).toEqual([
    late,
    late,
  ]);
  expect(await recogniser.recognise(['ok'], never)).toEqual({ kind: 'found', findings: [[]] });
});

test('a caller that goes away, too many characters, too many that wait', async () => {
  const hanging: Analyse = (_, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))));
  const recogniser = createExternalRecogniser(hanging, { ...options, concurrency: 1, charactersMax: 1_000_000 });
  const caller = new AbortController();
  const asked = recogniser.recognise(['one'], caller.signal);
  caller.abort();
  expect(await asked).toEqual({ kind: 'failed', reason: expect.any(String) });
  expect(await recogniser.recognise(['x'.repeat(1_000_001)], never)).toEqual({
    kind: 'too_much',
    reason: 'more than 1000000 characters',
  });
  const many = Array.from({ length: limits.recogniserWaitersMax + 2 }, (_, i) => `text ${i}`);
  expect(await recogniser.recognise(many, never)).toEqual({ kind: 'failed', reason: 'too many texts wait' });
});

test('of what overlaps the surer, then the longer counts', () => {
  const findings = [person(0, 4, 0.5), person(2, 6, 0.9), person(7, 9), person(7, 12), person(20, 21)];
  expect(withoutOverlaps(findings)).toEqual([person(2, 6, 0.9), person(7, 12), person(20, 21)]);
});
