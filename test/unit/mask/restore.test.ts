import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { limits } from '../../../src/lib/limits.ts';
import { maskText } from '../../../src/mask/mask-text.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type Redaction } from '../../../src/mask/plan.ts';
import { createRestorables, type Restoration, type Restorer } from '../../../src/mask/restorables.ts';
import { createJsonStreamRestorer, createTextStreamRestorer, restoreText } from '../../../src/mask/restore-text.ts';
import type { StreamMasker } from '../../../src/mask/stream-masker.ts';
import { cut, pieceSizes } from '../../support/sensitive-texts.ts';

const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(['CREDIT_CARD', 'EMAIL_ADDRESS', 'SECRET_PASSWORD']),
});
const values = [
  { entity: 'CREDIT_CARD', value: '4111 1111 1111 1111' },
  { entity: 'EMAIL_ADDRESS', value: 'jane@example.com' },
  { entity: 'SECRET_PASSWORD', value: 'a"b\\c\nd' },
].map((known) => ({ ...known, placeholder: minter.token(known.entity, known.value) }));
const [card, email, password] = values.map(({ placeholder }) => placeholder) as [string, string, string];

function restorerOf(restorations: readonly Restoration[], redactions: readonly Redaction[] = []): Restorer | null {
  const restorables = createRestorables(restorations);
  for (const { placeholder, entity, value } of values) restorables.add(placeholder, entity, value);
  return restorables.forAnswer(redactions);
}

function everything(): { restorer: Restorer; finder: NonNullable<ReturnType<Restorer['finder']>> } {
  const restorer = restorerOf([{ entity: '*', tools: true }]);
  const finder = restorer?.finder('text') ?? null;
  if (restorer === null || finder === null) throw new Error('nothing to restore');
  return { restorer, finder };
}

/** The whole as an ordinary regular expression would replace it. */
function reference(text: string): string {
  const known = new Map(values.map(({ placeholder, value }) => [placeholder, value]));
  return text.replace(/(?<![0-9A-Za-z_])[A-Z][A-Z0-9_]*(?![0-9A-Za-z_])/g, (word) => known.get(word) ?? word);
}

describe('one text', () => {
  const altered = `${card.slice(0, -1)}${card.endsWith('0') ? '1' : '0'}`;
  const foreign = createMinter({ key: Buffer.alloc(32, 1), scope: 'other', entities: new Set() }).token(
    'CREDIT_CARD',
    '4111 1111 1111 1111',
  );
  test.each([
    { name: 'a placeholder', text: `pay with ${card}.`, want: 'pay with 4111 1111 1111 1111.' },
    { name: 'several, in other words', text: `卡${card}和${email}`, want: '卡4111 1111 1111 1111和jane@example.com' },
    { name: 'nothing', text: 'CREDIT_CARD', want: 'CREDIT_CARD' },
    { name: 'check characters that do not fit', text: altered, want: altered },
    { name: 'of another scope', text: foreign, want: foreign },
    { name: 'in lower case', text: card.toLowerCase(), want: card.toLowerCase() },
    { name: 'part of a longer word', text: `${card}A X${card} ${card}_B`, want: `${card}A X${card} ${card}_B` },
    { name: 'cut off', text: card.slice(0, -1), want: card.slice(0, -1) },
  ])('$name', ({ text, want }) => {
    const { restorer, finder } = everything();
    expect(restoreText(text, finder, restorer)).toBe(want);
    expect(reference(text)).toBe(want);
  });

  test('what is put back is counted', () => {
    const { restorer, finder } = everything();
    restoreText(`${email} ${card} ${email}`, finder, restorer);
    expect(restorer.counts()).toEqual([
      { entity: 'EMAIL_ADDRESS', count: 2 },
      { entity: 'CREDIT_CARD', count: 1 },
    ]);
  });
});

const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom(card, email, password, 'CREDIT_CARD_', 'E', ' ', '_', '"', '{', ':', 'C', 'word', '🚀'),
      fc.constantFrom(card, email).chain((token) => fc.nat(token.length).map((length) => token.slice(0, length))),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

