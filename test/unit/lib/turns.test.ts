import { expect, test } from 'vitest';
import { Fault } from '../../../src/lib/fault.ts';
import { createTurns } from '../../../src/lib/turns.ts';

test('one at a time, in the order of the calls, whatever becomes of those before', async () => {
  const turns = createTurns(null);
  const seen: string[] = [];
  const turn = (name: string, fails: boolean) =>
    turns(async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const outcomes = await Promise.allSettled([turn('a', false), turn('b', true), turn('c', false)]);
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  expect(outcomes).toEqual([
    { status: 'fulfilled', value: 'a' },
    { status: 'rejected', reason: new Error('b') },
    { status: 'fulfilled', value: 'c' },
  ]);
});

test('a throw before the first await is the same as a rejection', async () => {
  const turns = createTurns(null);
  await expect(
    turns(() => {
      throw new Error('at once');
    }),
  ).rejects.toThrow('at once');
  expect(await turns(async () => 'next')).toBe('next');
});

test('more than its bound at a time overflow, and those that are done make room', async () => {
  const turns = createTurns({ waitingMax: 2, overflow: () => new Fault('internal', 'too many') });
  const [one, two] = [turns(async () => 1), turns(() => Promise.reject(new Error('two')))];
  await expect(turns(async () => 3)).rejects.toThrow('too many');
  expect(await one).toBe(1);
  await expect(two).rejects.toThrow('two');
  expect(await turns(async () => 4)).toBe(4);
});
