import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import type { StreamFraming } from '../../../src/llm/dialect.ts';
import { decideAgain, type ReplayDeps } from '../../../src/main/replay.ts';
import { decideAnswerAgain } from '../../../src/main/replay-answer.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { allowAll } from '../../support/exchange-deps.ts';
import { bodyCases, bodyOf, streamCases, streamOf } from '../../support/llm-cases.ts';
import { ownEntities, recordExchange } from '../../support/recorded-exchange.ts';

/** Every provider's format, its binary frames and its texts within texts included, where the key of placeholders is not at hand. */

const detector = createDetector({ tier: 'core' });
const mediaTypes: Readonly<Record<Exclude<StreamFraming, 'text'>, string>> = {
  sse: 'text/event-stream',
  ndjson: 'application/x-ndjson',
  'json-array': 'application/json',
  eventstream: 'application/vnd.amazon.eventstream',
};

const decide = (): Decision => ({
  ...allowAll,
  redact: [
    { entity: 'EMAIL_ADDRESS', method: 'surrogate' },
    { entity: 'CREDIT_CARD', method: 'token' },
    { entity: '*', method: 'hash' },
  ],
});
const policy = { pinned: { revision: 'sha256:00', evaluate: decide, decide }, reads: [] };

function depsOf(dialect: string): ReplayDeps {
  return {
    config: { routes: [{ pathPrefix: '/', dialect }], policy: { bundle: '', reloadMs: 0, headers: [] } },
    detector,
    writing: { keysOf: () => [], entities: ownEntities, maskingScope: 'session', random: randomBytes },
  };
}

describe('what was sent to the model', () => {
  test.each(bodyCases.filter(({ path }) => path !== null))('$name', async (given) => {
    const { path, headers = {} } = given;
    const dialect = given.create().id;
    const body = bodyOf(given);
    const routes = [{ pathPrefix: '/', dialect }];
    const { intent } = await recordExchange({ decide, body, path: path ?? '/', headers, routes });
    expect(intent.bodies.map(({ name }) => name)).toContain('prompt_sent');
    const { sent } = await decideAgain(intent.record, intent.bodies, policy, depsOf(dialect));
    expect(sent).toEqual({ result: 'same', by: 'form' });
  });
});

describe('what the caller got', () => {
  const answers = [
    ...bodyCases
      .filter(({ path }) => path === null)
      .map((given) => ({ ...given, body: bodyOf(given), type: 'application/json' })),
    ...streamCases.map((given) => ({ ...given, body: streamOf(given), type: mediaTypes[given.framing] })),
  ];
  test.each(answers)('$name ($type)', async ({ create, body, type, name }) => {
    const dialect = create().id;
    const isArray = name === 'google-generate.stream' && type === 'application/json';
    const path = isArray ? '/v1/models/g:streamGenerateContent' : '/x';
    const routes = [{ pathPrefix: '/', dialect }];
    const { intent, outcome } = await recordExchange({ decide, path, routes, answer: { type, body } });
    if (outcome === null) throw new Error('no outcome');
    expect(outcome.record.facts['ended']).toBe('complete');
    expect(outcome.bodies.map(({ name: each }) => each)).toContain('output_released');
    const { sent } = await decideAnswerAgain(intent, outcome, policy, depsOf(dialect));
    expect(sent).toEqual({ result: 'same', by: 'form' });
  });
});
