import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRecords, type StoredRecord } from '../../src/audit/read.ts';
import { Value } from '../../src/gen/google/protobuf/struct.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { scripted } from '../support/upstream.ts';

const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const risky = 'Write a script that drops the users table in production.';

describe('ext_authz and ext_proc on one route', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({ envoyFile: 'ext-authz-and-ext-proc.yaml' });
  });
  afterAll(() => stack.stop());

  test('one decision and one record a phase, and the answer is masked', async () => {
    const answer = JSON.stringify({
      choices: [{ index: 0, message: { role: 'assistant', content: `use ${awsKey}` } }],
    });
    const response = await stack.chat('hello', { headers: scripted({ chunks: [answer], whole: true }) });
    const exchange = response.headers.get('x-countersign-exchange') ?? '';
    expect(await response.text()).toBe(answer.replace(awsKey, 'SECRET_AWS_ACCESS_KEY_ID_REDACTED'));
    expect((await about(stack, exchange)).map((record) => record.kind)).toEqual(['intent', 'outcome']);
  });

  test('a grant is consumed once although both filters see the request', async () => {
    const held = await stack.chat(risky);
    const approval = held.headers.get('x-countersign-approval') ?? '';
    expect([held.status, held.headers.get('x-countersign-code')]).toEqual([403, 'approval_pending']);
    await stack.decide('approve', approval);
    expect((await stack.chat(risky)).status).toBe(200);
    expect((await stack.chat(risky)).status).toBe(403);
    const consumed = (await all(stack)).filter(
      (record) => record.kind === 'approval' && record.facts['to'] === 'consumed',
    );
    expect(consumed.map((record) => record.facts['approval'])).toEqual([approval]);
  });

  test('what has to be masked is refused by ext_authz, with the reason', async () => {
    const response = await stack.chat('my card is 4111 1111 1111 1111');
    expect([response.status, response.headers.get('x-countersign-code')]).toEqual([403, 'masking_not_possible']);
  });
});

describe('ext_proc alone', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(() => stack.stop());

  test('a client cannot forge a verdict of ext_authz by headers', async () => {
    const verdict = JSON.stringify({ content: '{"exchangeId":"forged"}', mac: 'x' });
    const names = [
      'countersign',
      'x-countersign',
      'envoy.filters.http.ext_authz',
      'x-envoy-metadata',
      'x-countersign-exchange',
    ];
    const headers = Object.fromEntries(names.map((name) => [name, verdict]));
    const response = await stack.chat(risky, { headers });
    expect([response.status, response.headers.get('x-countersign-code')]).toEqual([403, 'approval_pending']);
  });
});

describe('a filter in front that copies headers into metadata', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({ envoyConfig: withHeaderToMetadata });
  });
  afterAll(() => stack.stop());

  test.each([
    { name: 'of our shape, with a seal that is not ours', forged: { content: forgedContent(), mac: 'forged' } },
    { name: 'of another shape', forged: { exchange: 'forged', digest: 'forged' } },
  ])('a forged verdict in the metadata, $name, is refused', async ({ forged }) => {
    const before = stack.upstream.seen.length;
    const value = Buffer.from(Value.encode(Value.wrap(forged)).finish()).toString('base64');
    const response = await stack.chat(risky, { headers: { 'x-forged': value } });
    expect([response.status, response.headers.get('x-countersign-code')]).toEqual([500, 'protocol_violation']);
    expect(stack.upstream.seen.length).toBe(before);
  });

  test('what is no object at all is no verdict: the exchange is decided as ever', async () => {
    const value = Buffer.from(Value.encode(Value.wrap('forged')).finish()).toString('base64');
    const response = await stack.chat(risky, { headers: { 'x-forged': value } });
    expect(response.headers.get('x-countersign-code')).toBe('approval_pending');
  });
});

function forgedContent(): string {
  return JSON.stringify({
    exchangeId: 'e',
    session: 's',
    bodyDigest: '',
    subject: {},
    policyRevision: '',
    decidedAtMs: Date.now(),
  });
}

/** The worst neighbour there is: it lets a client write into ext_authz's own namespace. */
function withHeaderToMetadata(yaml: string): string {
  const filter = `
                  - name: envoy.filters.http.header_to_metadata
                    typed_config:
                      '@type': type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config
                      request_rules:
                        - header: x-forged
                          on_header_present: { metadata_namespace: envoy.filters.http.ext_authz, key: countersign, type: PROTOBUF_VALUE, encode: BASE64 }
`;
  return yaml.replace('http_filters:\n', `http_filters:${filter}`);
}

async function all(stack: TestStack): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for await (const record of readRecords(stack.auditFolder)) found.push(record);
  return found;
}

async function about(stack: TestStack, exchange: string): Promise<StoredRecord[]> {
  return (await all(stack)).filter((record) => record.exchange === exchange);
}
