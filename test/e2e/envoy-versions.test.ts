import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inBodyModes } from '../support/body-modes.ts';
import { completion, delta, eventStream, said, streamEnd } from '../support/model-stream.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { rawRequest } from '../support/raw-client.ts';
import { allRecords, verified } from '../support/records.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import type { Script } from '../support/upstream.ts';

/** What matters most, on the older Envoys that are supported too; their protocols differ in details (see `envoy-cases.test.ts`). */
const card = '4111 1111 1111 1111';
/** A made-up key in the form of a real one. */
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const maskedKey = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';
const risky = 'Write a script that drops the users table in production.';
const events = ['use ', awsKey.slice(0, 9), awsKey.slice(9), ' now'].map(delta);

const modes = [
  { request: 'BUFFERED', response: 'BUFFERED', trailers: 'SKIP' },
  { request: 'BUFFERED', response: 'STREAMED', trailers: 'SKIP' },
  { request: 'BUFFERED_PARTIAL', response: 'BUFFERED_PARTIAL', trailers: 'SKIP' },
  { request: 'STREAMED', response: 'STREAMED', trailers: 'SKIP' },
  { request: 'FULL_DUPLEX_STREAMED', response: 'FULL_DUPLEX_STREAMED', trailers: 'SEND' },
] as const;

describe.each([{ version: '1.39.3' }, { version: '1.37.0' }] as const)('Envoy $version', ({ version }) => {
  let policy: PolicyVariant;
  beforeAll(async () => {
    policy = await policyVariant({ settings: { hold: { wait_s: 20 } } });
  });
  afterAll(() => policy.remove());

  describe('as shipped', () => {
    let stack: TestStack;
    beforeAll(async () => {
      stack = await startTestStack({ envoyVersion: version, serviceConfig: withBundle(policy.bundle) });
    });
    afterAll(() => stack.stop());

    test('it is that version', async () => {
      const info = await fetch(`http://127.0.0.1:${stack.envoy.adminPort}/server_info`);
      expect(JSON.stringify(await info.json())).toContain(`/${version}/`);
    });

    test('a request is masked', async () => {
      const answer = await ask(stack, { text: `my card is ${card}` });
      expect(answer.status).toBe(200);
      expect(sent(stack)).toMatch(/"my card is CREDIT_CARD_[0-9A-Z]{10}"/);
    });

    test('a JSON answer is masked', async () => {
      const answer = await ask(stack, { script: { chunks: [completion(`use ${awsKey}`)] } });
      expect([answer.status, answer.body]).toEqual([200, completion(`use ${maskedKey}`)]);
    });

    test('a stream is masked as it flows', async () => {
      const answer = await ask(stack, {
        script: { headers: eventStream, chunks: [...events, ...streamEnd], pauseMs: 20 },
      });
      expect([said(answer.body), answer.complete]).toEqual([`use ${maskedKey} now`, true]);
    });

    test('a gzip answer is read, masked and sent plain', async () => {
      const answer = await ask(stack, { script: { chunks: [completion(`use ${awsKey}`)], gzip: true } });
      expect([answer.headers['content-encoding'], answer.body]).toEqual([undefined, completion(`use ${maskedKey}`)]);
    });

    test.each([
      { name: 'JSON', headers: { 'content-type': 'application/json' } },
      { name: 'events', headers: eventStream },
    ])('an empty chunked answer, $name, ends', async ({ headers }) => {
      const answer = await ask(stack, { script: { headers, chunks: [] } });
      expect([answer.status, answer.body, answer.complete]).toEqual([200, '', true]);
    });

    test('a stranger is denied, and the model is not asked', async () => {
      const reached = stack.upstream.seen.length;
      const answer = await ask(stack, { token: null });
      expect([answer.status, answer.headers['x-countersign-code']]).toEqual([401, 'identity_required']);
      expect(stack.upstream.seen.length).toBe(reached);
    });

    test('a held request waits for its approval, and passes', async () => {
      const reached = stack.upstream.seen.length;
      const waiting = ask(stack, { text: risky });
      const { id } = await stack.pending('users table');
      expect(stack.upstream.seen.length).toBe(reached);
      await stack.decide('approve', id);
      expect((await waiting).status).toBe(200);
    });

    test('an upstream that answers before it has read the request', async () => {
      const script = { chunks: [completion(`use ${awsKey}`)], early: true };
      const answer = await ask(stack, { text: 'word '.repeat(200_000), script });
      expect([answer.status, answer.body]).toEqual([200, completion(`use ${maskedKey}`)]);
    });

    test('no alarm of Envoy, and the record is intact', async () => {
      expect(await alarms(stack)).toEqual(noAlarms);
      const report = await verified(stack.auditFolder);
      expect([report.problems, report.openIntents]).toEqual([[], 0]);
    });
  });

  describe('ext_authz in front of ext_proc', () => {
    let stack: TestStack;
    beforeAll(async () => {
      stack = await startTestStack({ envoyVersion: version, envoyFile: 'ext-authz-and-ext-proc.yaml' });
    });
    afterAll(() => stack.stop());

    test('E6 one decision, one record a phase, and the answer is masked', async () => {
      const answer = await ask(stack, { script: { chunks: [completion(`use ${awsKey}`)] } });
      expect([answer.status, answer.body]).toEqual([200, completion(`use ${maskedKey}`)]);
      const exchange = answer.headers['x-countersign-exchange'];
      const records = (await allRecords(stack.auditFolder)).filter((record) => record.exchange === exchange);
      expect(records.map((record) => record.kind)).toEqual(['intent', 'outcome']);
      expect(await alarms(stack)).toEqual(noAlarms);
    });
  });

  describe.each(modes)('request $request, response $response', ({ request, response, trailers }) => {
    let stack: TestStack;
    beforeAll(async () => {
      stack = await startTestStack({
        envoyVersion: version,
        envoyConfig: inBodyModes({ request, response, trailers }),
      });
    });
    afterAll(() => stack.stop());

    test('both directions are masked', async () => {
      const json = await ask(stack, { text: `my card is ${card}`, script: { chunks: [completion(`use ${awsKey}`)] } });
      expect([json.status, json.body]).toEqual([200, completion(`use ${maskedKey}`)]);
      expect(sent(stack)).toMatch(/"my card is CREDIT_CARD_[0-9A-Z]{10}"/);
      const stream = await ask(stack, { script: { headers: eventStream, chunks: [...events, ...streamEnd] } });
      expect([said(stream.body), stream.complete]).toEqual([`use ${maskedKey} now`, true]);
      expect(await alarms(stack)).toEqual(noAlarms);
    });

    test('an empty chunked answer ends', async () => {
      const answer = await ask(stack, { script: { chunks: [] } });
      expect([answer.status, answer.body, answer.complete]).toEqual([200, '', true]);
    });
  });
});

interface Ask {
  readonly text?: string;
  readonly token?: null;
  readonly script?: Script;
}

function ask(stack: TestStack, { text = 'hello', token, script }: Ask): ReturnType<typeof rawRequest> {
  return rawRequest(`${stack.baseUrl}/v1/chat/completions`, {
    body: JSON.stringify({ model: 'scripted-1', messages: [{ role: 'user', content: text }] }),
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { [stack.tokenHeader]: stack.tokens.requester }),
      ...(script ? stack.upstream.keep(script) : {}),
    },
  });
}

/** What the model got last. */
function sent(stack: TestStack): string {
  return stack.upstream.seen.at(-1)?.body.toString('utf8') ?? '';
}
