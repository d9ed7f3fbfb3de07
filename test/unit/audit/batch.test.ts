import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BatchBuilder, createBatchBuilder, unpackBatch } from '../../../src/audit/batch.ts';
import type { AuditEntry, EntryKind } from '../../../src/audit/entry.ts';
import { commitmentBytes, createManifestWriter, type NamedBody } from '../../../src/audit/manifest.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const entries = fc.array(
  fc.record({
    kind: fc.constantFrom<EntryKind>('intent', 'outcome', 'aborted'),
    exchange: text,
    session: text,
    facts: fc.record({ final: fc.boolean(), text: fc.string({ unit: 'grapheme', maxLength: 3_000 }) }),
    subjectKey: fc.option(fc.record({ id: text, key: fc.uint8Array({ minLength: 32, maxLength: 32 }) }), {
      nil: undefined,
    }),
    bodies: fc.array(fc.record({ name: text, mediaType: text, bytes: fc.uint8Array({ maxLength: 300 }) }), {
      maxLength: 4,
    }),
  }),
  { maxLength: 5 },
);
const stamp = { epoch: 'e-1', nonce: Buffer.alloc(32, 9), wallNs: 1n, monoNs: 2n };

function newBuilder(): BatchBuilder {
  return createBatchBuilder(createManifestWriter({ origin: 'audit.example.com/a', boot: 'b' }));
}

function entryOf(facts: AuditEntry['facts'], subjectKey?: AuditEntry['subjectKey']): AuditEntry {
  const entry: AuditEntry = { kind: 'intent', exchange: 'x', session: 's', facts, bodies: {} };
  return subjectKey === undefined ? entry : { ...entry, subjectKey };
}

describe('batch', () => {
  test('what was packed is unpacked, with room for a salt in front of each body', () => {
    fc.assert(
      fc.property(entries, fc.nat(2 ** 48 - 10), fc.nat(20_000), (given, first, expected) => {
        const builder = newBuilder();
        builder.begin(expected);
        for (const [i, { bodies, subjectKey, facts, ...entry }] of given.entries()) {
          const added = { ...entryOf(facts, subjectKey), ...entry };
          builder.add(added, bodies, { ...stamp, id: `id-${i}`, sequence: first + i });
        }
        const batch = builder.take();
        if (batch === null) {
          expect(given).toEqual([]);
          return;
        }
        const unpacked = unpackBatch(batch);
        expect(unpacked).toHaveLength(given.length);
        for (const [i, record] of unpacked.entries()) {
          const { kind, exchange, facts, subjectKey, bodies } = given[i] ?? { kind: '', bodies: [] };
          const { manifest, holes, plaintext, subjectKey: key, ...rest } = record;
          expect(rest).toEqual({
            sequence: first + i,
            id: `id-${i}`,
            kind,
            exchange,
            isAwaited: kind === 'intent' && facts?.final === false,
            names: bodies.map(({ name }) => name).join('\0'),
            bodies: bodies.map(({ bytes }) => bytes.length),
          });
          expect(key === null ? undefined : new Uint8Array(key)).toEqual(subjectKey?.key);
          expect(JSON.parse(manifest.toString())).toMatchObject({ facts, seq: String(first + i) });
          for (const hole of holes) {
            expect(manifest.toString('latin1', hole, hole + commitmentBytes)).toBe('_'.repeat(commitmentBytes));
          }
          expect(holes).toHaveLength(bodies.length === 0 ? 0 : bodies.length + 1);
          expect(plaintextsOf(plaintext, bodies)).toEqual(bodies.map(({ bytes }) => bytes));
        }
      }),
    );
  });

  test('an entry that cannot be put on record leaves the batch as it was', () => {
    const builder = newBuilder();
    const good = (sequence: number): void =>
      builder.add(entryOf({ at: sequence }), [], { ...stamp, id: 'i', sequence });
    good(1);
    expect(() => builder.add(entryOf({ text: '\ud800' }), [], { ...stamp, id: 'i', sequence: 2 })).toThrow(TypeError);
    good(2);
    expect(unpackBatch(builder.take() ?? Buffer.alloc(0)).map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(builder.take()).toBeNull();
  });

  test('a batch can be transferred, and the next one has another buffer', () => {
    const builder = newBuilder();
    const packed = (sequence: number): Buffer => {
      builder.add(entryOf({}), [], { ...stamp, id: 'i', sequence });
      return builder.take() ?? Buffer.alloc(0);
    };
    const [first, second] = [packed(1), packed(2)];
    const { buffer } = first;
    if (!(buffer instanceof ArrayBuffer)) throw new Error('it cannot be transferred');
    const sent = structuredClone(first, { transfer: [buffer] });
    expect(first).toHaveLength(0);
    const received = [Buffer.from(sent.buffer, sent.byteOffset, sent.byteLength), second];
    expect(received.flatMap(unpackBatch).map(({ sequence }) => sequence)).toEqual([1, 2]);
  });
});

function plaintextsOf(plaintext: Buffer, bodies: readonly NamedBody[]): Uint8Array[] {
  let at = 0;
  return bodies.map(({ bytes }) => {
    at += 32 + bytes.length;
    return new Uint8Array(plaintext.subarray(at - bytes.length, at));
  });
}
