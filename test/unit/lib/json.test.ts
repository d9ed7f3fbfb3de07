import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCanonicalWriter } from '../../../src/lib/canonical-writer.ts';
import { canonicalJson, type JsonValue, jsonObjectOf, jsonValueOf } from '../../../src/lib/json.ts';

/** What the writer makes of a value, in a buffer that is just large enough. */
function written(value: JsonValue): string {
  const writer = createCanonicalWriter();
  const bytes = writer.write(Buffer.alloc(0), 0, value);
  const buffer = Buffer.alloc(bytes * 3);
  const end = writer.write(buffer, 0, value);
  return buffer.toString('utf8', 0, end);
}

describe('canonical JSON (RFC 8785)', () => {
  test.each<{ name: string; given: JsonValue; want: string }>([
    {
      name: 'section 3.2.2: numbers, strings, literals',
      given: {
        numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
        string: '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/',
        literals: [null, true, false],
      },
      want:
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    },
    {
      name: 'section 3.2.3: keys by UTF-16 code units',
      given: {
        '\u20ac': 'Euro Sign',
        '\r': 'Carriage Return',
        '\ufb33': 'Hebrew Letter Dalet With Dagesh',
        '1': 'One',
        '\ud83d\ude00': 'Emoji: Grinning Face',
        '\u0080': 'Control',
        '\u00f6': 'Latin Small Letter O With Diaeresis',
      },
      want:
        '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
        '"\u20ac":"Euro Sign","\ud83d\ude00":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    },
    { name: 'keys that look like indexes', given: { '10': 1, '9': 2, a: 3 }, want: '{"10":1,"9":2,"a":3}' },
    { name: 'minus zero', given: -0, want: '0' },
    { name: 'empty', given: [{}, [], ''], want: '[{},[],""]' },
  ])('$name', ({ given, want }) => {
    expect(canonicalJson(given)).toBe(want);
    expect(written(given)).toBe(want);
  });

  test.each([
    { name: 'infinity', given: Number.POSITIVE_INFINITY },
    { name: 'NaN', given: [Number.NaN] },
    { name: 'a lone surrogate', given: { text: 'a\ud800b' } },
    { name: 'a lone surrogate in a key', given: { '\udc00': 1 } },
  ])('refuses $name', ({ given }) => {
    expect(() => canonicalJson(given)).toThrow(TypeError);
    expect(() => written(given)).toThrow(TypeError);
  });

  test('says what JSON.stringify says, with sorted keys', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(json, (value) => {
        const written = canonicalJson(value);
        expect(JSON.parse(written)).toEqual(value);
        expect(canonicalJson(JSON.parse(written))).toBe(written);
      }),
    );
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${(i * 37) % 100}`, i]));
    expect(Object.keys(JSON.parse(canonicalJson(wide)))).toEqual(Object.keys(wide).sort());
  });

  test('written into a buffer it is the same, whatever the writer has seen before', () => {
    const writer = createCanonicalWriter();
    const json = fc.jsonValue({ maxDepth: 4 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    const text = fc.string({ unit: 'grapheme', minLength: 200, maxLength: 600 });
    fc.assert(
      fc.property(fc.oneof(json, text), fc.nat(40), (value, at) => {
        const want = canonicalJson(value);
        const buffer = Buffer.alloc(at + want.length * 3 + 64, '#');
        const end = writer.write(buffer, at, value);
        expect(buffer.toString('utf8', at, end)).toBe(want);
        expect(buffer.toString('utf8', 0, at)).toBe('#'.repeat(at));
      }),
    );
  });

  test('a buffer that is too small is left at the first byte behind it, or later', () => {
    const value = { text: '\u20ac'.repeat(20), list: ['a', 'b', 1.5], long: 'x'.repeat(300) };
    const writer = createCanonicalWriter();
    const bytes = Buffer.byteLength(canonicalJson(value));
    for (let size = 0; size < bytes; size++) {
      expect(writer.write(Buffer.alloc(size), 0, value)).toBeGreaterThan(size);
    }
  });

  test('a member without value is left out', () => {
    const given: Record<string, JsonValue> = JSON.parse('{"b":1,"a":2,"c":3}');
    Reflect.set(given, 'a', undefined);
    expect(written(given)).toBe('{"b":1,"c":3}');
  });
});

test.each([
  { text: '{"a":[1]}', value: { a: [1] }, object: { a: [1] } },
  { text: '[]', value: [], object: null },
  { text: 'null', value: null, object: null },
  { text: '', value: undefined, object: null },
  { text: '{"a":', value: undefined, object: null },
])('the value of $text', ({ text, value, object }) => {
  expect([jsonValueOf(text), jsonObjectOf(text)]).toEqual([value, object]);
});
