import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import type { Finding, StreamScanner } from '../../../src/detect/finding.ts';
import { sample } from '../../../src/detect/rules/sample.ts';
import { limits } from '../../../src/lib/limits.ts';

const decode = { percent: true, html: true, base64: true };
const plain = createDetector({ tier: 'core' });
const detector = createDetector({ tier: 'core', decode });

function found(text: string, scanned: readonly Finding[] = detector.scan(text).findings): string[] {
  return scanned.map(({ entity, start, end }) => `${entity} ${text.slice(start, end)}`);
}

const percentAll = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const entities = (text: string): string => [...text].map((char) => `&#${char.codePointAt(0)};`).join('');
const hexEntities = (text: string): string =>
  [...text].map((char) => `&#x${char.codePointAt(0)?.toString(16)};`).join('');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const card = '4111 1111 1111 1111';
const github = sample('ghp_', ['base62', 36]);
const note = `please charge the card ${card} for the order`;

describe('what is written in another way', () => {
  test.each([
    { name: 'percent, blanks', text: 'n=4111%201111%201111%201111&x', want: ['CREDIT_CARD 4111%201111%201111%201111'] },
    { name: 'percent, every character', text: `a ${percentAll(card)} b`, want: [`CREDIT_CARD ${percentAll(card)}`] },
    { name: 'percent, an at sign', text: 'mailto:jane%40example.com', want: ['EMAIL_ADDRESS jane%40example.com'] },
    {
      name: 'percent, foreign digits',
      text: `pan ${percentAll('４１１１１１１１１１１１１１１１')}`,
      want: [`CREDIT_CARD ${percentAll('４１１１１１１１１１１１１１１１')}`],
    },
    { name: 'references, decimal', text: `card ${entities(card)}.`, want: [`CREDIT_CARD ${entities(card)}`] },
    { name: 'references, hexadecimal', text: `card ${hexEntities(card)}.`, want: [`CREDIT_CARD ${hexEntities(card)}`] },
    {
      name: 'references, one digit',
      text: 'card &#52;111 1111 1111 1111 ok',
      want: ['CREDIT_CARD &#52;111 1111 1111 1111'],
    },
    {
      name: 'references, in later groups',
      text: 'card 4111 1111 1111 11&#49;1 ok',
      want: ['CREDIT_CARD 4111 1111 1111 11&#49;1'],
    },
    {
      name: 'references by name',
      text: 'to jane&commat;example&period;com now',
      want: ['EMAIL_ADDRESS jane&commat;example&period;com'],
    },
    {
      name: 'a blank that does not break',
      text: '4111&nbsp;1111&nbsp;1111&nbsp;1111',
      want: ['CREDIT_CARD 4111&nbsp;1111&nbsp;1111&nbsp;1111'],
    },
    { name: 'a lead before the escapes', text: 'password%3D%57q83kPz now', want: ['SECRET_PASSWORD %57q83kPz'] },
    { name: 'a word before the escapes', text: 'my social is 5362%328726', want: ['US_SSN 5362%328726'] },
    { name: 'a token', text: percentAll(github), want: [`SECRET_GITHUB_TOKEN ${percentAll(github)}`] },
  ])('$name', ({ text, want }) => {
    expect(found(text)).toEqual(want);
  });

  test.each([
    { name: 'alone', text: base64(card) },
    { name: 'in prose', text: `decode this: ${base64(note)} and answer` },
    { name: 'in a data URI', text: `data:text/plain;base64,${base64(note)}` },
    { name: 'behind a path', text: `https://x.example/v1/${base64(note).replace(/=+$/, '')}` },
    { name: 'as base64url', text: Buffer.from(`${note} \u00ff\u00fe`).toString('base64url') },
  ])('base64 $name', ({ text }) => {
    const [only, ...others] = detector.scan(text).findings;
    expect([only?.entity, others.length]).toEqual(['CREDIT_CARD', 0]);
    // What is left of the run does not say the value any more, whole groups are taken out.
    const left = text.slice(0, only?.start) + text.slice(only?.end);
    expect(found(left)).toEqual([]);
    expect(Buffer.from(text.slice(only?.start, only?.end), 'base64').toString()).toContain('1111 1111 1111');
  });

  test('each of several values', () => {
    const text = `${base64(note)} ${percentAll(github)} ${card} jane&#64;example.com`;
    expect(detector.scan(text).findings.map(({ entity }) => entity)).toEqual([
      'CREDIT_CARD',
      'SECRET_GITHUB_TOKEN',
      'CREDIT_CARD',
      'EMAIL_ADDRESS',
    ]);
  });
});

