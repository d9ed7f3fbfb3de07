import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DraftRecord, packBatch, unpackBatch } from '../../../src/audit/batch.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const draft = fc.record<DraftRecord>({
  sequence: fc.nat(),
  id: text,
  kind: fc.constantFrom('intent', 'outcome', 'aborted'),
  exchange: text,
  isAwaited: fc.boolean(),
  draft: text,
  subjectKey: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
  bodies: fc.array(fc.record({ name: text, mediaType: text, bytes: fc.uint8Array({ maxLength: 300 }) }), {
    maxLength: 4,
  }),
});

describe('batch', () => {
  test('what was packed is unpacked, with room for a salt in front of each body', () => {
    fc.assert(
      fc.property(fc.array(draft, { maxLength: 5 }), (records) => {
        const unpacked = unpackBatch(packBatch(records)).map(({ bodies, plaintext, subjectKey, ...rest }) => {
          let at = 0;
          return {
            ...rest,
            subjectKey: subjectKey === null ? null : new Uint8Array(subjectKey),
            bodies: bodies.map(({ name, mediaType, bytes }) => {
              at += 32 + bytes;
              return { name, mediaType, bytes: new Uint8Array(plaintext.subarray(at - bytes, at)) };
            }),
          };
        });
        expect(unpacked).toEqual(records);
      }),
    );
  });

  test('the batch has a buffer of its own, so that it can be transferred', () => {
    const batch = packBatch([
      { sequence: 1, id: 'i', kind: 'open', exchange: '', isAwaited: false, draft: '{}', subjectKey: null, bodies: [] },
    ]);
    expect(batch.buffer.byteLength).toBe(batch.length);
  });
});
