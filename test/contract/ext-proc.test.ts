import { afterEach, expect, test } from 'vitest';
import { addExternalProcessor } from '../../src/pep/ext-proc.ts';
import { createRpcServer, type RpcServer } from '../../src/rpc/server.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import {
  BodySendMode,
  body,
  connectExtProc,
  type ExtProcClient,
  type ExtProcConversation,
  headers,
  ok,
  post,
  trailers,
} from '../support/ext-proc-client.ts';
import {
  changes,
  createFakeExchange,
  type ExchangeScript,
  type FakeExchange,
  fakeReply,
} from '../support/fake-exchange.ts';

/** Each test replays what Envoy sends to the real server, over a real connection, in front of a scripted exchange. */
const { NONE, STREAMED, BUFFERED, BUFFERED_PARTIAL, FULL_DUPLEX_STREAMED } = BodySendMode;
const buffered = { request: BUFFERED, response: BUFFERED };
const streamed = { request: STREAMED, response: STREAMED };
const duplex = { request: FULL_DUPLEX_STREAMED, response: FULL_DUPLEX_STREAMED };
const recommended = { request: BUFFERED, response: FULL_DUPLEX_STREAMED };

let server: RpcServer | null = null;
let client: ExtProcClient | null = null;

afterEach(async () => {
  client?.close();
  await server?.drain(0);
  client = null;
  server = null;
});

interface Setting {
  readonly exchange: FakeExchange;
  readonly talk: ExtProcConversation;
}

async function start(
  script: ExchangeScript,
  modes: { readonly request: BodySendMode; readonly response: BodySendMode } | null,
): Promise<Setting> {
  const exchange = createFakeExchange(script);
  server = createRpcServer({ log: silentLog, reflectionRoot: null });
  addExternalProcessor(server, { exchange, log: silentLog, metrics: noMetrics });
  const port = await server.listen('127.0.0.1:0', null);
  client = connectExtProc(port);
  return { exchange, talk: client.open(modes) };
}

test('BUFFERED request rewritten, FULL_DUPLEX_STREAMED response masked as it flows', async () => {
  const { exchange, talk } = await start(
    {
      request: async () => ({
        body: Buffer.from('masked request'),
        headers: changes({ 'x-set': '1' }, ['accept-encoding']),
      }),
      response: () => ({
        mode: 'stream',
        headers: changes({}, ['etag']),
        push: (piece) => Buffer.from(piece.toString().replaceAll('secret', 'MASKED')),
        finish: async () => ({ tail: Buffer.from('!'), headers: changes({}), reply: null }),
      }),
    },
    recommended,
  );
  talk.send(headers('request', post, false));
  expect(await talk.next()).toBe('request_headers');
  talk.send(body('request', 'hello', true));
  expect(await talk.next()).toBe('request_body replace=masked request +x-set=1 +content-length=14 -accept-encoding');
  talk.send(headers('response', ok, false));
  expect(await talk.next()).toBe('response_headers -etag');
  talk.send(body('response', 'a secret ', false), body('response', '', true));
  expect(await talk.rest()).toEqual({
    answers: ['response_body streamed=a MASKED ', 'response_body streamed=! eos'],
    status: 'OK',
  });
  expect(exchange.seen).toEqual(['request POST /v1/chat/completions hello', 'open 200', 'push a secret ', 'finish']);
});

test('R1 GET without bodies in both directions', async () => {
  const { exchange, talk } = await start({ response: () => ({ mode: 'stream' }) }, recommended);
  talk.send(headers('request', { ':method': 'GET', ':path': '/v1/models' }, true));
  expect(await talk.next()).toBe('request_headers');
  talk.send(headers('response', { ':status': '204' }, true));
  expect(await talk.rest()).toEqual({ answers: ['response_headers'], status: 'OK' });
  expect(exchange.seen).toEqual(['request GET /v1/models -', 'open 204', 'finish']);
});
