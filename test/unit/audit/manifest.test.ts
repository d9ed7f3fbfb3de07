import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import {
  commitInPlace,
  createManifestWriter,
  leafBytes,
  manifestCommitment,
  type NamedBody,
} from '../../../src/audit/manifest.ts';
import { canonicalJson, type JsonValue } from '../../../src/lib/json.ts';

const entry: AuditEntry = {
  kind: 'intent',
  exchange: 'x-1',
  session: 's-1',
  facts: { decision: { action: 'allow', rules: [] }, a: 1 },
  bodies: {},
};
const stamp = {
  id: '01a20042-04c6-7992-92fa-b3556a653ce4',
  epoch: 'e-2026-11-21T19-0123456789abcdef01234567',
  sequence: 48_211,
  nonce: Buffer.alloc(32, 9),
  // Beyond 2^53: as JSON numbers these would be rounded.
  wallNs: 1_795_376_943_123_456_789n,
  monoNs: 9_007_199_254_740_993n,
};

const writeManifest = createManifestWriter({
  origin: 'audit.example.com/test/gw-0',
  boot: '01a20042-04c6-7992-92fa-000000000000',
});

/** The manifest, with these commitments in its holes. */
function manifestOf(given: AuditEntry, bodies: readonly NamedBody[], commitments: readonly string[]): string {
  const { text, holes } = writeManifest(given, bodies, stamp);
  const buffer = Buffer.from(text);
  for (const [i, hole] of holes.entries()) buffer.write(commitments[i] ?? '', hole);
  return buffer.toString();
}

const [sealed, first, second] = ['S', '1', '2'].map((letter) => letter.repeat(43));

describe('manifest', () => {
  const bare =
    '{"bodies":{"parts":{}},"boot":"01a20042-04c6-7992-92fa-000000000000",' +
    '"epoch":"e-2026-11-21T19-0123456789abcdef01234567","exchange":"x-1",' +
    '"facts":{"a":1,"decision":{"action":"allow","rules":[]}},"id":"01a20042-04c6-7992-92fa-b3556a653ce4",' +
    '"kind":"intent","nonce":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk","origin":"audit.example.com/test/gw-0",' +
    '"seq":"48211","session":"s-1","t":{"mono_ns":"9007199254740993","wall_ns":"1795376943123456789"},"v":1}';

  test('of a record without bodies', () => {
    expect(manifestOf(entry, [], [])).toBe(bare);
  });

  test('of a record with bodies', () => {
    const bodies = [
      { name: 'caller', mediaType: 'application/json; charset="x"', bytes: Buffer.alloc(7) },
      { name: 'prompt_sent', mediaType: 'application/json', bytes: Buffer.alloc(12) },
    ];
    expect(manifestOf(entry, bodies, [sealed ?? '', first ?? '', second ?? ''])).toBe(
      bare.replace(
        '{"parts":{}}',
        `{"ct":"${sealed}","parts":{"caller":{"mt":"application/json; charset=\\"x\\"","n":7,"pt":"${first}"},` +
          `"prompt_sent":{"mt":"application/json","n":12,"pt":"${second}"}}}`,
      ),
    );
  });

  test('of a record under the key of a data subject', () => {
    const subjectKey = { id: 's-1', key: Buffer.alloc(32) };
    expect(manifestOf({ ...entry, subjectKey }, [], [])).toBe(bare.replace('"t":{', '"subject":"s-1","t":{'));
  });

  test('is canonical whatever the facts and bodies', () => {
    const json = fc.jsonValue({ maxDepth: 3 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    const body = fc.record({
      name: fc.string({ unit: 'grapheme', maxLength: 8 }),
      mediaType: fc.string({ unit: 'grapheme', maxLength: 8 }),
      bytes: fc.constant(Buffer.alloc(3)),
    });
    fc.assert(
      fc.property(json, fc.uniqueArray(body, { selector: ({ name }) => name }), (fact, bodies) => {
        const sorted = [...bodies].sort((a, b) => (a.name < b.name ? -1 : 1));
        const manifest = manifestOf({ ...entry, facts: { fact } }, sorted, []);
        const parsed: JsonValue = JSON.parse(manifest);
        expect(manifest).toBe(canonicalJson(parsed));
      }),
    );
  });

  test('facts that JCS cannot hold are refused', () => {
    const lone = { ...entry, facts: { text: '\ud800' } };
    expect(() => manifestOf(lone, [], [])).toThrow('canonical JSON holds well-formed strings only');
  });

  test('the commitment and the leaf are the bytes that an auditor computes', () => {
    const want = createHash('sha256').update('countersign/v1/manifest\0').update(bare).digest('base64url');
    const commitment = manifestCommitment(Buffer.from(bare));
    expect(commitment).toBe(want);
    const framed = Buffer.from(`${'#'.repeat(30)}${bare}`);
    expect(commitInPlace(framed, 30, framed.length)).toBe(want);
    expect(framed.toString('latin1', 0, 6)).toBe('######');
    expect(leafBytes(commitment, stamp.id, 'intent').toString()).toBe(
      `{"c":"${want}","i":"01a20042-04c6-7992-92fa-b3556a653ce4","k":"intent","v":1}`,
    );
  });
});