describe('what is none', () => {
  test.each([
    'a discount of 50%, up to 20% off',
    'R&D, Q&A, AT&T and &c.',
    'https://example.com/a%20page%20with%20words?x=%7B%22a%22%3A1%7D',
    `sha256 ${sample(['hex', 64])}`,
    'averyLongIdentifierInSomeProgramThatGoesOn',
    `data:image/png;base64,${Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 73) % 256)).toString('base64')}`,
    `${base64('an ordinary sentence about the weather, which is fine today')}`,
    '%34%31%31',
    '&#52',
    '&#1114112;',
    '%ff%fe',
    '&nosuch;',
  ])('%s', (text) => {
    expect(found(text)).toEqual(found(text, plain.scan(text).findings));
  });

  test('one level only', () => {
    expect(found(percentAll(percentAll(card)))).toEqual([]);
    expect(found(base64(base64(note)))).toEqual([]);
  });

  test('switched off', () => {
    const off = createDetector({ tier: 'core', decode: { percent: false, html: true, base64: false } });
    expect(found('4111%201111%201111%201111', off.scan('4111%201111%201111%201111').findings)).toEqual([]);
    expect(off.scan(base64(note)).findings).toEqual([]);
    expect(off.scan(entities(card)).findings).toHaveLength(1);
  });
});

describe('bounds', () => {
  test('a run beyond the bound is not decoded', () => {
    const long = base64(`${note} `.repeat(limits.decodedRunCharsMax / 40));
    expect(detector.scan(long).findings).toEqual([]);
  });

  test('escapes beyond the bound are read in stretches', () => {
    const text = `${percentAll('words '.repeat(900))} ${percentAll(card)}`;
    expect(found(text)).toEqual([`CREDIT_CARD ${percentAll(card)}`]);
  });
});

function inPieces(scanner: StreamScanner, text: string, cuts: readonly number[]): { findings: string[]; late: number } {
  const findings: { entity: string; start: number; end: number }[] = [];
  let decided = 0;
  let late = 0;
  const take = (scan: ReturnType<StreamScanner['push']>): void => {
    for (const { entity, start, end, continuation } of scan.findings) {
      if (start < decided) late++;
      const before = findings.at(-1);
      if (continuation && before) before.end = end;
      else findings.push({ entity, start, end });
    }
    decided = scan.decided;
  };
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    take(scanner.push(text.slice(from, cut)));
    from = cut;
  }
  take(scanner.close());
  return { findings: findings.map(({ entity, start, end }) => `${entity} ${text.slice(start, end)}`), late };
}

test('a stream finds what the whole text has, however it is cut', () => {
  const piece = fc.constantFrom(
    card,
    entities(card),
    percentAll(card),
    '4111%201111%201111%201111',
    'jane&commat;example.com',
    'jane%40example.com',
    base64(note),
    percentAll(github),
    github,
    'password%3DWq83kPzU2',
    'plain words, 50% & more',
    'see https://example.com/a%20b?c=d%26e',
    '&#52;111 1111 1111 1111',
  );
  const text = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(' and then '));
  fc.assert(
    fc.property(text, fc.array(fc.nat(600), { maxLength: 40 }), (given, places) => {
      const cuts = [...new Set(places.map((place) => place % (given.length + 1)))].sort((a, b) => a - b);
      expect(inPieces(detector.openStream(), given, cuts)).toEqual({ findings: found(given), late: 0 });
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('unit by unit as well', () => {
  const text = `a ${entities(card)} b jane%40example.com c ${base64(note)} d ${'x'.repeat(900)} ${percentAll(card)}`;
  const cuts = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
  expect(inPieces(detector.openStream(), text, cuts)).toEqual({ findings: found(text), late: 0 });
});
