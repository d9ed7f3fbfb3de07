import {
  brotliCompressSync,
  constants,
  crc32,
  createGzip,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
} from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { createBodyDecoder, decodeBody, isKnownEncoding } from '../../../src/llm/content-encoding.ts';

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

/** The decoded stream, or the error that ended it. */
function streamed(body: Buffer, encoding: string | null, pieceBytes: number, bodyBytesMax?: number): Buffer | string {
  const decoder = createBodyDecoder(encoding, bodyBytesMax);
  const outputs: Buffer[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) {
    const output = decoder.push(body.subarray(at, at + pieceBytes));
    if (!output.ok) return output.error.kind;
    outputs.push(output.value);
  }
  const rest = decoder.end();
  return rest.ok ? Buffer.concat([...outputs, rest.value]) : rest.error.kind;
}

describe('streams', () => {
  test.each([...encoders, { encoding: null, encode: (body: Buffer) => body }])(
    '$encoding, cut anywhere',
    ({ encoding, encode }) => {
      for (const pieceBytes of [1, 2, 7, 100_000]) expect(streamed(encode(text), encoding, pieceBytes)).toEqual(text);
    },
  );

  const compressible = fc.oneof(
    fc
      .array(fc.constantFrom('a', 'bc', 'hello ', '\n', '{"x":1}'), { maxLength: 3000 })
      .map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(64_000).map((length) => Buffer.alloc(length, 'abcdefghij'.repeat(997))),
  );

  test('any data at any level, cut anywhere, decodes as node:zlib decodes it', () => {
    const settings = fc.record({
      level: fc.integer({ min: 0, max: 9 }),
      strategy: fc.integer({ min: 0, max: 4 }),
      memLevel: fc.integer({ min: 1, max: 9 }),
    });
    const codings = fc.constantFrom<readonly [string, typeof gzipSync]>(
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['deflate', deflateRawSync],
    );
    fc.assert(
      fc.property(
        compressible,
        settings,
        codings,
        fc.integer({ min: 1, max: 4096 }),
        (data, options, [encoding, encode], pieceBytes) => {
          const output = streamed(encode(data, options), encoding, pieceBytes);
          expect(typeof output === 'string' ? output : output.equals(data)).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('what was flushed comes out before the rest arrives', async () => {
    const compress = createGzip();
    compress.write('data: {"a":1}\n\n');
    await new Promise<void>((resolve) => compress.flush(constants.Z_SYNC_FLUSH, resolve));
    const flushed: unknown = compress.read();
    if (!Buffer.isBuffer(flushed)) throw new Error('nothing was flushed');
    const decoder = createBodyDecoder('gzip');
    const first = decoder.push(flushed);
    expect(first.ok && first.value.toString('utf8')).toBe('data: {"a":1}\n\n');
    expect(decoder.end()).toMatchObject({ ok: false, error: { kind: 'truncated' } });
  });

  test('members in a row are one body, and headers may have names, comments and a sum', () => {
    const body = Buffer.concat([gzipSync(text), gzipWithFullHeader(text)]);
    expect(gunzipSync(body)).toEqual(Buffer.concat([text, text]));
    expect(streamed(body, 'gzip', 1)).toEqual(Buffer.concat([text, text]));
  });

  test.each([
    { name: 'breaks off', body: gzipSync(text).subarray(0, -1), encoding: 'gzip', want: 'truncated' },
    { name: 'breaks off in its header', body: gzipSync(text).subarray(0, 5), encoding: 'gzip', want: 'truncated' },
    { name: 'has a wrong checksum', body: flipped(gzipSync(text), -5), encoding: 'gzip', want: 'unsupported_encoding' },
    {
      name: 'has a header that is not what its sum says',
      body: flipped(gzipWithFullHeader(text), 13 - gzipWithFullHeader(text).length),
      encoding: 'gzip',
      want: 'unsupported_encoding',
    },
    { name: 'has a wrong length', body: flipped(gzipSync(text), -1), encoding: 'gzip', want: 'unsupported_encoding' },
    { name: 'is something else', body: text, encoding: 'gzip', want: 'unsupported_encoding' },
    {
      name: 'has a wrong sum',
      body: flipped(deflateSync(text), -1),
      encoding: 'deflate',
      want: 'unsupported_encoding',
    },
    { name: 'has half a sum', body: deflateSync(text).subarray(0, -2), encoding: 'deflate', want: 'truncated' },
    {
      name: 'has a wrong header',
      body: flipped(deflateSync(text), 1 - deflateSync(text).length),
      encoding: 'deflate',
      want: 'unsupported_encoding',
    },
    {
      name: 'has a reserved block type',
      body: Buffer.from([0x07, 0]),
      encoding: 'deflate',
      want: 'unsupported_encoding',
    },
    {
      name: 'has a wrong stored length',
      body: Buffer.from([1, 1, 0, 0, 0]),
      encoding: 'deflate',
      want: 'unsupported_encoding',
    },
    {
      name: 'refers to before its start',
      body: Buffer.from([0x03, 0x02, 0x00]),
      encoding: 'deflate',
      want: 'unsupported_encoding',
    },
    { name: 'breaks off in another coding', body: brotli(text).subarray(0, -1), encoding: 'br', want: 'truncated' },
  ])('a stream that $name: $want', ({ body, encoding, want }) => {
    expect(streamed(body, encoding, 3)).toBe(want);
  });

  test.each(encoders)('a bomb of $encoding is not inflated', ({ encoding, encode }) => {
    const bomb = encode(Buffer.alloc(limits.bodyBytesMax));
    expect(streamed(bomb, encoding, 1024)).toBe('body_too_large');
    expect(streamed(encode(text), encoding, 50, text.length - 1)).toBe('body_too_large');
  });

  test('arbitrary bytes are an outcome, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('gzip', 'deflate', 'br'), (bytes, encoding) => {
        const head = encoding === 'gzip' ? gzipSync('').subarray(0, 10) : Buffer.alloc(0);
        const output = streamed(Buffer.concat([head, bytes]), encoding, 5);
        if (typeof output === 'string') expect(output).toMatch(/truncated|unsupported_encoding|body_too_large/);
      }),
      { numRuns: 2000 },
    );
  });
});

function flipped(body: Buffer, at: number): Buffer {
  const index = body.length + at;
  body.writeUInt8(body.readUInt8(index) ^ 1, index);
  return body;
}

/** RFC 1952 section 2.3, with every member of the header that there is. */
function gzipWithFullHeader(data: Buffer): Buffer {
  const plain = gzipSync(data);
  const header = Buffer.concat([plain.subarray(0, 10), Buffer.from([3, 0, 1, 2, 3]), Buffer.from('name\0comment\0')]);
  header.writeUInt8(0x1e, 3);
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(crc32(header) & 0xffff);
  return Buffer.concat([header, sum, plain.subarray(10)]);
}
