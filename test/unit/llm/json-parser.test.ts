import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import { createGenericJson } from '../../../src/llm/generic-json.ts';
import { createJsonParser, parseJson } from '../../../src/llm/json-parser.ts';
import { createJsonBudget } from '../../../src/llm/json-source.ts';
import { isAsciiStyle, jsonString, unescapeLiteral } from '../../../src/llm/json-string.ts';
import { createOpenAiEmbeddings } from '../../../src/llm/openai-embeddings.ts';
import { decodeUtf8, encodingUtf8 } from '../../../src/llm/utf8.ts';

describe('a text that is read in several goes', () => {
  const broken = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '\\', '0', ']', '}', '-1.', ' ', '\u0001'))
    .map(([text, at, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place);
    });
  const numbers = fc
    .array(fc.constantFrom('1', '-0.25', '1e-7', '4111111111111111', '4.5e15', '12', ' 3 ', 'null', ''))
    .map((items) => `[${items.join(',')}]`);

  test('gives what it gives in one, faults included', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), broken, numbers), fc.integer({ min: 1, max: 9 }), (source, characters) => {
        const parser = createJsonParser(source, createJsonBudget());
        while (!parser.run(characters));
        expect(parser.result()).toEqual(parseJson(source));
      }),
      { numRuns: 1_000 },
    );
  });

  test('no go is much longer than it was asked to be', () => {
    const source = `{"a":"${'x\\n'.repeat(100_000)}","b":[${'0.5,'.repeat(100_000)}1],"c":[${'[],'.repeat(100_000)}1]}`;
    const parser = createJsonParser(source, createJsonBudget());
    let goes = 1;
    while (!parser.run(10_000)) goes++;
    expect(parser.result().ok).toBe(true);
    expect(goes).toBeGreaterThanOrEqual(Math.floor(source.length / 10_100));
  });
});

describe('long texts, piece by piece', () => {
  const units = ['plain ', '\\n', '\\\\', '\\"', '\\u00e9', '\\ud83d\\ude00', '\\ud83d', 'é', '😀', '\\\\u0041', '/'];
  const long = fc
    .tuple(fc.array(fc.constantFrom(...units), { minLength: 1, maxLength: 6 }), fc.nat({ max: 12 }))
    .map(([parts, shift]) => 'x'.repeat(shift) + parts.join('').repeat(Math.ceil(600_000 / parts.join('').length)));

  test('are unescaped, escaped, encoded and decoded as they would be whole', () => {
    fc.assert(
      fc.property(long, (inner) => {
        const literal = `"${inner}"`;
        const text: string = JSON.parse(literal);
        expect(unescapeLiteral(literal) === text).toBe(true);
        expect(jsonString(text) === JSON.stringify(text)).toBe(true);
        expect(JSON.parse(jsonString(text, true)) === text).toBe(true);
        expect(isAsciiStyle(literal)).toBe(
          /\\u(?!00[0-7])[0-9a-fA-F]{4}/.test(literal) && !/[\u0080-\uffff]/.test(literal),
        );
        const bytes = Buffer.from(literal, 'utf8');
        expect(atOnce(encodingUtf8([literal])).equals(bytes)).toBe(true);
        const decoded = decodeUtf8(bytes);
        expect(decoded.ok && decoded.value === literal).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});

describe('arrays of numbers', () => {
  const json = createGenericJson();
  const textsOf = (source: string): unknown => {
    const read = atOnce(json.readResponse(Buffer.from(source)));
    return read.ok ? read.value.conversation.segments.map(({ pointer, text }) => [pointer, text]) : read.error.kind;
  };

  test.each([
    { name: 'one that may be a card', source: '[1,2,4111111111111111]', want: [['/2', '4111111111111111']] },
    { name: 'one written with an exponent', source: '[0.5,4.111111111111111e15]', want: [['/1', '4111111111111111']] },
    {
      name: 'whose exponent is padded',
      source: '[0.5,4.111111111111111e00000015]',
      want: [['/1', '4111111111111111']],
    },
    {
      name: 'behind many small ones',
      source: `[${'0.25,'.repeat(50_000)}"a",4111111111111111]`,
      want: [
        ['/50000', 'a'],
        ['/50001', '4111111111111111'],
      ],
    },
    { name: 'none', source: '[[0.12345678901234,-1.5e-05],[1e9,12345678]]', want: [] },
  ])('are looked into when one may be read: $name', ({ source, want }) => {
    expect(textsOf(source)).toEqual(want);
  });

  test("of nothing but small ones are one value: an embedding has no bound but the body's", () => {
    const vector = `[${'-0.0123456789,'.repeat(3_000)}1.5e-05]`;
    const data = Array.from(
      { length: 250 },
      (_, index) => `{"object":"embedding","index":${index},"embedding":${vector}}`,
    );
    const body = Buffer.from(`{"object":"list","data":[${data.join(',')}],"model":"m"}`);
    expect(3_000 * 250).toBeGreaterThan(limits.jsonValuesMax);
    const read = atOnce(createOpenAiEmbeddings().readResponse(body));
    expect(read.ok && read.value.conversation.segments).toEqual([]);
    expect(read.ok && atOnce(read.value.rewrite(new Map()))).toBe(body);
  });
});
