import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { finishFrame, frameHeaderBytes, readFrame } from '../../../src/audit/frame.ts';
import { layout } from '../../../src/audit/layout.ts';
import { lastOfLogs, logsIn, readLogs } from '../../../src/audit/logs.ts';
import { findParts } from '../../../src/audit/part-recovery.ts';
import { readRecord } from '../../../src/audit/record.ts';
import { parseNoteKey, parseSignedCheckpoint } from '../../../src/audit/verify-note.ts';
import { parseTlogProof } from '../../../src/audit/verify-proof.ts';
import { testKeys, testOrigin } from '../../support/audit.ts';

const directory = mkdtempSync(join(tmpdir(), 'fuzz-ledger-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Noise, and noise in a frame that is itself sound: what stands behind the checksum is not believed either. */
const bytes = fc.uint8Array({ maxLength: 300 }).map((given) => Buffer.from(given));
const framed = bytes.map((payload) => {
  const frame = Buffer.concat([Buffer.alloc(frameHeaderBytes), payload]);
  finishFrame(frame, 0, payload.length, 0, 0, Buffer.alloc(8));
  return frame;
});
const recorded = fc.tuple(fc.json(), bytes).map(([json, sealed]) => {
  const manifest = Buffer.from(json);
  const lengths = [Buffer.alloc(4), Buffer.alloc(4)];
  lengths[0]?.writeUInt32LE(manifest.length);
  lengths[1]?.writeUInt32LE(sealed.length);
  const payload = Buffer.concat([lengths[0] ?? manifest, manifest, lengths[1] ?? manifest, sealed]);
  const frame = Buffer.concat([Buffer.alloc(frameHeaderBytes), payload]);
  finishFrame(frame, 0, payload.length, 0, 0, Buffer.alloc(8));
  return frame;
});

test('frames and records: what is none is none, and nothing is read beyond the bytes that are there', () => {
  fc.assert(
    fc.property(fc.oneof(bytes, framed, recorded), fc.nat(320), (given, at) => {
      const frame = readFrame(given, at);
      if (frame === null) return;
      expect(frame.end).toBeLessThanOrEqual(given.length);
      const record = readRecord(frame.payload);
      if (record !== null) expect(8 + record.manifest.length + record.sealed.length).toBe(frame.payload.length);
    }),
  );
});

test('notes, keys and proofs: a reason, never a throw', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[a-z./+]{1,9}\n\d{0,20}\n.{0,50}$/),
  );
  fc.assert(
    fc.property(text, (given) => {
      for (const parsed of [parseSignedCheckpoint(given), parseTlogProof(given)]) expect(parsed).toBeTypeOf('string');
      parseNoteKey(given);
    }),
  );
});

test('a folder of noise is read to where it makes sense, and its parts are none', async () => {
  mkdirSync(layout.segments(directory), { recursive: true });
  mkdirSync(layout.parts(directory), { recursive: true });
  await fc.assert(
    fc.asyncProperty(fc.oneof(bytes, framed, recorded), async (given) => {
      writeFileSync(layout.segment(directory, 0), given);
      writeFileSync(join(layout.parts(directory), 'noise.parts'), given);
      const logs = await logsIn(directory);
      for await (const record of readLogs(logs)) expect(record.folder).toBe(directory);
      await lastOfLogs(logs, 3);
      const left = findParts(directory, testOrigin, testKeys(), new Set(['x', '']));
      for (const exchange of ['x', '']) expect((await left.take(exchange)).bodies).toEqual({});
    }),
    { numRuns: 50 },
  );
});
