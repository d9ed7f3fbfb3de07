import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { completeManifest, draftManifest, leafBytes, manifestCommitment } from '../../../src/audit/manifest.ts';
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
  origin: 'audit.example.com/test/gw-0',
  boot: '01a20042-04c6-7992-92fa-000000000000',
  epoch: 'e-2026-11-21T19-0123456789abcdef01234567',
  sequence: 48_211,
  nonce: Buffer.alloc(32, 9),
  // Beyond 2^53: as JSON numbers these would be rounded.
  wallNs: 1_795_376_943_123_456_789n,
  monoNs: 9_007_199_254_740_993n,
};

describe('manifest', () => {
  const bare =
    '{"bodies":{"parts":{}},"boot":"01a20042-04c6-7992-92fa-000000000000",' +
    '"epoch":"e-2026-11-21T19-0123456789abcdef01234567","exchange":"x-1",' +
    '"facts":{"a":1,"decision":{"action":"allow","rules":[]}},"id":"01a20042-04c6-7992-92fa-b3556a653ce4",' +
    '"kind":"intent","nonce":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk","origin":"audit.example.com/test/gw-0",' +
    '"seq":"48211","session":"s-1","t":{"mono_ns":"9007199254740993","wall_ns":"1795376943123456789"},"v":1}';

  test('of a record without bodies', () => {
    expect(completeManifest(draftManifest(entry, stamp), { sealed: null, parts: [] })).toBe(bare);
  });

  test('of a record with bodies', () => {
    const commitments = {
      sealed: 'CT',
      parts: [
        { name: 'prompt_sent', mediaType: 'application/json', bytes: 12, plaintext: 'PT2' },
        { name: 'caller', mediaType: 'application/json; charset="x"', bytes: 7, plaintext: 'PT1' },
      ],
    };
    expect(completeManifest(draftManifest(entry, stamp), commitments)).toBe(
      bare.replace(
        '{"parts":{}}',
        '{"ct":"CT","parts":{"caller":{"mt":"application/json; charset=\\"x\\"","n":7,"pt":"PT1"},' +
          '"prompt_sent":{"mt":"application/json","n":12,"pt":"PT2"}}}',
      ),
    );
  });

  test('is canonical whatever the facts and bodies', () => {
    const json = fc.jsonValue({ maxDepth: 3 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)));
    const part = fc.record({
      name: fc.string({ unit: 'grapheme', maxLength: 8 }),
      mediaType: fc.string({ unit: 'grapheme', maxLength: 8 }),
      bytes: fc.nat(),
      plaintext: fc.constant('PT'),
    });
    fc.assert(
      fc.property(json, fc.uniqueArray(part, { selector: ({ name }) => name }), (fact, parts) => {
        const draft = draftManifest({ ...entry, facts: { fact } }, stamp);
        const manifest = completeManifest(draft, { sealed: parts.length > 0 ? 'CT' : null, parts });
        const parsed: JsonValue = JSON.parse(manifest);
        expect(manifest).toBe(canonicalJson(parsed));
      }),
    );
  });

  test('facts that JCS cannot hold are refused', () => {
    const lone = { ...entry, facts: { text: '\ud800' } };
    expect(() => draftManifest(lone, stamp)).toThrow('canonical JSON holds well-formed strings only');
  });

  test('the commitment and the leaf are the bytes that an auditor computes', () => {
    const want = createHash('sha256').update('countersign/v1/manifest\0').update(bare).digest('base64url');
    const commitment = manifestCommitment(Buffer.from(bare));
    expect(commitment).toBe(want);
    expect(leafBytes(commitment, stamp.id, 'intent').toString()).toBe(
      `{"c":"${want}","i":"01a20042-04c6-7992-92fa-b3556a653ce4","k":"intent","v":1}`,
    );
  });
});
