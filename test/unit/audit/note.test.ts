import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { rawPublicKey } from '../../../src/audit/keys.ts';
import { checkpointBody, isKeyName, readCheckpoint, signNote, verifierKey } from '../../../src/audit/note.ts';
import { testKeys, testOrigin } from '../../support/audit.ts';

const { signingKey } = testKeys();
const raw = rawPublicKey(signingKey);
const root = Buffer.alloc(32, 7);
const body = checkpointBody({ origin: testOrigin, size: 20_852_163, root });
const note = signNote(body, testOrigin, signingKey, raw);

function read(text: string): unknown {
  return readCheckpoint(text, testOrigin, createPublicKey(signingKey), raw);
}

describe('note', () => {
  test('is byte for byte what C2SP signed-note and tlog-checkpoint say', () => {
    expect(verifierKey(testOrigin, raw)).toBe(
      'audit.example.com/test/gw-0+df63efdd+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU',
    );
    expect(note).toBe(
      'audit.example.com/test/gw-0\n20852163\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n' +
        '\u2014 audit.example.com/test/gw-0 ' +
        '32Pv3bjLZTxcghrUfn9quUSbcVIIeJp40znOwMTHKbQCpFwF5YNoE5YfZRXJRuaPUvQBsLg4r3mKmPjgrei8m14JcwQ=\n',
    );
  });

  test('reads what it wrote', () => {
    expect(read(note)).toEqual({ ok: true, value: { origin: testOrigin, size: 20_852_163, root } });
  });

  test('finds its signature among others', () => {
    const cosigned = `${note}\u2014 witness.example.com AAAAAAAA\n`;
    expect(read(cosigned)).toEqual({ ok: true, value: { origin: testOrigin, size: 20_852_163, root } });
  });

  const resigned = (text: string): string => signNote(text, testOrigin, signingKey, raw);
  test.each([
    { name: 'no note', given: 'x', want: 'it is not a signed note' },
    {
      name: 'other signer',
      given: note.replace(/\u2014 \S+/, '\u2014 someone.else'),
      want: `it bears no signature of ${testOrigin} by the configured key`,
    },
    { name: 'changed size', given: note.replace('20852163', '20852162'), want: 'its signature does not verify' },
    { name: 'other log', given: resigned(body.replace(testOrigin, 'x')), want: 'it is of another log: x' },
    { name: 'leading zero', given: resigned(body.replace('20852163', '020852163')), want: 'its size is not a number' },
    {
      name: 'unsafe size',
      given: resigned(body.replace('20852163', '9007199254740993')),
      want: 'its size is not a number',
    },
    { name: 'short root', given: resigned(`${testOrigin}\n1\nAAAA\n`), want: 'its root is not a hash' },
  ])('refuses: $name', ({ given, want }) => {
    expect(read(given)).toEqual({ ok: false, error: want });
  });

  test.each([
    ['audit.example.com/prod/gw-0', true],
    ['', false],
    ['a b', false],
    ['a+b', false],
    ['a\nb', false],
  ])('key name %j', (name, want) => {
    expect(isKeyName(name)).toBe(want);
  });
});
