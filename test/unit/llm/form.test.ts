import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import type { ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createForm } from '../../../src/llm/form.ts';
import { percentDecode } from '../../../src/llm/urlencoded.ts';

const urlencoded = 'application/x-www-form-urlencoded';
const multipart = 'multipart/form-data; boundary=bnd';

function route(contentType: string): RouteFacts {
  return { method: 'POST', path: '/x', header: (name) => (name === 'content-type' ? contentType : null) };
}

function read(body: Buffer, contentType: string): ParsedBody {
  const parsed = atOnce(createForm().readRequest(body, route(contentType)));
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

function texts(body: Buffer | string, contentType: string): readonly string[] {
  return read(Buffer.from(body), contentType).conversation.segments.map(({ pointer, text }) => `${pointer} ${text}`);
}

function outcome(body: string, contentType: string): string {
  const parsed = atOnce(createForm().readRequest(Buffer.from(body, 'latin1'), route(contentType)));
  return parsed.ok ? 'read' : `${parsed.error.kind}: ${parsed.error.message}`;
}

/** No JSON, no line breaks, which other encoders normalise. */
const value = fc
  .string({ unit: 'grapheme', minLength: 1 })
  .filter((text) => text.isWellFormed() && !/^\s*[[{]|[\r\n\ufeff]/.test(text) && text.trim() !== '');
const fields = fc.array(fc.tuple(fc.constantFrom('prompt', 'model', 'note', 'x_1'), value), {
  minLength: 1,
  maxLength: 5,
});

describe('urlencoded', () => {
  test('is read as others write it, and others read what is written', () => {
    fc.assert(
      fc.property(fields, fc.array(value, { minLength: 5, maxLength: 5 }), (given, news) => {
        const body = Buffer.from(new URLSearchParams(given).toString());
        const parsed = read(body, urlencoded);
        expect(parsed.conversation.segments.map(({ pointer, text }) => [pointer.slice(1), text])).toEqual(given);
        const written = atOnce(parsed.rewrite(new Map(given.map((_, i) => [i, news[i] ?? '']))));
        expect([...new URLSearchParams(written.toString())]).toEqual(given.map(([name], i) => [name, news[i] ?? '']));
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    { body: 'a=1%2', want: ['/a 1%2'] },
    { body: 'a=%zz%41', want: ['/a %zzA'] },
    { body: '&&a=b=c&', want: ['/a b=c'] },
    { body: '=nameless', want: ['/*0 nameless'] },
    { body: 'just some words', want: ['/*0#key just some words'] },
    { body: ' {"a":"b\\u0063"}', want: ['/a bc'] },
    { body: '{"a":"b"', want: ['/*0#key {"a":"b"'] },
    { body: '', want: [] },
  ])('$body', ({ body, want }) => {
    expect(texts(body, urlencoded)).toEqual(want);
  });

  test('is refused when it is not UTF-8, and beyond a number of fields', () => {
    expect(outcome('a=%c3%28', urlencoded)).toBe('invalid_utf8: field 0 is not UTF-8');
    const many = 'a=1&'.repeat(limits.formTextsMax + 1);
    expect(outcome(many, urlencoded)).toBe(`too_many_values: the form has more than ${limits.formTextsMax} texts`);
  });

  test('plus is a space in forms only', () => {
    expect(percentDecode(Buffer.from('a+b%2B'), true)).toBe('a b+');
    expect(percentDecode(Buffer.from('a+b%2B'), false)).toBe('a+b+');
  });
});

describe('multipart', () => {
  test('is read as others write it, and others read what is written', async () => {
    await fc.assert(
      fc.asyncProperty(fields, fc.array(value, { minLength: 6, maxLength: 6 }), async (given, news) => {
        const form = new FormData();
        for (const [name, text] of given) form.append(name, text);
        form.append('file', new File([new Uint8Array([0, 255, 13, 10])], 'a.bin', { type: 'image/png' }));
        const encoded = new Response(form);
        const contentType = encoded.headers.get('content-type') ?? '';
        const parsed = read(Buffer.from(await encoded.arrayBuffer()), contentType);
        const { segments, uninspected } = parsed.conversation;
        expect(segments.map(({ pointer, text }) => [pointer.slice(1), text])).toEqual([
          ...given,
          ['file#filename', 'a.bin'],
        ]);
        expect(uninspected).toEqual([{ pointer: '/file', kind: 'image' }]);
        const written = atOnce(parsed.rewrite(new Map(given.map((_, i) => [i, news[i] ?? '']))));
        const again = new Response(new Uint8Array(written), { headers: { 'content-type': contentType } });
        const entries = [...(await again.formData())];
        expect(entries.slice(0, -1)).toEqual(given.map(([name], i) => [name, news[i] ?? '']));
        const file = entries.at(-1)?.[1];
        expect(file instanceof File && [...new Uint8Array(await file.arrayBuffer())]).toEqual([0, 255, 13, 10]);
      }),
      { numRuns: 60 },
    );
  });

  const part = (head: string, content: string): string => `--bnd\r\n${head}\r\n\r\n${content}\r\n`;
  const field = part('Content-Disposition: form-data; name="a"', 'x');

  test.each([
    { name: 'a field', body: `${field}--bnd--`, want: ['/a x'] },
    { name: 'space behind the boundary', body: `${field.replace('--bnd', '--bnd \t')}--bnd--`, want: ['/a x'] },
    { name: 'no headers', body: '--bnd\r\n\r\nhello\r\n--bnd--\r\n', want: ['/*0 hello'] },
    {
      name: 'a parameter in the value of another',
      body: `${part('Content-Disposition: form-data; filename="; name=x"; name="a"', 'y')}--bnd--`,
      want: ['/a#filename ; name=x'],
    },
    {
      name: 'parameters that nobody knows',
      body: `${part('Content-Disposition: form-data; name="a"; note="secret"', 'x')}--bnd--`,
      want: ['/a#note secret', '/a x'],
    },
  ])('$name', ({ body, want }) => {
    expect(texts(body, multipart)).toEqual(want);
  });

  test.each([
    {
      name: 'no boundary in the media type',
      body: field,
      contentType: 'multipart/form-data',
      want: 'the media type names no boundary',
    },
    { name: 'no boundary in the body', body: 'hello', want: 'the boundary is nowhere' },
    { name: 'no end', body: field, want: 'the last part has no end' },
    { name: 'a longer boundary', body: '--bndx\r\n\r\n\r\n--bnd--', want: 'bytes follow the boundary at 0' },
    { name: 'lines without CR', body: `${field.replaceAll('\r', '')}--bnd--`, want: 'bytes follow the boundary at 0' },
    { name: 'headers without content', body: '--bnd\r\nA: b\r\n--bnd--', want: 'the part at 0 has no content' },
    {
      name: 'a line that is no header',
      body: `${part('hello', 'x')}--bnd--`,
      want: 'the headers of part 0 cannot be read',
    },
    {
      name: 'a folded header',
      body: `${part('A: b\r\n c: d', 'x')}--bnd--`,
      want: 'the headers of part 0 cannot be read',
    },
    {
      name: 'a header twice',
      body: `${part('A: b\r\na: c', 'x')}--bnd--`,
      want: 'the headers of part 0 cannot be read',
    },
    {
      name: 'a parameter twice',
      body: `${part('Content-Disposition: form-data; name="a"; name="b"', 'x')}--bnd--`,
      want: 'the headers of part 0 cannot be read',
    },
    {
      name: 'something between the parameters',
      body: `${part('Content-Disposition: form-data; name="a" b', 'x')}--bnd--`,
      want: 'the headers of part 0 cannot be read',
    },
    {
      name: 'a name in another encoding',
      body: `${part('Content-Disposition: form-data; name="\xff"', 'x')}--bnd--`,
      want: 'the headers of part 0 cannot be read',
    },
  ])('is refused with $name', ({ body, contentType = multipart, want }) => {
    expect(outcome(body, contentType)).toBe(`invalid_framing: ${want}`);
  });

  test.each([
    { name: 'before the first part', body: `hello\r\n${field}--bnd--`, want: [{ pointer: '', kind: 'unknown' }] },
    { name: 'behind the last part', body: `${field}--bnd--\r\nhello`, want: [{ pointer: '', kind: 'unknown' }] },
    {
      name: 'in another charset',
      body: `${part('Content-Disposition: form-data; name="_charset_"', 'latin1')}--bnd--`,
      want: [{ pointer: '/_charset_', kind: 'binary' }],
    },
    {
      name: 'in another encoding',
      body: `${part('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64', 'eA==')}--bnd--`,
      want: [{ pointer: '/a', kind: 'binary' }],
    },
    {
      name: 'that is not UTF-8',
      body: `${field.replace('x', '\xff')}--bnd--`,
      want: [{ pointer: '/a', kind: 'binary' }],
    },
  ])('reports what stands $name', ({ body, want }) => {
    expect(read(Buffer.from(body, 'latin1'), multipart).conversation.uninspected).toEqual(want);
  });

  test('whatever the bytes are, it is read or refused', () => {
    const piece = fc.constantFrom(
      '--bnd',
      '--',
      '\r\n',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="a"',
      ';',
      '"',
      'x',
      '\xff',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const body = Buffer.from(pieces.join(''), 'latin1');
        const parsed = atOnce(createForm().readRequest(body, route(multipart)));
        if (!parsed.ok) expect(parsed.error.kind).toBe('invalid_framing');
        else {
          const { segments } = parsed.value.conversation;
          expect(atOnce(parsed.value.rewrite(new Map(segments.map(({ text }, i) => [i, text]))))).toBe(body);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the operation', () => {
  test.each([
    { path: '/v1/audio/transcriptions', want: 'transcription' },
    { path: '/v1/audio/translations', want: 'transcription' },
    { path: '/v1/images/edits', want: 'image' },
    { path: '/v1/files', want: 'upload' },
    { path: '/x', want: 'unknown' },
  ])('of $path is $want', ({ path, want }) => {
    const parsed = atOnce(createForm().readRequest(Buffer.from('a=b'), { ...route(urlencoded), path }));
    expect(parsed).toMatchObject({ ok: true, value: { conversation: { operation: want } } });
  });
});
