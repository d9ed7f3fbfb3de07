import { describe, expect, test } from 'vitest';
import { CheckRequest, CheckResponse } from '../../../src/gen/envoy/service/auth/v3/external_auth.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { checkedRequest } from '../../../src/pep/check-request.ts';
import { check } from '../../../src/pep/ext-authz.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { createFakeExchange, type ExchangeScript, type FakeExchange, fakeReply } from '../../support/fake-exchange.ts';

type Http = NonNullable<NonNullable<CheckRequest['attributes']>['request']>['http'];

function request(http: Partial<NonNullable<Http>>): CheckRequest {
  const whole = CheckRequest.fromPartial({
    attributes: { request: { http: { method: 'POST', path: '/v1/chat/completions', host: 'llm.example', ...http } } },
  } as Parameters<typeof CheckRequest.fromPartial>[0]);
  return CheckRequest.decode(CheckRequest.encode(whole).finish());
}

async function ask(
  script: ExchangeScript,
  given: CheckRequest,
  adapt: (exchange: FakeExchange) => void = () => {},
  signal: AbortSignal = new AbortController().signal,
): Promise<{ readonly answer: CheckResponse; readonly exchange: FakeExchange }> {
  const exchange = createFakeExchange(script);
  adapt(exchange);
  const answer = await check({ exchange, log: silentLog, metrics: noMetrics }, given, signal);
  return { answer: CheckResponse.decode(CheckResponse.encode(answer).finish()), exchange };
}

describe('what is asked about', () => {
  test.each([
    {
      name: 'raw_body',
      http: { rawBody: Buffer.from('a'), size: 1n },
      want: { body: 'a', isBodyWithheld: false, isTruncated: false },
    },
    { name: 'body', http: { body: 'ä', size: 2n }, want: { body: 'ä', isBodyWithheld: false, isTruncated: false } },
    { name: 'no body', http: { size: 0n }, want: { body: null, isBodyWithheld: false, isTruncated: false } },
    {
      name: 'a body that Envoy was not told to send',
      http: { size: 9n },
      want: { body: null, isBodyWithheld: true, isTruncated: false },
    },
    {
      name: 'no content-length',
      http: { body: 'a', size: -1n },
      want: { body: 'a', isBodyWithheld: false, isTruncated: false },
    },
    {
      name: 'a body shorter than its length',
      http: { body: 'a', size: 2n },
      want: { body: 'a', isBodyWithheld: false, isTruncated: true },
    },
    {
      name: 'a body that Envoy says is partial',
      http: { body: 'a', headers: { 'x-envoy-auth-partial-body': 'true' } },
      want: { body: 'a', isBodyWithheld: false, isTruncated: true },
    },
  ])('$name', ({ http, want }) => {
    const { body, isBodyWithheld, isTruncated } = checkedRequest(request(http));
    expect({ body: body?.toString() ?? null, isBodyWithheld, isTruncated }).toEqual(want);
  });

  test('the head, from the map of headers', () => {
    const given = request({ headers: { ':path': '/ignored', Accept: 'a,b' }, path: '/v1/models?x=1' });
    const attributes = given.attributes;
    if (attributes === undefined) throw new Error('a request has attributes');
    attributes.source = {
      address: {
        address: {
          $case: 'socketAddress',
          value: { protocol: 0, address: '10.0.0.9', portSpecifier: { $case: 'portValue', value: 5000 } },
        },
      },
      service: '',
      labels: {},
      principal: 'spiffe://mesh/a',
      certificate: '',
    };
    attributes.destination = {
      address: {
        address: {
          $case: 'socketAddress',
          value: { protocol: 0, address: '2001:db8::1', portSpecifier: { $case: 'portValue', value: 443 } },
        },
      },
      service: '',
      labels: {},
      principal: '',
      certificate: '',
    };
    attributes.contextExtensions = { tenant: 'a' };
    attributes.metadataContext = {
      filterMetadata: { 'envoy.filters.http.jwt_authn': { jwt_payload: { sub: 'ada' } } },
    };
    expect(checkedRequest(given).head).toEqual({
      method: 'POST',
      path: '/v1/models?x=1',
      host: 'llm.example',
      headers: new Map([['accept', 'a,b']]),
      source: { address: '10.0.0.9:5000', principal: 'spiffe://mesh/a' },
      destination: '[2001:db8::1]:443',
      contextExtensions: { tenant: 'a' },
      metadata: { 'envoy.filters.http.jwt_authn': { jwt_payload: { sub: 'ada' } } },
    });
  });

  test('the head, from the list of headers (encode_raw_headers)', () => {
    const headers = [
      { key: ':method', value: '', rawValue: Buffer.from('PUT') },
      { key: 'accept', value: '', rawValue: Buffer.from('a') },
      { key: 'accept', value: 'b', rawValue: Buffer.alloc(0) },
    ];
    const { head } = checkedRequest(request({ method: '', headerMap: { headers } }));
    expect([head.method, head.headers]).toEqual(['PUT', new Map([['accept', 'a, b']])]);
  });
});

