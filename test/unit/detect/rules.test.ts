import { describe, expect, test } from 'vitest';
import { compileProgram, type Program } from '../../../src/detect/program.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { createSession } from '../../../src/detect/session.ts';

/** The same of the text in pieces of one unit. */
function foundInPieces(program: Program, text: string): string[] {
  const session = createSession(program);
  const findings: { start: number; end: number }[] = [];
  for (let at = 0; at <= text.length; at++) {
    for (const { start, end, continuation } of session.feed(text.charAt(at), at === text.length).findings) {
      const before = findings.at(-1);
      if (continuation && before) before.end = end;
      else findings.push({ start, end });
    }
  }
  return findings.map(({ start, end }) => text.slice(start, end));
}

/** Values that a program of one rule finds in a text. */
function found(program: Program, text: string): string[] {
  const { findings } = createSession(program).feed(text, true);
  return findings.map(({ start, end }) => text.slice(start, end));
}

describe.each(rules)('$id', (rule) => {
  const program = compileProgram([rule]);

  test.each(rule.examples.positive)('finds %j', (example) => {
    const { text, value } = typeof example === 'string' ? { text: example, value: example } : example;
    expect(found(program, text)).toContain(value);
    // Alone, a rule has only its own holds to keep a stream exact.
    expect(foundInPieces(program, `. ${text} .`)).toEqual(found(program, `. ${text} .`));
  });

  test.each(rule.examples.negative)('leaves %j', (text) => {
    expect(found(program, text)).toEqual([]);
  });
});

describe('catalogue', () => {
  test('ids are unique', () => {
    const ids = rules.map(({ id }) => id);
    expect([...new Set(ids)]).toEqual(ids);
  });

  test('every rule has examples of both kinds and a source', () => {
    const bare = rules.filter(({ examples, source }) => !examples.positive[0] || !examples.negative[0] || !source);
    expect(bare.map(({ id }) => id)).toEqual([]);
  });

  test('covers what the documentation promises', () => {
    const credentials = rules.filter(({ entity }) => entity.startsWith('SECRET_'));
    const countries = new Set(rules.flatMap(({ country }) => (country ? [country] : [])));
    expect({
      credentials: credentials.length >= 250,
      kinds: new Set(credentials.map(({ entity }) => entity)).size >= 150,
      countries: countries.size >= 45,
    }).toEqual({ credentials: true, kinds: true, countries: true });
  });

  test('sources are pages, entities are names, bounds are set', () => {
    const odd = rules.filter(
      ({ source, entity, maxLength, score }) =>
        !URL.canParse(source) ||
        !/^[A-Z][A-Z0-9_]+$/.test(entity) ||
        !(maxLength > 0 && maxLength <= 4096) ||
        score > 1,
    );
    expect(odd.map(({ id }) => id)).toEqual([]);
  });
});
