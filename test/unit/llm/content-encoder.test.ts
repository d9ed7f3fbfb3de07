import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBodyEncoder, encodeBody } from '../../../src/llm/content-encoder.ts';
import { createBodyDecoder, decodeBody, isKnownEncoding } from '../../../src/llm/content-encoding.ts';

const encodings = ['gzip', 'x-gzip', 'deflate', 'br', 'gzip, br', 'deflate, gzip', 'zstd'].filter(isKnownEncoding);
const text = Buffer.from('data: {"message":"hello, hello, hello"}\n\n'.repeat(40));

describe('whole bodies come back as they were', () => {
  test.each(encodings)('%s', async (encoding) => {
    const encoded = await encodeBody(text, encoding);
    expect(encoded.length).toBeLessThan(text.length / 4);
    expect(decodeBody(encoded, encoding)).toEqual({ ok: true, value: text });
  });

  test('without an encoding it is the very buffer', async () => {
    expect([await encodeBody(text, null), await encodeBody(text, 'identity')]).toEqual([text, text]);
    expect([createBodyEncoder(null), createBodyEncoder('identity')]).toEqual([null, null]);
  });
});

function encoderOf(encoding: string): NonNullable<ReturnType<typeof createBodyEncoder>> {
  const encoder = createBodyEncoder(encoding);
  if (encoder === null) throw new Error('no encoder');
  return encoder;
}

describe('streams', () => {
  test.each(encodings)('%s comes back, in one member that Node reads too', async (encoding) => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        const encoder = encoderOf(encoding);
        const last = Buffer.from(parts.at(-1) ?? []);
        const out = parts.slice(0, -1).map((part) => encoder.push(Buffer.from(part)));
        const encoded = Buffer.concat([...out, await encoder.end(last)]);
        expect(decodeBody(encoded, encoding)).toEqual({ ok: true, value: Buffer.concat(parts) });
      }),
      { numRuns: 50 },
    );
  });

  test.each(['gzip', 'deflate'])('%s: every event can be read when it was sent', (encoding) => {
    const encoder = encoderOf(encoding);
    const decoder = createBodyDecoder(encoding);
    for (const event of ['data: 1\n\n', 'data: 2\n\n', 'x'.repeat(40_000), 'data: 3\n\n']) {
      expect(decoder.push(encoder.push(Buffer.from(event)))).toEqual({ ok: true, value: Buffer.from(event) });
    }
  });

  test('gzip finds again what stood in an earlier piece', () => {
    const encoder = encoderOf('gzip');
    const event = zlib.gzipSync(Buffer.from('a')).toString('base64').repeat(20);
    const [first, second] = [encoder.push(Buffer.from(event)), encoder.push(Buffer.from(event))];
    expect(second.length).toBeLessThan(first.length / 2);
  });

  test.each(encodings)('%s can be broken off with other last words than were meant', async (encoding) => {
    const encoder = encoderOf(encoding);
    const before = encoder.push(Buffer.from('data: 1\n\n'));
    await encoder.end(Buffer.from('never sent'));
    const body = Buffer.concat([before, encoder.breakOff(Buffer.from('event: error\n\n'))]);
    const decoded = decodeBody(body, encoding);
    expect(decoded.ok && decoded.value.toString()).toBe(`${before.length > 0 ? 'data: 1\n\n' : ''}event: error\n\n`);
  });
});
