import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, type JsonValue, jsonObjectOf, jsonValueOf } from '../../../src/lib/json.ts';

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
  });

  test.each([
    { name: 'infinity', given: Number.POSITIVE_INFINITY },
    { name: 'NaN', given: [Number.NaN] },
    { name: 'a lone surrogate', given: { text: 'a\ud800b' } },
    { name: 'a lone surrogate in a key', given: { '\udc00': 1 } },
  ])('refuses $name', ({ given }) => {
    expect(() => canonicalJson(given)).toThrow(TypeError);
  });

  test('says what JSON.stringify says, with sorted keys', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(json, (value) => {
        const written = canonicalJson(value);
        expect(JSON.parse(written)).toEqual(value);
      }),
    );
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${(i * 37) % 100}`, i]));
    expect(Object.keys(JSON.parse(canonicalJson(wide)))).toEqual(Object.keys(wide).sort());
  });

  test('values whose members come in order are written the same', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(json, (value) => {
        const written = canonicalJson(value);
        // In order, but for keys that look like indexes.
        expect(canonicalJson(JSON.parse(written))).toBe(written);
        expect(canonicalJson({ a: value, b: JSON.parse(written) })).toBe(`{"a":${written},"b":${written}}`);
      }),
    );
  });

  test('a text that looks like the escape of half a character is none', () => {
    expect(canonicalJson({ text: '\\ud800' })).toBe('{"text":"\\\\ud800"}');
  });

  test('a member without value is left out', () => {
    const given: Record<string, JsonValue> = JSON.parse('{"b":1,"a":2,"c":3}');
    Reflect.set(given, 'a', undefined);
    expect(canonicalJson(given)).toBe('{"b":1,"c":3}');
    expect(canonicalJson({ ...given, d: { ...given } })).toBe('{"b":1,"c":3,"d":{"b":1,"c":3}}');
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
