import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { DetectionConfig } from '../../../src/config/config.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import { createFollowingDetection } from '../../../src/main/policy-detection.ts';
import { createReplayPolicies } from '../../../src/main/replay-policies.ts';
import { type Bundle, createBundle } from '../../../src/policy/bundle.ts';
import { keepBundle } from '../../../src/policy/bundle-store.ts';
import { allowAll } from '../../support/exchange-deps.ts';
import { recordExchange } from '../../support/recorded-exchange.ts';

const config: DetectionConfig = {
  tier: 'core',
  countries: null,
  custom: [],
  dictionaries: [],
  decode: { percent: false, html: false, base64: false },
  allow: [],
  allowPatterns: [],
  allowHashes: [],
  allowKey: null,
  presidio: null,
};

const bundleWith = (data: JsonObject): Bundle =>
  createBundle({ wasm: new Uint8Array([1]), data, readsText: true, reads: ['findings'], sources: [] });
const withCases = bundleWith({
  detection: { patterns: [{ id: 'case', entity: 'CASE_NUMBER', pattern: 'CASE-\\d+' }] },
});
const plain = bundleWith({});

const folder = mkdtempSync(join(tmpdir(), 'countersign-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function judgedBy(revision: string) {
  const { intent } = await recordExchange({ decide: () => allowAll });
  return { ...intent.record, facts: { ...intent.record.facts, policy: { revision } } };
}

describe('the policies of a replay', () => {
  let pinned = 0;
  const policies = createReplayPolicies(createFollowingDetection(config, []), async ({ revision }) => {
    pinned += 1;
    return { revision, evaluate: () => allowAll, decide: () => allowAll };
  });

  test('each has the detector that it had in service, whatever was loaded in between', async () => {
    for (const bundle of [withCases, plain]) await keepBundle(folder, bundle);
    const found: string[][] = [];
    for (const { revision } of [plain, withCases, plain]) {
      const { detector, reads } = await policies.of(await judgedBy(revision), folder);
      found.push(detector.scan('about CASE-77').findings.map(({ entity }) => entity));
      expect(reads).toEqual(['findings']);
    }
    expect([found, pinned]).toEqual([[[], ['CASE_NUMBER'], []], 2]);
  });

  test('one that was not kept, and a record that names none', async () => {
    const gone = `sha256:${'0'.repeat(64)}`;
    await expect(policies.of(await judgedBy(gone), folder)).rejects.toThrow('was not kept');
    const record = await judgedBy(gone);
    await expect(policies.of({ ...record, facts: {} }, folder)).rejects.toThrow('names no policy');
  });
});
