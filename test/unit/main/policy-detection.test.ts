import { describe, expect, test } from 'vitest';
import type { DetectionConfig } from '../../../src/config/config.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import { createFollowingDetection, type FollowingDetection } from '../../../src/main/policy-detection.ts';

const config: DetectionConfig = {
  tier: 'core',
  countries: null,
  custom: [{ id: 'badge', entity: 'BADGE', pattern: 'B-\\d{6}', score: 0.8, context: [] }],
  dictionaries: [],
  decode: { percent: false, html: false, base64: false },
  allow: ['B-000000'],
  allowPatterns: ['B-1\\d+'],
  allowHashes: [],
  allowKey: null,
  presidio: null,
};
const text = 'B-000000 B-123456 B-654321 CASE-77 Orion 4111 1111 1111 1111';
const detection = (given: JsonObject): JsonObject => ({ settings: {}, detection: given });

function found({ current }: FollowingDetection): string[] {
  return current()
    .scan(text)
    .findings.map(({ start, end }) => text.slice(start, end));
}

describe('detection follows the policy in service', () => {
  const following = createFollowingDetection(config, ['PERSON']);
  const first = following.current().revision;
  const asConfigured = ['B-654321', '4111 1111 1111 1111'];

  test('without data it is as configured', () => {
    following.prepare('one', { settings: {} });
    following.activate('one');
    expect([found(following), following.current().revision]).toEqual([asConfigured, first]);
    expect(['PERSON', 'BADGE', 'CREDIT_CARD'].every((entity) => following.entities.has(entity))).toBe(true);
  });

  test('what the data says counts from the moment that the revision serves', () => {
    following.prepare(
      'two',
      detection({
        patterns: [{ id: 'case', entity: 'CASE_NUMBER', pattern: 'CASE-\\d+' }],
        dictionaries: [{ id: 'projects', entity: 'PROJECT_NAME', words: ['Orion'] }],
        allow: { values: ['B-654321'] },
      }),
    );
    const stream = following.current().openStream();
    expect(found(following)).toEqual(asConfigured);
    following.activate('two');
    expect(found(following)).toEqual(['CASE-77', 'Orion', '4111 1111 1111 1111']);
    expect(following.current().revision).not.toBe(first);
    expect([following.entities.has('CASE_NUMBER'), following.entities.has('PROJECT_NAME')]).toEqual([true, true]);
    // A stream that began before ends as it began.
    const late = [...stream.push(text).findings, ...stream.close().findings];
    expect(late.map(({ entity }) => entity)).toEqual(['BADGE', 'CREDIT_CARD']);
  });

  test.each([
    { name: 'no object', given: { detection: [] }, message: 'data.detection is not an object' },
    {
      name: 'an unknown member',
      given: detection({ pattern: [] }),
      message: 'data.detection Unrecognized key: "pattern"',
    },
    {
      name: 'a pattern that cannot be',
      given: detection({
        patterns: [
          { id: 'ok', entity: 'OK', pattern: 'a' },
          { id: 'bad', entity: 'BAD', pattern: '(' },
        ],
      }),
      message: 'data.detection.patterns[1].pattern is not RE2 syntax: error parsing regexp: missing closing ): `(`',
    },
    {
      name: 'an example that does not hold',
      given: detection({
        patterns: [{ id: 'x', entity: 'XX', pattern: 'x\\d', examples: { positive: ['x1', 'y1'] } }],
      }),
      message: 'data.detection.patterns[0].examples.positive[1] is not found by the pattern',
    },
    {
      name: 'a word that cannot be',
      given: detection({ dictionaries: [{ id: 'd', entity: 'DD', words: ['fine', '#'] }] }),
      message: 'data.detection.dictionaries[0].words[1] is shorter than two characters',
    },
    {
      name: 'an id that configuration has',
      given: detection({ patterns: [{ id: 'badge', entity: 'OTHER', pattern: 'o1' }] }),
      message: 'data.detection.patterns[0].id is there twice: badge',
    },
    {
      name: 'an allowed pattern that cannot be',
      given: detection({ allow: { patterns: ['['] } }),
      message: 'data.detection.allow.patterns[0] is not RE2 syntax: error parsing regexp: missing closing ]: `[)$`',
    },
  ])('refuses $name, and the one before keeps serving', ({ given, message }) => {
    expect(() => following.prepare('bad', given)).toThrow(message);
    following.activate('bad');
    expect(found(following)).toEqual(['CASE-77', 'Orion', '4111 1111 1111 1111']);
  });
});
