import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { createSessionKeys, type EpochKey, type PlaceholderKey } from '../../../src/mask/session-keys.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const entities = new Set(['CREDIT_CARD', 'EMAIL_ADDRESS']);
const card = '4111 1111 1111 1111';
const start = Date.UTC(2026, 0, 5, 12);
const hour = 3_600_000;

function epoch(id: string, fromMs: number): EpochKey {
  return { id, secret: Buffer.alloc(32, id), fromMs };
}

function minterOf({ key, others }: PlaceholderKey, scope: string) {
  return createMinter({ key, otherKeys: others, scope, entities });
}

const old = epoch('old', start - hour);
const next = epoch('next', start + hour);

test('tenants have keys of their own, also when more came than are kept', () => {
  const keys = createSessionKeys({ clock: createManualClock(start), entities }, [old]);
  const hex = (tenant: string): string => Buffer.from(keys.of(tenant, 's', []).key).toString('hex');
  const [acme, evil] = [hex('acme'), hex('evil')];
  expect(acme).not.toBe(evil);
  for (let n = 0; n <= limits.maskingTenantsMax; n++) keys.all(`tenant ${n}`);
  expect([hex('acme'), hex('evil')]).toEqual([acme, evil]);
  // Another secret under the same name is another key.
  keys.replace([{ ...old, secret: Buffer.alloc(32, 'another') }]);
  expect(hex('acme')).not.toBe(acme);
});

describe('a session', () => {
  test('keeps the key that it began with; a session that begins after the new key’s time has the new one', () => {
    const clock = createManualClock(start);
    const keys = createSessionKeys({ clock, entities }, [old]);
    const before = keys.of('acme', 's1', []);
    keys.replace([old, next]);
    expect([keys.of('acme', 's2', []).id, keys.currentId()]).toEqual(['old', 'old']);
    clock.advance(2 * hour);
    expect([keys.of('acme', 's1', []).id, keys.of('acme', 's2', []).id]).toEqual(['old', 'old']);
    expect([keys.of('acme', 's3', []).id, keys.currentId()]).toEqual(['next', 'next']);
    expect(minterOf(keys.of('acme', 's1', []), 's1').token('CREDIT_CARD', card)).toBe(
      minterOf(before, 's1').token('CREDIT_CARD', card),
    );
  });

  test('keeps it in another replica as well, by a placeholder that it carries', () => {
    const clock = createManualClock(start + 2 * hour);
    const one = createSessionKeys({ clock, entities }, [old]);
    const token = minterOf(one.of('acme', 's1', []), 's1').token('CREDIT_CARD', card);
    const other = createSessionKeys({ clock, entities }, [next, old]);
    expect(other.of('acme', 's1', ['hello', `the card ${token}, you said`]).id).toBe('old');
    expect(other.of('acme', 's1', []).id).toBe('old');
    // Of another session, of another tenant, or with a character changed, it says nothing.
    const altered = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`;
    expect(other.of('acme', 's2', [token]).id).toBe('next');
    expect(other.of('evil', 's1b', [token]).id).toBe('next');
    expect(other.of('acme', 's1c', [altered]).id).toBe('next');
  });

  test('gets the key of the time when its own is gone, or when it was forgotten', () => {
    const clock = createManualClock(start);
    const keys = createSessionKeys({ clock, entities }, [old]);
    keys.of('acme', 'gone', []);
    keys.replace([next]);
    // Before its time, as there is no other.
    expect(keys.of('acme', 'gone', []).id).toBe('next');

    const many = createSessionKeys({ clock, entities }, [old, next]);
    many.of('acme', 'first', []);
    many.of('acme', 'kept', []);
    clock.advance(2 * hour);
    for (let i = 0; i < limits.maskingSessionsMax - 1; i++) {
      many.of('acme', `s${i}`, []);
      if (i === 0) many.of('acme', 'kept', []);
    }
    expect(many.of('acme', 'kept', []).id).toBe('old');
    expect(many.of('acme', 'first', []).id).toBe('next');
  });
});

test('what an earlier key wrote is known for ours: neither neutralised nor masked again', () => {
  const keys = createSessionKeys({ clock: createManualClock(start + 2 * hour), entities }, [old, next]);
  const before = createSessionKeys({ clock: createManualClock(start), entities }, [old]);
  const earlier = minterOf(before.of('acme', 's', []), 's');
  const minter = minterOf(keys.of('acme', 's', []), 's');
  for (const written of [earlier.token('CREDIT_CARD', card), earlier.hash('CREDIT_CARD', card)]) {
    expect(minter.neutralise(`see ${written}`)).toBe(`see ${written}`);
    expect(minter.covers(written, 0, written.length)).toBe(true);
  }
});

test('tenants have keys of their own', () => {
  const keys = createSessionKeys({ clock: createManualClock(start), entities }, [old]);
  const [acme, other] = ['acme', 'other'].map((tenant) => keys.of(tenant, `s-${tenant}`, []).key);
  expect(acme).not.toEqual(other);
  expect(keys.all('acme')).toEqual([acme]);
});
