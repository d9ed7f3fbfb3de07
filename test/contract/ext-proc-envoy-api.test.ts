import {
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, describe, expect, test } from 'vitest';
import { addAuthorization } from '../../src/pep/ext-authz.ts';
import { addExternalProcessor } from '../../src/pep/ext-proc.ts';
import { createRpcServer, type RpcServer } from '../../src/rpc/server.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { changes, createFakeExchange, type ExchangeScript, fakeReply } from '../support/fake-exchange.ts';

/**
 * Envoy's own .proto files, an older copy of them that another package ships, read by another protobuf library: they know nothing of
 * the subset that we wrote. (They are too old for `protocol_config` and FULL_DUPLEX_STREAMED, so these exchanges are BUFFERED.)
 */
const copies = new URL('../../node_modules/@grpc/grpc-js-xds/deps/', import.meta.url).pathname;
const definition = loadSync(
  ['envoy/service/ext_proc/v3/external_processor.proto', 'envoy/service/auth/v3/external_auth.proto'],
  {
    includeDirs: ['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds'].map((folder) => copies + folder),
    keepCase: true,
    enums: String,
    longs: String,
    oneofs: true,
  },
);

type Service<C> = new (address: string, channel: ChannelCredentials) => C;
interface Services {
  readonly envoy: {
    readonly service: {
      readonly ext_proc: {
        readonly v3: {
          readonly ExternalProcessor: Service<Client & { Process(): ClientDuplexStream<object, object> }>;
        };
      };
      readonly auth: {
        readonly v3: {
          readonly Authorization: Service<
            Client & { Check(request: object, done: (error: Error | null, answer: object) => void): void }
          >;
        };
      };
    };
  };
}
const { envoy } = loadPackageDefinition(definition) as unknown as Services;

let server: RpcServer | null = null;
const closing: Client[] = [];
afterEach(async () => {
  for (const client of closing.splice(0)) client.close();
  await server?.drain(0);
  server = null;
});

async function start(script: ExchangeScript): Promise<string> {
  server = createRpcServer({ log: silentLog, reflectionRoot: null });
  const deps = { exchange: createFakeExchange(script), log: silentLog, metrics: noMetrics };
  addExternalProcessor(server, deps);
  addAuthorization(server, deps);
  return `127.0.0.1:${await server.listen('127.0.0.1:0', null)}`;
}

async function talk(address: string, messages: readonly [object, ...object[]]): Promise<object[]> {
  const client = new envoy.service.ext_proc.v3.ExternalProcessor(address, credentials.createInsecure());
  closing.push(client);
  const call = client.Process();
  const answers: object[] = [];
  call.on('error', () => {});
  call.on('data', (answer: object) => {
    answers.push(answer);
    const next = messages[answers.length];
    if (next !== undefined) call.write(next);
  });
  call.write(messages[0]);
  await new Promise((resolve) => call.on('status', resolve));
  return answers;
}

const requestHeaders = {
  request_headers: {
    headers: {
      headers: [
        { key: ':method', raw_value: Buffer.from('POST') },
        { key: 'content-length', value: '5' },
      ],
    },
    end_of_stream: false,
  },
};

test('ext_proc: a BUFFERED exchange, rewritten in both directions', async () => {
  const address = await start({
    request: async () => ({ body: Buffer.from('masked'), headers: changes({ 'x-set': 'ü' }, ['accept-encoding']) }),
    response: () => ({
      mode: 'whole',
      finish: async () => ({ tail: Buffer.from('answer'), headers: changes({ 'x-masked': '1' }), reply: null }),
    }),
  });
  const answers = await talk(address, [
    requestHeaders,
    { request_body: { body: Buffer.from('hello'), end_of_stream: true } },
    { response_headers: { headers: { headers: [{ key: ':status', value: '200' }] }, end_of_stream: false } },
    { response_body: { body: Buffer.from('secret'), end_of_stream: true } },
  ]);
  const set = (key: string, value: string) => ({ header: { key, raw_value: Buffer.from(value) } });
  expect(answers).toEqual([
    {
      response: 'request_headers',
      request_headers: { response: { header_mutation: { remove_headers: ['accept-encoding'] } } },
    },
    {
      response: 'request_body',
      request_body: {
        response: {
          header_mutation: {
            set_headers: [set('x-set', 'ü'), set('content-length', '6')],
            remove_headers: ['accept-encoding'],
          },
          body_mutation: { mutation: 'body', body: Buffer.from('masked') },
        },
      },
    },
    { response: 'response_headers', response_headers: { response: {} } },
    {
      response: 'response_body',
      response_body: {
        response: {
          header_mutation: { set_headers: [set('x-masked', '1')] },
          body_mutation: { mutation: 'body', body: Buffer.from('answer') },
        },
      },
    },
  ]);
});

test('ext_proc: a denial', async () => {
  const address = await start({ request: async () => fakeReply(403, 'denied') });
  const client = new envoy.service.ext_proc.v3.ExternalProcessor(address, credentials.createInsecure());
  closing.push(client);
  const call = client.Process();
  call.on('error', () => {});
  call.write({ request_headers: { ...requestHeaders.request_headers, end_of_stream: true } });
  const answer = await new Promise((resolve) => call.once('data', resolve));
  call.cancel();
  expect(answer).toEqual({
    response: 'immediate_response',
    immediate_response: {
      status: { code: 'Forbidden' },
      headers: { set_headers: [{ header: { key: 'content-type', raw_value: Buffer.from('application/json') } }] },
      body: Buffer.from('{"error":"denied"}'),
      details: 'countersign_denied',
    },
  });
});

describe('ext_authz', () => {
  const checkRequest = {
    attributes: {
      source: { address: { socket_address: { address: '10.0.0.9', port_value: 5000 } }, principal: 'spiffe://mesh/a' },
      request: {
        http: {
          method: 'POST',
          path: '/v1/chat/completions?x=1',
          host: 'llm.example',
          size: '5',
          headers: { 'content-type': 'application/json' },
          raw_body: Buffer.from('hello'),
        },
      },
    },
  };

  function ask(address: string): Promise<object> {
    const client = new envoy.service.auth.v3.Authorization(address, credentials.createInsecure());
    closing.push(client);
    return new Promise((resolve, reject) => {
      client.Check(checkRequest, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  }

  test('an allow, with header values in `value` and the verdict handed over', async () => {
    const address = await start({ request: async () => ({ headers: changes({ 'x-set': '1' }, ['accept-encoding']) }) });
    expect(await ask(address)).toEqual({
      status: {},
      http_response: 'ok_response',
      ok_response: {
        headers: [{ header: { key: 'x-set', value: '1' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
        headers_to_remove: ['accept-encoding'],
      },
      dynamic_metadata: {
        fields: {
          countersign: {
            kind: 'structValue',
            structValue: { fields: { sealed: { kind: 'stringValue', stringValue: 'yes' } } },
          },
        },
      },
    });
  });

  test('a denial', async () => {
    const address = await start({ request: async () => fakeReply(403, 'denied') });
    expect(await ask(address)).toEqual({
      status: { code: 7, message: 'countersign_denied' },
      http_response: 'denied_response',
      denied_response: {
        status: { code: 'Forbidden' },
        headers: [
          { header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
        ],
        body: '{"error":"denied"}',
      },
    });
  });
});
