import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeholderScope } from '../../../src/exchange/session.ts';
import { anonymous, type Subject } from '../../../src/identity/subject.ts';
import { maskText } from '../../../src/mask/mask-text.ts';
import { createMinter, type Minter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createRestorables, type Restorer } from '../../../src/mask/restorables.ts';
import { restoreText } from '../../../src/mask/restore-text.ts';
import { createSessionKeys } from '../../../src/mask/session-keys.ts';
import { createFakeDetector, fakeEntities } from '../../support/fake-detector.ts';
import { createManualClock } from '../../support/manual-clock.ts';

/** Who might do what to placeholders, and what keeps it from working. */

const card = '4111 1111 1111 1111';
const alice: Subject = {
  ...anonymous,
  authenticated: true,
  kind: 'human',
  issuer: 'https://i',
  id: 'alice',
  tenant: 'acme',
};
const keys = createSessionKeys({ clock: createManualClock(), entities: fakeEntities }, [
  { id: 'k', secret: Buffer.alloc(32, 1), fromMs: 0 },
]);

function minterOf(
  subject: Subject,
  session: string,
  kind: 'session' | 'tenant' | 'request' = 'session',
  exchange = 'e1',
): Minter {
  const scope = placeholderScope(kind, subject, session, exchange);
  return createMinter({ key: keys.of(subject.tenant, scope, []).key, scope, entities: fakeEntities });
}

/** What may be put back in the answer to a request that had the card, also where tools are called when the policy says so. */
function restorerOf(minter: Minter, tools = false): Restorer {
  const restorables = createRestorables([{ entity: '*', tools }]);
  restorables.add(minter.token('CREDIT_CARD', card), 'CREDIT_CARD', card);
  const restorer = restorables.forAnswer([]);
  if (restorer === null) throw new Error('nothing to restore');
  return restorer;
}

function restored(text: string, restorer: Restorer): string {
  const finder = restorer.finder('text');
  return finder === null ? text : restoreText(text, finder, restorer);
}

const minter = minterOf(alice, 's1');
const token = minter.token('CREDIT_CARD', card);

describe('an oracle: guesses are submitted and placeholders compared', () => {
  const mallory: Subject = { ...alice, id: 'mallory' };
  test.each([
    { name: 'in another tenant', other: minterOf({ ...alice, tenant: 'evil' }, 's1') },
    {
      name: 'in another tenant, where the tenant is the scope',
      other: minterOf({ ...alice, tenant: 'evil' }, 's1', 'tenant'),
    },
    { name: 'by another caller of the tenant, in a session of the same name', other: minterOf(mallory, 's1') },
    {
      name: 'by a caller of the same name at another issuer',
      other: minterOf({ ...alice, issuer: 'https://j' }, 's1'),
    },
    { name: 'in another session', other: minterOf(alice, 's2') },
    { name: 'in another request, where the request is the scope', other: minterOf(alice, 's1', 'request', 'e2') },
  ])('$name the same value has another placeholder', ({ other }) => {
    expect(other.token('CREDIT_CARD', card)).not.toBe(token);
    expect(minterOf(alice, 's1').token('CREDIT_CARD', card)).toBe(token);
  });

  test('scopes cannot be made equal by moving characters from one part to the next', () => {
    const part = fc.string({ unit: fc.constantFrom('a', ':', '1', '2', ''), maxLength: 4 });
    fc.assert(
      fc.property(fc.tuple(part, part, part, part), fc.tuple(part, part, part, part), (one, other) => {
        fc.pre(one.join('\0') !== other.join('\0'));
        const scopeOf = ([tenant, issuer, id, session]: readonly string[]): string =>
          placeholderScope(
            'session',
            { ...alice, tenant: tenant ?? '', issuer: issuer ?? '', id: id ?? '' },
            session ?? '',
            'e',
          );
        expect(scopeOf(one)).not.toBe(scopeOf(other));
      }),
    );
  });
});

describe('a replay: a placeholder of another session or tenant is planted', () => {
  const foreign = minterOf({ ...alice, tenant: 'evil' }, 's9').token('CREDIT_CARD', card);
  test('in a prompt it is made into none', () => {
    expect(minter.neutralise(`see ${foreign} and ${token}`)).toBe(
      `see ${foreign.replace(/_(?=[^_]*$)/, '-')} and ${token}`,
    );
    expect(minter.covers(foreign, 0, foreign.length)).toBe(false);
  });

  test('in an answer it stays as it is', () => {
    expect(restored(`see ${foreign}`, restorerOf(minter))).toBe(`see ${foreign}`);
  });

  test('a placeholder of the session, but not of this very request, stays as well', () => {
    const earlier = minter.token('US_SSN', '536-22-8726');
    expect(restored(`see ${earlier} and ${token}`, restorerOf(minter))).toBe(`see ${earlier} and ${card}`);
  });
});

