import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { parseJson } from '../../../src/llm/json-parser.ts';
import { createJsonBudget, type JsonNode, memberOf, stringMember, stringOf } from '../../../src/llm/json-source.ts';
import { decodeUtf8 } from '../../../src/llm/utf8.ts';

/** The value as JSON.parse would build it, from the tree: objects keep the last of duplicate members. */
function builtFrom(source: string, node: JsonNode): unknown {
  switch (node.type) {
    case 'string':
      return stringOf(source, node);
    case 'number':
      return Number(source.slice(node.start, node.end));
    case 'array':
      if (node.numbers > 0) {
        const numbers: unknown[] = JSON.parse(source.slice(node.start, node.end));
        expect([node.items, numbers.length]).toEqual([[], node.numbers]);
        return numbers;
      }
      return node.items.map((item) => builtFrom(source, item));
    case 'object':
      return Object.fromEntries(node.members.map(({ name, value }) => [name, builtFrom(source, value)]));
    default:
      return { true: true, false: false, null: null }[node.type];
  }
}

function read(source: string): unknown {
  const root = parseJson(source);
  return root.ok ? { value: builtFrom(source, root.value) } : root.error.kind;
}

function parsedNatively(source: string): unknown {
  try {
    return { value: JSON.parse(source) };
  } catch {
    return 'invalid_json';
  }
}