describe('what is answered', () => {
  test('a forward: code 0, and nobody may rewrite a body here', async () => {
    const { answer, exchange } = await ask({}, request({ body: 'hello' }));
    expect([answer.status?.code, answer.httpResponse?.$case, answer.dynamicMetadata]).toEqual([
      0,
      'okResponse',
      { countersign: { sealed: 'yes' } },
    ]);
    expect(exchange.requests[0]?.options).toEqual({ canRewrite: false, handover: null, isBodyWithheld: false });
  });

  const denied = (status: number, code: string) => ({
    status: { code: 7, message: `countersign_${code}` },
    httpResponse: {
      $case: 'deniedResponse',
      value: {
        status: { code: status },
        headers: [
          {
            header: { key: 'content-type', value: 'application/json', rawValue: Buffer.alloc(0) },
            append: undefined,
            appendAction: 2,
            keepEmptyValue: false,
          },
        ],
        body: `{"error":"${code}"}`,
      },
    },
    dynamicMetadata: undefined,
  });

  test.each<{ name: string; script: ExchangeScript; given: CheckRequest; want: object; seen: string[] }>([
    {
      name: 'a denial',
      script: { request: async () => fakeReply(403, 'denied') },
      given: request({}),
      want: denied(403, 'denied'),
      seen: ['request POST /v1/chat/completions -'],
    },
    {
      name: 'a truncated body',
      script: {},
      given: request({ body: 'a', size: 9n }),
      want: denied(413, 'body_too_large'),
      seen: ['faultReply body_too_large'],
    },
    {
      name: 'a fault',
      script: { request: async () => Promise.reject(new Fault('policy_failed', 'trap')) },
      given: request({}),
      want: denied(500, 'policy_failed'),
      seen: ['request POST /v1/chat/completions -', 'faultReply policy_failed'],
    },
    {
      name: 'a rewritten body, which cannot be sent',
      script: { request: async () => ({ body: Buffer.from('masked') }) },
      given: request({ body: 'secret' }),
      want: denied(500, 'masking_failed'),
      seen: ['request POST /v1/chat/completions secret', 'abort fault', 'faultReply masking_failed'],
    },
    {
      name: 'no HTTP request at all',
      script: {},
      given: { attributes: undefined },
      want: denied(500, 'protocol_violation'),
      seen: ['faultReply protocol_violation'],
    },
  ])('$name: a denied_response, never a gRPC error', async ({ script, given, want, seen }) => {
    const { answer, exchange } = await ask(script, given);
    expect([answer, exchange.seen]).toEqual([want, seen]);
  });

  test('a fault without words: a bare denial', async () => {
    const { answer } = await ask({ request: async () => Promise.reject(new Error('bug')) }, request({}), (exchange) => {
      exchange.faultReply = () => {
        throw new Error('no words');
      };
    });
    expect(answer).toEqual({
      status: { code: 7, message: 'internal' },
      httpResponse: undefined,
      dynamicMetadata: undefined,
    });
  });

  test('a caller that went away: the exchange that was opened for it is recorded as ended', async () => {
    const { exchange } = await ask({}, request({}), () => {}, AbortSignal.abort());
    expect(exchange.seen.at(-1)).toBe('abort client_gone');
  });
});