function streamed(masker: StreamMasker, text: string, sizes: readonly number[]): string {
  let out = '';
  let taken = 0;
  const take = (): void => {
    const to = masker.decided();
    out += masker.take(to) ?? text.slice(taken, to);
    taken = to;
  };
  for (const piece of cut(text, sizes)) {
    masker.push(piece);
    take();
    expect(masker.length() - masker.decided()).toBeLessThanOrEqual(6 * (card.length + 1));
  }
  masker.close();
  take();
  expect(taken).toBe(text.length);
  return out;
}

describe('a running text', () => {
  test('is restored in pieces as an ordinary replacement restores the whole', () => {
    fc.assert(
      fc.property(texts, pieceSizes, (text, sizes) => {
        const { restorer, finder } = everything();
        expect(restoreText(text, finder, restorer)).toBe(reference(text));
        expect(streamed(createTextStreamRestorer(finder, restorer), text, sizes)).toBe(reference(text));
      }),
    );
  });

  test('of two that begin alike the longer is meant', () => {
    const restorables = createRestorables([{ entity: '*' }]);
    for (const [written, value] of [
      ['192.0.2.1', '10.0.0.1'],
      ['192.0.2.1 (a)', '10.0.0.2'],
      ['192.0.2.10', '10.0.0.3'],
    ] as const) {
      restorables.add(written, 'IP_ADDRESS', value);
    }
    const restorer = restorables.forAnswer([]);
    const finder = restorer?.finder('text');
    if (!restorer || !finder) throw new Error('nothing to restore');
    const text = '192.0.2.1, 192.0.2.10: 192.0.2.1 (a) 192.0.2.1 (b) 192.0.2.1';
    const want = '10.0.0.1, 10.0.0.3: 10.0.0.2 10.0.0.1 (b) 10.0.0.1';
    expect(restoreText(text, finder, restorer)).toBe(want);
    for (let size = 1; size < 14; size++) {
      expect(streamed(createTextStreamRestorer(finder, restorer), text, [size])).toBe(want);
    }
  });

  test('of JSON is restored inside of its strings, and stays JSON', () => {
    const withoutPassword = texts.map((text) => text.replaceAll(password, email));
    const documents = fc.oneof(
      fc.dictionary(fc.string(), withoutPassword, { maxKeys: 4 }),
      fc.array(fc.oneof(withoutPassword, fc.integer(), fc.constant(null)), { maxLength: 4 }),
    );
    fc.assert(
      fc.property(documents, pieceSizes, (document, sizes) => {
        const { restorer, finder } = everything();
        const out = streamed(createJsonStreamRestorer(finder, restorer), JSON.stringify(document), sizes);
        expect(JSON.parse(out)).toEqual(restoredLeaves(document));
      }),
    );
  });

  test('in JSON inside of a JSON string what would have to be escaped twice stays a placeholder', () => {
    const inner = JSON.stringify({ password, card });
    const text = JSON.stringify({ password, inner });
    const want = JSON.stringify({ password: 'a"b\\c\nd', inner: inner.replace(card, '4111 1111 1111 1111') });
    for (let size = 1; size < 20; size++) {
      const { restorer, finder } = everything();
      expect(streamed(createJsonStreamRestorer(finder, restorer), text, [size])).toBe(want);
    }
  });

  test('outside of strings nothing is put back', () => {
    const { restorer, finder } = everything();
    const text = `[${card}, "${card}"]`;
    const out = streamed(createJsonStreamRestorer(finder, restorer), text, [3]);
    expect(out).toBe(`[${card}, "4111 1111 1111 1111"]`);
  });
});

function restoredLeaves(value: unknown): unknown {
  if (typeof value === 'string') return reference(value);
  if (Array.isArray(value)) return value.map(restoredLeaves);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [reference(key), restoredLeaves(member)]));
}

