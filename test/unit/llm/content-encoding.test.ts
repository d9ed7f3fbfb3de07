import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { decodeBody, isKnownEncoding } from '../../../src/llm/content-encoding.ts';

const text = Buffer.from('{"message":"hello, hello, hello"}'.repeat(40));
const brotli = (body: Buffer): Buffer => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
const encoders = [
  { encoding: 'gzip', encode: gzipSync },
  { encoding: 'X-Gzip', encode: gzipSync },
  { encoding: 'deflate', encode: deflateSync },
  { encoding: 'deflate', encode: deflateRawSync },
  { encoding: 'br', encode: brotli },
  { encoding: 'gzip, br', encode: (body: Buffer) => brotli(gzipSync(body)) },
];

describe('whole bodies', () => {
  test.each(encoders)('$encoding', ({ encoding, encode }) => {
    expect(isKnownEncoding(encoding)).toBe(true);
    expect(decodeBody(encode(text), encoding)).toEqual({ ok: true, value: text });
  });

  test.each([null, '', 'identity', ' Identity , '])('no encoding (%s) is the very buffer', (encoding) => {
    const decoded = decodeBody(text, encoding);
    expect(decoded.ok && decoded.value).toBe(text);
  });

  test('an empty body is empty in any encoding', () => {
    expect(decodeBody(Buffer.alloc(0), 'gzip')).toEqual({ ok: true, value: Buffer.alloc(0) });
  });

  test.each(['compress', 'aes128gcm', 'gzip, gzip, gzip', 'gzip;q=1'])('%s is not known', (encoding) => {
    expect(isKnownEncoding(encoding)).toBe(false);
    expect(decodeBody(text, encoding)).toMatchObject({ ok: false, error: { kind: 'unsupported_encoding' } });
  });

  test.each([
    { name: 'breaks off', body: gzipSync(text).subarray(0, 20), encoding: 'gzip', kind: 'truncated' },
    { name: 'is something else', body: text, encoding: 'gzip', kind: 'unsupported_encoding' },
    { name: 'is another encoding', body: gzipSync(text), encoding: 'deflate', kind: 'unsupported_encoding' },
  ])('a body that $name: $kind', ({ body, encoding, kind }) => {
    expect(decodeBody(body, encoding)).toMatchObject({ ok: false, error: { kind } });
  });

  test.each(encoders)('a bomb of $encoding is not inflated', ({ encoding, encode }) => {
    const bomb = encode(Buffer.alloc(limits.bodyBytesMax));
    expect(decodeBody(bomb, encoding)).toMatchObject({ ok: false, error: { kind: 'body_too_large' } });
  });

  test('the bound is exact', () => {
    expect(decodeBody(gzipSync(text), 'gzip', text.length).ok).toBe(true);
    expect(decodeBody(gzipSync(text), 'gzip', text.length - 1)).toMatchObject({
      ok: false,
      error: { kind: 'body_too_large' },
    });
    expect(decodeBody(text, null, text.length - 1)).toMatchObject({ ok: false, error: { kind: 'body_too_large' } });
  });

  test('arbitrary bytes are an outcome, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('gzip', 'deflate', 'br', 'zstd', 'x'), (bytes, encoding) => {
        const decoded = decodeBody(Buffer.from(bytes), encoding);
        if (!decoded.ok) expect(decoded.error.kind).toMatch(/truncated|unsupported_encoding|body_too_large/);
      }),
      { numRuns: 300 },
    );
  });
});