describe('parseJson', () => {
  test.each([
    { name: 'empty', source: '', message: 'unexpected end at character 0' },
    { name: 'only space', source: ' \n', message: 'unexpected end at character 2' },
    { name: 'two values', source: '1 2', message: 'unexpected text after the value at character 2' },
    { name: 'leading zero', source: '01', message: 'bad number at character 0' },
    { name: 'bare minus', source: '-', message: 'bad number at character 0' },
    { name: 'no fraction', source: '1.', message: 'bad number at character 0' },
    { name: 'no exponent', source: '[1e+]', message: 'bad number at character 1' },
    { name: 'plus sign', source: '+1', message: 'unexpected character at character 0' },
    { name: 'NaN', source: 'NaN', message: 'unexpected character at character 0' },
    { name: 'half a literal', source: 'tru', message: 'unexpected character at character 0' },
    { name: 'single quotes', source: "'a'", message: 'unexpected character at character 0' },
    { name: 'trailing comma in an array', source: '[1,]', message: 'unexpected character at character 3' },
    { name: 'trailing comma in an object', source: '{"a":1,}', message: 'unexpected character at character 7' },
    { name: 'no colon', source: '{"a" 1}', message: 'unexpected character at character 5' },
    { name: 'bare key', source: '{a:1}', message: 'unexpected character at character 1' },
    { name: 'open string', source: '"abc', message: 'unexpected end at character 4' },
    { name: 'long open string', source: `"${'a'.repeat(300)}`, message: 'unexpected end at character 301' },
    { name: 'open array', source: '[1', message: 'unexpected end at character 2' },
    { name: 'raw line break in a string', source: '"a\nb"', message: 'unexpected character at character 2' },
    {
      name: 'NUL far into a string',
      source: `"${'a'.repeat(200)}\0"`,
      message: 'unexpected character at character 201',
    },
    { name: 'unknown escape', source: '"\\x"', message: 'bad escape at character 1' },
    { name: 'short unicode escape', source: '"\\u12g4"', message: 'bad escape at character 1' },
    { name: 'escape at the end', source: '"\\', message: 'bad escape at character 1' },
    { name: 'comment', source: '/**/1', message: 'unexpected character at character 0' },
    { name: 'no-break space', source: '\u00a01', message: 'unexpected character at character 0' },
    { name: 'second byte order mark', source: '\ufeff\ufeff1', message: 'unexpected character at character 1' },
  ])('refuses $name', ({ source, message }) => {
    expect(parseJson(source)).toEqual({ ok: false, error: { kind: 'invalid_json', message } });
  });

  test('tells where every value stands, and keeps duplicate members', () => {
    const source = '\ufeff {"a" : [1.0, "x"], "\\u0061":null}';
    expect(parseJson(source)).toEqual({
      ok: true,
      value: {
        type: 'object',
        start: 2,
        end: 35,
        members: [
          {
            key: { type: 'string', start: 3, end: 6, escaped: false },
            name: 'a',
            value: {
              type: 'array',
              start: 9,
              end: 19,
              numbers: 0,
              items: [
                { type: 'number', start: 10, end: 13 },
                { type: 'string', start: 15, end: 18, escaped: false },
              ],
            },
          },
          {
            key: { type: 'string', start: 21, end: 29, escaped: true },
            name: 'a',
            value: { type: 'null', start: 30, end: 34 },
          },
        ],
      },
    });
  });

  test('keeps a lone surrogate that was escaped', () => {
    expect(read('"a\\ud800b"')).toEqual({ value: 'a\ud800b' });
  });

  test('is bounded in depth', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseJson(nested(limits.jsonDepthMax)).ok).toBe(true);
    expect(parseJson(nested(limits.jsonDepthMax + 1))).toEqual({
      ok: false,
      error: { kind: 'too_deep', message: `nested too deeply at character ${limits.jsonDepthMax}` },
    });
    expect(read('['.repeat(5_000_000))).toBe('too_deep');
  });

  test('is bounded in values, whatever they are', () => {
    const keys = `{${Array.from({ length: 1_000_000 }, (_, i) => `"k${i}":0`).join(',')}}`;
    expect(read(keys)).toBe('too_many_values');
    expect(read(`[${'null,'.repeat(limits.jsonValuesMax)}0]`)).toBe('too_many_values');
  });

  test('counts down one budget over several documents', () => {
    const budget = { ...createJsonBudget(), valuesLeft: 4 };
    expect(parseJson('[true,2]', budget).ok).toBe(true);
    expect(parseJson('[true]', budget)).toMatchObject({ ok: false, error: { kind: 'too_many_values' } });
  });

  test.each([
    { name: 'plain', unit: 'a' },
    { name: 'escapes', unit: '\\n' },
    { name: 'two-byte', unit: 'é—' },
  ])('reads a string of ten million characters: $name', ({ unit }) => {
    const source = `"${unit.repeat(10_000_000 / unit.length)}"`;
    const root = parseJson(source);
    expect(root).toEqual({
      ok: true,
      value: { type: 'string', start: 0, end: source.length, escaped: unit === '\\n' },
    });
  });

  test('agrees with JSON.parse on every JSON text', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), fc.nat(3), (json, indent) => {
        const source = JSON.stringify(JSON.parse(json), null, indent);
        expect(read(source)).toEqual(parsedNatively(source));
      }),
    );
  });

  test('agrees with JSON.parse on what is nearly JSON', () => {
    const piece = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '"a"',
        '"\\u00e9"',
        '\\',
        '0',
        '-1.5e3',
        '1e',
        'true',
        'null',
        ' ',
        '\n',
        '\t',
        'é',
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const source = pieces.join('');
        expect(read(source)).toEqual(parsedNatively(source));
      }),
      { numRuns: 2000 },
    );
  });

  test('agrees with JSON.parse on a text with one character changed', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 1, unit: 'binary' }), (json, at, unit) => {
        const index = at % json.length;
        const source = json.slice(0, index) + unit + json.slice(index + 1);
        expect(read(source)).toEqual(parsedNatively(source));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('decodeUtf8', () => {
  test.each([
    { name: 'ASCII', body: Buffer.from('{"a":1}'), want: '{"a":1}' },
    { name: 'UTF-8', body: Buffer.from('"é😀"'), want: '"é😀"' },
    { name: 'a byte order mark', body: Buffer.from('\ufeff1'), want: '\ufeff1' },
  ])('decodes $name', ({ body, want }) => {
    expect(decodeUtf8(body)).toEqual({ ok: true, value: want });
  });

  test.each([
    { name: 'a stray continuation', body: Buffer.from([0x22, 0x80, 0x22]) },
    { name: 'an overlong form', body: Buffer.from([0xc0, 0xaf]) },
    { name: 'an encoded surrogate', body: Buffer.from([0xed, 0xa0, 0x80]) },
    { name: 'a cut character', body: Buffer.from('é').subarray(0, 1) },
    { name: 'UTF-16', body: Buffer.from('\ufeff{}', 'utf16le') },
  ])('refuses $name', ({ body }) => {
    expect(decodeUtf8(body)).toEqual({
      ok: false,
      error: { kind: 'invalid_utf8', message: 'the body is not valid UTF-8' },
    });
  });

  test('refuses a body over the limit without decoding it', () => {
    expect(decodeUtf8(Buffer.alloc(limits.bodyBytesMax + 1))).toMatchObject({
      ok: false,
      error: { kind: 'body_too_large' },
    });
  });

  test('whatever decodes encodes back to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const body = Buffer.from(bytes);
        const source = decodeUtf8(body);
        if (source.ok) expect(Buffer.from(source.value, 'utf8')).toEqual(body);
        else expect(source.error.kind).toBe('invalid_utf8');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('members', () => {
  test('the last of two counts', () => {
    const source = '{"a":"x","a":"y","b":1}';
    const root = parseJson(source);
    if (!root.ok) throw new Error(root.error.message);
    expect(stringMember(source, root.value, 'a')).toBe('y');
    expect(stringMember(source, root.value, 'b')).toBeNull();
    expect(stringMember(source, root.value, 'c')).toBeNull();
    expect(memberOf(memberOf(root.value, 'a'), 'x')).toBeUndefined();
  });
});