describe('what may be put back', () => {
  const label = (entity: string): Redaction => ({ entity, method: 'label' });
  test.each<{ name: string; restore: Restoration[]; redact: Redaction[]; want: string[] }>([
    { name: 'nothing', restore: [], redact: [], want: [] },
    { name: 'what is named', restore: [{ entity: 'EMAIL_*' }], redact: [], want: ['EMAIL_ADDRESS'] },
    {
      name: 'what is named, although the model may not say it by itself',
      restore: [{ entity: 'EMAIL_ADDRESS' }],
      redact: [label('*'), label('EMAIL_*')],
      want: ['EMAIL_ADDRESS'],
    },
    {
      name: 'all but what is masked by a narrower line',
      restore: [{ entity: '*' }],
      redact: [label('*'), label('SECRET_*')],
      want: ['CREDIT_CARD', 'EMAIL_ADDRESS'],
    },
    {
      name: 'that too, when it is named',
      restore: [{ entity: '*' }, { entity: 'SECRET_*' }],
      redact: [label('*'), label('SECRET_*')],
      want: ['CREDIT_CARD', 'EMAIL_ADDRESS', 'SECRET_PASSWORD'],
    },
  ])('$name', ({ restore, redact, want }) => {
    const restorer = restorerOf(restore, redact);
    const finder = restorer?.finder('text');
    const found = finder?.all([card, email, password].join(' ')) ?? [];
    expect(found.map(({ entity }) => entity)).toEqual(want);
  });

  test('tools only when that is said', () => {
    const restorer = restorerOf([{ entity: 'EMAIL_ADDRESS' }, { entity: 'CREDIT_CARD', tools: true }]);
    const all = (kind: 'text' | 'reasoning' | 'tool_arguments'): string[] =>
      (restorer?.finder(kind)?.all(`${card} ${email}`) ?? []).map(({ entity }) => entity);
    expect([all('text'), all('reasoning'), all('tool_arguments')]).toEqual([
      ['CREDIT_CARD', 'EMAIL_ADDRESS'],
      ['CREDIT_CARD', 'EMAIL_ADDRESS'],
      ['CREDIT_CARD'],
    ]);
    expect(restorerOf([{ entity: '*' }])?.finder('tool_result')).toBeNull();
  });

  test('a surrogate, too: masking the answer leaves it as it stands until then', () => {
    const options = { key: Buffer.alloc(32, 1), scope: 's', entities: new Set(['EMAIL_ADDRESS']) };
    const restorables = createRestorables([{ entity: 'EMAIL_ADDRESS' }]);
    const written = createMinter({ ...options, onReversible: restorables.add }).surrogate('EMAIL_ADDRESS', 'j@a.org');
    const redact = [label('*')];
    const restorer = restorables.forAnswer(redact);
    const finder = restorer?.finder('text');
    if (!restorer || !finder) throw new Error('nothing to restore');
    const minter = createMinter({ ...options, isKept: restorer.knows });
    const text = `${written} and bob@example.org`;
    const { findings } = createDetector({ tier: 'core' }).scan(text);
    const masked = maskText(text, findings, 'assistant', compilePlan(redact), minter).text;
    expect(masked).toBe(`${written} and EMAIL_ADDRESS_REDACTED`);
    expect(restoreText(masked, finder, restorer)).toBe('j@a.org and EMAIL_ADDRESS_REDACTED');
  });

  test('one way of writing a value, and no value where one placeholder stands for two', () => {
    const restorables = createRestorables([{ entity: '*' }]);
    restorables.add(card, 'CREDIT_CARD', '4111 1111 1111 1111');
    restorables.add(card, 'CREDIT_CARD', '4111111111111111');
    restorables.add(email, 'EMAIL_ADDRESS', 'jane@example.com');
    restorables.add(email, 'EMAIL_ADDRESS', 'john@example.com');
    const found = restorables.forAnswer([])?.finder('text')?.all(`${card} ${email}`) ?? [];
    expect(found.map(({ value }) => value)).toEqual(['4111 1111 1111 1111']);
  });

  test('bounds: long values, many values, and much of them in one answer', () => {
    const restorables = createRestorables([{ entity: '*' }]);
    restorables.add('LONG_0', 'LONG', 'x'.repeat(limits.restorableCharsMax + 1));
    expect(restorables.forAnswer([])).toBeNull();
    for (let i = 0; i <= limits.restorableValuesMax; i++) restorables.add(`MANY_${i}_`, 'MANY', 'y'.repeat(4096));
    const restorer = restorables.forAnswer([]);
    const last = `MANY_${limits.restorableValuesMax}_`;
    expect(restorer?.finder('text')?.all(`MANY_0_ ${last}`).length).toBe(1);
    const [one] = restorer?.finder('text')?.all('MANY_0_') ?? [];
    if (!restorer || !one) throw new Error('nothing to restore');
    let taken = 0;
    while (restorer.take(one) !== null) taken++;
    expect(taken).toBe(Math.floor(limits.restoredCharsMax / 4096));
  });
});
