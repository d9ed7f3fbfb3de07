import { describe, expect, test } from 'vitest';
import type { OpenedBody, StoredRecord } from '../../../src/audit/read.ts';
import { decisionFacts } from '../../../src/exchange/decision-facts.ts';
import { decideAgain } from '../../../src/main/replay.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { allowAll } from '../../support/exchange-deps.ts';
import { createFakeDetector } from '../../support/fake-detector.ts';

const restoring: Decision = { ...allowAll, restore: [{ entity: 'CREDIT_CARD' }] };

describe('what a decision taken again differs in', () => {
  const cases: readonly { name: string; recorded: Decision; now: Decision; differs: readonly string[] }[] = [
    { name: 'nothing', recorded: restoring, now: restoring, differs: [] },
    { name: 'what is put back, which was not', recorded: allowAll, now: restoring, differs: ['restore'] },
    { name: 'what is not put back any more', recorded: restoring, now: allowAll, differs: ['restore'] },
    {
      name: 'masking and labels',
      recorded: allowAll,
      now: { ...allowAll, redact: [{ entity: '*', method: 'drop' }], labels: { tier: 'one' } },
      differs: ['labels', 'redact'],
    },
  ];
  test.each(cases)('$name', async ({ recorded, now, differs }) => {
    const detector = createFakeDetector();
    const facts = { method: 'POST', path: '/v1/x', detectors: detector.revision, decision: decisionFacts(recorded) };
    const pinned = { revision: 'sha256:0', evaluate: () => now, decide: () => now };
    const replayed = await decideAgain(
      { ...record, facts },
      [original],
      { pinned, reads: [] },
      { config: { routes: [], policy: { bundle: '', reloadMs: 0, headers: [] } }, detector, writing: null },
    );
    expect([replayed.differs, replayed.caveats]).toEqual([differs, []]);
  });
});

const record: StoredRecord = {
  sequence: 0,
  id: 'r-1',
  kind: 'intent',
  exchange: 'e-1',
  session: 's-1',
  wallNs: 0n,
  facts: {},
  bodies: [],
  manifest: {},
  manifestBytes: Buffer.alloc(0),
  sealed: Buffer.alloc(0),
  folder: '',
  segment: 0,
  offset: 0,
};
const original: OpenedBody = {
  name: 'prompt_original',
  mediaType: 'application/json',
  bytes: 2,
  content: Buffer.from('{}'),
  salt: Buffer.alloc(0),
};