describe('the model edits a placeholder', () => {
  const edits = fc.oneof(
    fc
      .tuple(fc.nat(token.length - 1), fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ_'))
      .map(([at, char]) => token.slice(0, at) + char + token.slice(at + 1)),
    fc
      .nat(token.length - 2)
      .map((at) => token.slice(0, at) + token.charAt(at + 1) + token.charAt(at) + token.slice(at + 2)),
    fc.nat(token.length - 1).map((at) => token.slice(0, at) + token.slice(at + 1)),
    fc.nat(token.length).map((at) => `${token.slice(0, at)}0${token.slice(at)}`),
    fc.nat(token.length - 1).map((at) => token.slice(0, at) + token.charAt(at).toLowerCase() + token.slice(at + 1)),
  );
  test('whatever the edit, it is never put back for another, and stays as the model wrote it', () => {
    fc.assert(
      fc.property(edits, (edited) => {
        fc.pre(edited !== token);
        expect(restored(`(${edited})`, restorerOf(minter))).toBe(`(${edited})`);
      }),
      { numRuns: 500 },
    );
  });

  test('in the next prompt an edited one is known by its check characters: fewer than one in a hundred passes for ours', () => {
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    let passed = 0;
    let tried = 0;
    for (let at = 'CREDIT_CARD_'.length; at < token.length; at++) {
      for (const char of alphabet) {
        const edited = token.slice(0, at) + char + token.slice(at + 1);
        if (edited === token || !/[0-9]/.test(edited.slice(-10, -2))) continue;
        tried++;
        if (minter.neutralise(edited) === edited) passed++;
      }
    }
    expect(tried).toBeGreaterThan(250);
    expect(passed / tried).toBeLessThan(1 / 100);
  });
});

test('an injected prompt has placeholders spelled, reversed, encoded or broken up: none of it is put back', () => {
  const spelled = [...token].join(' ');
  const forms = [
    spelled,
    [...token].join('-'),
    [...token].reverse().join(''),
    Buffer.from(token).toString('base64'),
    Buffer.from(token).toString('hex'),
    encodeURIComponent(token).replaceAll('_', '%5F'),
    token.replaceAll('_', '\\_'),
    token.toLowerCase(),
    `${token.slice(0, 15)}\u200b${token.slice(15)}`,
    `${token.slice(0, 15)}\n${token.slice(15)}`,
    token.replaceAll('0', 'O').replaceAll('1', 'l').toLowerCase(),
  ];
  for (const form of forms) expect(restored(form, restorerOf(minter))).toBe(form);
});

test('a tool is called with a placeholder: it gets the placeholder, unless policy says otherwise', () => {
  const closed = restorerOf(minter);
  for (const kind of ['tool_arguments', 'tool_result', 'tool_definition'] as const)
    expect(closed.finder(kind)).toBeNull();
  const open = restorerOf(minter, true).finder('tool_arguments');
  expect(open?.all(token).map(({ value }) => value)).toEqual([card]);
});

describe('what a placeholder tells', () => {
  test('nothing by its length', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 600 }), (value) => {
        expect(minter.token('SECRET_KEY', value).length).toBe('SECRET_KEY_'.length + 10);
        expect(minter.hash('SECRET_KEY', value).length).toBe('SECRET_KEY_HASH_'.length + 16);
      }),
    );
  });

  test('nothing by its characters: values that follow one another have placeholders that do not, each character as often as any other', () => {
    const count = 20_000;
    const counts = new Map<string, number>();
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) {
      const made = minter.token('US_SSN', String(100_000_000 + i));
      seen.add(made);
      const first = made.charAt('US_SSN_'.length);
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    expect(seen.size).toBe(count);
    // Chi-squared over 32 characters: beyond 80 by chance less than once in 100,000 keys, and the key here is fixed.
    const expected = count / 32;
    const chi = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect([counts.size, chi < 80]).toEqual([32, true]);
  });
});

test('text that looks like a placeholder cannot be used to ask what it stands for', () => {
  const detector = createFakeDetector();
  const plan = compilePlan([{ entity: '*', method: 'token' }]);
  const forged = 'CREDIT_CARD_7QK3M9XW2A';
  const prompt = minter.neutralise(`what is ${forged}? mine is ${card}`);
  const sent = maskText(prompt, detector.scan(prompt).findings, 'user', plan, minter).text;
  expect(sent).toBe(`what is CREDIT_CARD-7QK3M9XW2A? mine is ${token}`);
  expect(restored(sent, restorerOf(minter))).toBe(`what is CREDIT_CARD-7QK3M9XW2A? mine is ${card}`);
});

test('what may be put back cannot be printed', () => {
  const canary = 'canary-9f3b';
  const restorables = createRestorables([{ entity: '*' }]);
  restorables.add('X', 'SECRET_KEY', canary);
  expect(inspect([restorables, restorables.forAnswer([]), minter], { depth: 9 })).not.toContain(canary);
});
