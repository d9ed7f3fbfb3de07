import { describe, expect, test } from 'vitest';
import { type HandedOver, openHandover, sealHandover } from '../../../src/exchange/handover.ts';

const key = Buffer.alloc(32, 7);
const nowMs = 1_700_000_000_000;
const handed: HandedOver = {
  exchangeId: '0197',
  session: 's',
  bodyDigest: 'ab',
  subject: { id: 'alice' },
  policyRevision: 'sha256:1',
  capture: 'masked',
  asked: { dialect: 'openai.chat', operation: 'chat', model: null, stream: true },
  decidedAtMs: nowMs,
};

test('what was sealed opens as it was', () => {
  expect(openHandover(key, sealHandover(key, handed), nowMs + 1_000)).toEqual(handed);
});

describe('anything else does not open', () => {
  const sealed = sealHandover(key, handed);
  const content = String(sealed['content']);
  test.each([
    { name: 'another key', given: sealHandover(Buffer.alloc(32, 8), handed), at: nowMs },
    { name: 'an altered content', given: { ...sealed, content: content.replace('alice', 'mallory') }, at: nowMs },
    { name: 'an altered seal', given: { ...sealed, mac: `${String(sealed['mac']).slice(0, -1)}_` }, at: nowMs },
    { name: 'no seal', given: { content }, at: nowMs },
    { name: 'no content', given: { mac: String(sealed['mac']) }, at: nowMs },
    { name: 'nothing', given: {}, at: nowMs },
    { name: 'too old', given: sealed, at: nowMs + 300_001 },
    { name: 'from the future', given: sealed, at: nowMs - 300_001 },
  ])('$name', ({ given, at }) => {
    expect(openHandover(key, given, at)).toBeNull();
  });
});
