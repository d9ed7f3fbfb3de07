import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSpiffeId } from '../../../src/identity/spiffe.ts';
import { workloadFromXfcc } from '../../../src/identity/xfcc.ts';

const id = 'spiffe://mesh.example/ns/llm/sa/agent';

describe('x-forwarded-client-cert', () => {
  test.each([
    { name: 'one element', header: `By=spiffe://mesh.example/gw;Hash=468ed33be;URI=${id}`, want: id },
    { name: 'the last element counts', header: `URI=spiffe://evil.example/x,Hash=ab;URI=${id}`, want: id },
    { name: 'the last element has no URI', header: `URI=${id},Hash=ab`, want: null },
    { name: 'separators inside quotes', header: `Hash=ab;Subject="CN=a,O=b;C=\\"c\\"";URI=${id};DNS=x`, want: id },
    { name: 'an element hidden in a quoted subject', header: `Hash=ab;Subject="x\\",URI=${id}";DNS=y`, want: null },
    { name: 'a quoted URI', header: `URI="${id}"`, want: id },
    { name: 'keys in any case', header: `uri=${id}`, want: id },
    { name: 'blanks around an element', header: `Hash=a , URI=${id}`, want: id },
    { name: 'a certificate with percent codes', header: `Cert="-----BEGIN%20CERTIFICATE-----%0A";URI=${id}`, want: id },
    { name: 'two URIs', header: `URI=${id};URI=spiffe://mesh.example/other`, want: null },
    { name: 'a URI that is no SPIFFE id', header: 'URI=https://mesh.example/agent', want: null },
    { name: 'By is not the caller', header: `By=${id};Hash=ab`, want: null },
    { name: 'empty', header: '', want: null },
    { name: 'a quote without end', header: `URI=${id};Subject="CN=a`, want: null },
    { name: 'text behind a quote', header: `Subject="a"b;URI=${id}`, want: null },
    { name: 'a quote inside a bare value', header: `Subject=a"b";URI=${id}`, want: null },
    { name: 'no key', header: `=x;URI=${id}`, want: null },
    { name: 'no value at the end', header: `URI=${id};`, want: null },
    { name: 'an empty last element', header: `URI=${id},`, want: null },
    { name: 'no pair', header: 'garbage', want: null },
    { name: 'too long', header: `Cert="${'a'.repeat(16_384)}";URI=${id}`, want: null },
  ])('$name', ({ header, want }) => {
    expect(workloadFromXfcc(header)).toBe(want);
  });

  test('whatever subject a certificate has, it names no workload but the peer', () => {
    fc.assert(
      fc.property(fc.string(), (subject) => {
        const quoted = subject.replaceAll('"', '\\"');
        // A backslash before the closing quote cannot be told from an escaped quote: the header does not parse.
        const want = subject.endsWith('\\') ? null : id;
        expect(workloadFromXfcc(`URI=spiffe://evil.example/x,Hash=ab;URI=${id};Subject="${quoted}"`)).toBe(want);
      }),
    );
  });

  test('no header makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', '\\', ',', ';', '=', 'U', 'R', 'I', ' ', 'x') }), (header) => {
        expect(workloadFromXfcc(header)).toBeNull();
      }),
    );
  });
});

describe('SPIFFE id', () => {
  test.each([
    [id, true],
    ['spiffe://td/a', true],
    ['spiffe://td_1.x-y/A_b.c-9/d', true],
    ['spiffe://td', false],
    ['spiffe://td/', false],
    ['spiffe://td/a/', false],
    ['spiffe://td//a', false],
    ['spiffe://td/a/../b', false],
    ['spiffe://td/./b', false],
    ['spiffe://TD/a', false],
    ['SPIFFE://td/a', false],
    ['spiffe://td:80/a', false],
    ['spiffe://user@td/a', false],
    ['spiffe://td/a?b', false],
    ['spiffe://td/a#b', false],
    ['spiffe://td/a%20', false],
    ['spiffe:///a', false],
    [`spiffe://${'t'.repeat(256)}/a`, false],
    [`spiffe://td/${'a'.repeat(2_048)}`, false],
    ['https://td/a', false],
    ['', false],
  ])('%s: %s', (text, want) => {
    expect(isSpiffeId(text)).toBe(want);
  });
});
