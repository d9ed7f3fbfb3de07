import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anonymous } from '../../../src/identity/subject.ts';
import { createTokenCache } from '../../../src/identity/token-cache.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const always = { notBeforeMs: Number.NEGATIVE_INFINITY, expiresMs: Number.POSITIVE_INFINITY };

test('keeps the most recently used, and no more than it may', () => {
  const cache = createTokenCache({ clock: createManualClock() }, { ttlMs: 60_000, entriesMax: 2 });
  cache.put('one', { ...anonymous, id: '1' }, always);
  cache.put('two', { ...anonymous, id: '2' }, always);
  expect(cache.get('one')?.id).toBe('1');
  cache.put('three', { ...anonymous, id: '3' }, always);
  expect(['one', 'two', 'three'].map((token) => cache.get(token)?.id)).toEqual(['1', undefined, '3']);
});

test('can be switched off', () => {
  const cache = createTokenCache({ clock: createManualClock() }, { ttlMs: 60_000, entriesMax: 0 });
  cache.put('one', anonymous, always);
  expect(cache.get('one')).toBeNull();
});

test('however the clocks move, nothing is remembered outside of its validity or beyond the ttl', () => {
  const moves = fc.array(
    fc.record({ how: fc.constantFrom('advance', 'step'), ms: fc.integer({ min: -90_000, max: 90_000 }) }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 120_000 }), moves, (lifetimeMs, steps) => {
      const clock = createManualClock();
      const cache = createTokenCache({ clock }, { ttlMs: 60_000, entriesMax: 10 });
      const from = clock.nowMs();
      const until = from + lifetimeMs;
      cache.put('token', anonymous, { notBeforeMs: from, expiresMs: until });
      let age = 0;
      for (const { how, ms } of steps) {
        if (how === 'step') clock.step(ms);
        else {
          clock.advance(Math.abs(ms));
          age += Math.abs(ms);
        }
        const isValid = clock.nowMs() >= from && clock.nowMs() < until && age < 60_000;
        if (!isValid) expect(cache.get('token')).toBeNull();
      }
    }),
  );
});
