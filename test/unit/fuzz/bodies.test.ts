import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { atOnce } from '../../../src/lib/slices.ts';
import { createBodyDecoder, decodeBody } from '../../../src/llm/content-encoding.ts';
import { parseJson } from '../../../src/llm/json-parser.ts';
import { type JsonNode, stringOf } from '../../../src/llm/json-source.ts';
import { readMultipart } from '../../../src/llm/multipart.ts';
import { readUrlencoded } from '../../../src/llm/urlencoded.ts';
import { corpusOf, fuzz, piecesOf } from '../../support/mutation.ts';

const json = [
  '"',
  '\\',
  '\\u',
  '\\ud83d',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  'true',
  'null',
  '-',
  '0',
  '1e400',
  '1.',
  '"a":',
  '\ufeff',
  '[[[[',
];

test('JSON: read if and only if JSON.parse reads it, to the same value', () => {
  fuzz(corpusOf('json'), json, 2_000, (bytes) => {
    const source = bytes.toString('utf8');
    const read = parseJson(source);
    const bare = source.charCodeAt(0) === 0xfeff ? source.slice(1) : source;
    let expected: unknown;
    try {
      expected = JSON.parse(bare);
    } catch {
      expect(read).toMatchObject({ ok: false });
      return;
    }
    if (!read.ok) expect(read.error.kind).toBe('too_deep');
    else expect(meantBy(source, read.value)).toEqual(expected);
  });
});

function meantBy(source: string, node: JsonNode): unknown {
  switch (node.type) {
    case 'object':
      return Object.fromEntries(node.members.map(({ name, value }) => [name, meantBy(source, value)]));
    case 'array': {
      if (node.numbers === 0) return node.items.map((item) => meantBy(source, item));
      const written = source.slice(node.start, node.end);
      const numbers: unknown[] = JSON.parse(written);
      expect(numbers).toHaveLength(node.numbers);
      // None that could be the number of a card or an account.
      expect(written).not.toMatch(/(?<![\d.])\d{10}/);
      return numbers;
    }
    case 'string':
      return stringOf(source, node);
    default:
      return JSON.parse(source.slice(node.start, node.end));
  }
}

describe.each([
  {
    name: 'multipart',
    read: (body: Buffer) => readMultipart(body, 'multipart/form-data; boundary=XfuzzX'),
    words: [
      '--XfuzzX',
      '--XfuzzX--',
      '\r\n',
      '\n',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="a"',
      'filename*=',
      '"',
      '\\"',
      ';',
      'charset=utf-16',
      'Content-Transfer-Encoding: base64',
    ],
  },
  {
    name: 'urlencoded',
    read: readUrlencoded,
    words: ['&', '=', '+', '%', '%2', '%zz', '%00', '%F0%9F%98%80', '%ed%a0%80', '[]', ';'],
  },
])('$name', ({ name, read, words }) => {
  test('is read or refused by name; texts do not overlap, and one written as it was is read as it was', () => {
    fuzz(corpusOf(name), words, 1_000, (body) => {
      const form = atOnce(read(body));
      if (!form.ok) {
        expect(form.error.message).toMatch(/\w/);
        return;
      }
      let at = 0;
      for (const { start, end } of form.value.texts) {
        expect(start).toBeGreaterThanOrEqual(at);
        expect(end).toBeGreaterThanOrEqual(start);
        at = end;
      }
      expect(at).toBeLessThanOrEqual(body.length);
      for (const [index, { start, end, text, encode }] of form.value.texts.entries()) {
        const again = atOnce(read(Buffer.concat([body.subarray(0, start), atOnce(encode(text)), body.subarray(end)])));
        expect(again.ok && again.value.texts[index]?.text).toBe(text);
      }
    });
  });
});

describe.each([
  { coding: 'gzip', trusted: gunzipSync },
  {
    coding: 'deflate',
    trusted: (bytes: Buffer) => (((bytes[0] ?? 0) & 0x0f) === 8 ? inflateSync(bytes) : inflateRawSync(bytes)),
  },
])('$coding', ({ coding, trusted }) => {
  test('in pieces: what zlib makes of the whole, or an error', () => {
    fuzz(corpusOf(coding), ['\x1f\x8b\x08', '\0\0\0\0', '\xff\xff'], 400, (bytes, random) => {
      const whole = attempt(() => trusted(bytes));
      const decoder = createBodyDecoder(coding);
      const out: Buffer[] = [];
      let isRefused = false;
      for (const piece of piecesOf(bytes, random)) {
        const decoded = decoder.push(piece);
        if (decoded.ok) out.push(decoded.value);
        isRefused = !decoded.ok;
        if (isRefused) break;
      }
      if (!isRefused) isRefused = !decoder.end().ok;
      // More careful than zlib is fine, less is not; and the whole body is decoded by zlib.
      if (!isRefused && bytes.length > 0) expect(whole?.toString('latin1')).toBe(Buffer.concat(out).toString('latin1'));
      const atOnce = decodeBody(bytes, coding);
      if (atOnce.ok && bytes.length > 0) expect(whole?.toString('latin1')).toBe(atOnce.value.toString('latin1'));
    });
  });
});

function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
