import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import type { ResponsePhase } from '../../src/exchange/exchange.ts';
import { ProcessingRequest } from '../../src/gen/envoy/service/ext_proc/v3/external_processor.ts';
import { Fault } from '../../src/lib/fault.ts';
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
  responseEnd,
} from '../support/fake-exchange.ts';

/** Each test replays what Envoy sends, over a real connection to the real server, in front of a scripted exchange. */
const { NONE, STREAMED, BUFFERED, BUFFERED_PARTIAL, FULL_DUPLEX_STREAMED } = BodySendMode;
const buffered = { request: BUFFERED, response: BUFFERED };
const partial = { request: BUFFERED_PARTIAL, response: BUFFERED_PARTIAL };
const streamed = { request: STREAMED, response: STREAMED };
const duplex = { request: FULL_DUPLEX_STREAMED, response: FULL_DUPLEX_STREAMED };
const none = { request: NONE, response: NONE };
/** What the shipped configurations use. */
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
  readonly port: number;
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
  return { exchange, talk: client.open(modes), port };
}

/** A masker as the exchange has one: holds back what could still become `needle`. */
function masking(needle: Buffer, mask: string): Partial<ResponsePhase> {
  let pending: Buffer = Buffer.alloc(0);
  function release(isLast: boolean): Buffer {
    const out: Buffer[] = [];
    for (let at = pending.indexOf(needle); at >= 0; at = pending.indexOf(needle)) {
      out.push(pending.subarray(0, at), Buffer.from(mask));
      pending = pending.subarray(at + needle.length);
    }
    let keep = isLast ? 0 : Math.min(needle.length - 1, pending.length);
    while (keep > 0 && !needle.subarray(0, keep).equals(pending.subarray(pending.length - keep))) keep -= 1;
    out.push(pending.subarray(0, pending.length - keep));
    pending = pending.subarray(pending.length - keep);
    return Buffer.concat(out);
  }
  return {
    mode: 'stream',
    push: (piece) => {
      pending = Buffer.concat([pending, piece]);
      return release(false);
    },
    finish: async () => ({ tail: release(true), headers: changes({}), reply: null }),
  };
}

const rewriting: ExchangeScript['request'] = async () => ({
  body: Buffer.from('masked request'),
  headers: changes({ 'x-set': '1' }, ['accept-encoding']),
});

/** An upstream that gives no more: a promise that waits for the signal alone. */
const waitsForever: ExchangeScript['request'] = ({ signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Fault('internal', 'cancelled')));
  });

test('the recommended modes: a rewritten request, a response masked as it flows', async () => {
  const script: ExchangeScript = {
    request: rewriting,
    response: () => ({ ...masking(Buffer.from('secret'), 'MASKED'), headers: changes({}, ['etag']) }),
  };
  const { exchange, talk } = await start(script, recommended);
  talk.send(headers('request', post, false));
  expect(await talk.next()).toBe('request_headers');
  talk.send(body('request', 'hello', true));
  expect(await talk.next()).toBe('request_body replace=masked request +x-set=1 +content-length=14 -accept-encoding');
  talk.send(headers('response', { ...ok, 'content-length': '20' }, false));
  expect(await talk.next()).toBe('response_headers -etag -content-length');
  talk.send(body('response', 'a sec', false), body('response', 'ret and a sec', false), body('response', '', true));
  expect(await talk.rest()).toEqual({
    answers: ['response_body streamed=a ', 'response_body streamed=MASKED and a ', 'response_body streamed=sec eos'],
    status: 'OK',
  });
  expect(exchange.seen).toEqual([
    'request POST /v1/chat/completions hello',
    'open 200',
    'push a sec',
    'push ret and a sec',
    'finish',
  ]);
});

test('R1 a GET without bodies in either direction', async () => {
  const { exchange, talk } = await start({ response: () => ({ mode: 'stream' }) }, recommended);
  talk.send(headers('request', { ':method': 'GET', ':path': '/v1/models' }, true));
  expect(await talk.next()).toBe('request_headers');
  talk.send(headers('response', { ':status': '204' }, true));
  expect(await talk.rest()).toEqual({ answers: ['response_headers'], status: 'OK' });
  expect(exchange.seen).toEqual(['request GET /v1/models -', 'open 204', 'finish']);
});

test.each([
  {
    modes: recommended,
    name: 'FULL_DUPLEX_STREAMED',
    answers: ['response_headers', 'response_body streamed=denied eos'],
  },
  { modes: buffered, name: 'BUFFERED', answers: ['response_headers', 'response_body'] },
])('R2 a local reply is the first message, $name: it passes', async ({ modes, answers }) => {
  const { exchange, talk } = await start({}, modes);
  talk.send(headers('response', { ':status': '403' }, false), body('response', 'denied', true));
  expect(await talk.take(2)).toEqual(answers);
  talk.halfClose();
  expect(await talk.rest()).toEqual({ answers: [], status: 'OK' });
  expect(exchange.seen).toEqual([]);
});

test('R3 the first message is a request body (request_header_mode SKIP)', async () => {
  const { exchange, talk } = await start({ request: rewriting }, buffered);
  talk.send(body('request', 'hello', true));
  expect(await talk.next()).toBe('request_body replace=masked request +x-set=1 -accept-encoding');
  expect(exchange.seen).toEqual(['request   hello']);
});

describe('R4 BUFFERED bodies that end the stream', () => {
  test.each([
    {
      name: 'unchanged bodies are not sent back',
      script: { response: () => ({ mode: 'whole' }) } satisfies ExchangeScript,
      want: ['request_body', 'response_headers', 'response_body'],
    },
    {
      name: 'changed bodies come with their length and header changes',
      script: {
        request: rewriting,
        response: () => ({
          mode: 'whole',
          headers: changes({}, ['etag']),
          finish: async () => responseEnd('masked', null, changes({ 'x-masked': '1' })),
        }),
      } satisfies ExchangeScript,
      want: [
        'request_body replace=masked request +x-set=1 +content-length=14 -accept-encoding',
        'response_headers -etag',
        'response_body replace=masked +x-masked=1 +content-length=6',
      ],
    },
    {
      name: 'a body may become empty',
      script: {
        request: async () => ({ body: Buffer.alloc(0) }),
        response: () => ({ mode: 'whole', finish: async () => responseEnd('') }),
      } satisfies ExchangeScript,
      want: ['request_body clear +content-length=0', 'response_headers', 'response_body clear +content-length=0'],
    },
    {
      name: 'a response can be refused at its end',
      script: {
        response: () => ({ mode: 'whole', finish: async () => responseEnd('', fakeReply(403, 'denied')) }),
      } satisfies ExchangeScript,
      want: [
        'request_body',
        'response_headers',
        'immediate 403 {"error":"denied"} countersign_denied +content-type=application/json',
      ],
    },
  ])('$name', async ({ script, want }) => {
    const { talk } = await start(script, buffered);
    talk.send(headers('request', post, false));
    expect(await talk.next()).toBe('request_headers');
    talk.send(body('request', 'hello', true));
    const first = await talk.next();
    talk.send(headers('response', { ':status': '200', 'content-length': '4' }, false), body('response', 'body', true));
    expect([first, ...(await talk.take(2))]).toEqual(want);
  });
});

test('R5 a BUFFERED body that does not end the stream is followed by trailers', async () => {
  const { exchange, talk } = await start({ request: rewriting, response: () => ({ mode: 'whole' }) }, buffered);
  talk.send(headers('request', post, false), body('request', 'hello', false));
  expect(await talk.take(2)).toEqual([
    'request_headers',
    'request_body replace=masked request +x-set=1 +content-length=14 -accept-encoding',
  ]);
  talk.send(trailers('request'));
  expect(await talk.next()).toBe('request_trailers');
  talk.send(headers('response', ok, false), body('response', 'answer', false));
  expect(await talk.take(2)).toEqual(['response_headers', 'response_body']);
  talk.send(trailers('response'));
  expect(await talk.rest()).toEqual({ answers: ['response_trailers'], status: 'OK' });
  expect(exchange.seen.at(-1)).toBe('finish');
});

test('R6 STREAMED: one answer a chunk, in order; a request leaves with its last answer', async () => {
  const script: ExchangeScript = {
    request: async ({ body: given }) => ({ body: Buffer.from(`masked ${given}`) }),
    response: () => masking(Buffer.from('secret'), 'MASKED'),
  };
  const { exchange, talk } = await start(script, streamed);
  talk.send(headers('request', post, false));
  expect(await talk.next()).toBe('request_headers -accept-encoding');
  talk.send(body('request', 'one ', false), body('request', '', false), body('request', 'two', true));
  expect(await talk.take(3)).toEqual(['request_body clear', 'request_body', 'request_body replace=masked one two']);
  talk.send(headers('response', ok, false));
  expect(await talk.next()).toBe('response_headers');
  talk.send(body('response', 'plain', false), body('response', 'sec', false), body('response', 'ret.', true));
  expect(await talk.rest()).toEqual({
    answers: ['response_body', 'response_body clear', 'response_body replace=MASKED.'],
    status: 'OK',
  });
  expect(exchange.seen[0]).toBe('request POST /v1/chat/completions one two');
});

test('R6 STREAMED: an unchanged request of one chunk is not sent back, one of several is sent whole', async () => {
  const { talk } = await start({}, streamed);
  talk.send(headers('request', post, false), body('request', 'hello', true));
  expect(await talk.take(2)).toEqual(['request_headers -accept-encoding', 'request_body']);
  const other = client?.open(streamed);
  other?.send(headers('request', post, false), body('request', 'hel', false), body('request', 'lo', true));
  expect(await other?.take(3)).toEqual([
    'request_headers -accept-encoding',
    'request_body clear',
    'request_body replace=hello',
  ]);
});

test.each([{ modes: streamed }, { modes: recommended }])(
  'R7 a secret split at every byte offset, within a character too: $modes.response',
  async ({ modes }) => {
    const needle = Buffer.from('sécret');
    await start({ response: () => masking(needle, 'MASKED') }, modes);
    const text = Buffer.concat([Buffer.from('ä '), needle, Buffer.from(' é '), needle]);
    const results = [];
    for (let at = 0; at <= text.length; at += 1) {
      const talk = client?.open(modes);
      talk?.send(headers('request', { ':method': 'GET' }, true));
      await talk?.next();
      talk?.send(headers('response', ok, false));
      await talk?.next();
      talk?.send(body('response', text.subarray(0, at), false), body('response', text.subarray(at), true));
      const { answers, status } = (await talk?.rest()) ?? { answers: [], status: '' };
      const pieces = [text.subarray(0, at), text.subarray(at)].map((piece) => piece.toString('latin1'));
      const out = answers.map((answer, index) => {
        if (answer === 'response_body') return pieces[index] ?? '';
        return answer.replace(/^response_body (replace=|streamed=|clear)/, '').replace(/ eos$/, '');
      });
      results.push(`${Buffer.from(out.join(''), 'latin1')} ${status}`);
    }
    expect(new Set(results)).toEqual(new Set(['ä MASKED é MASKED OK']));
  },
);

test('R8 an empty last chunk flushes what was held', async () => {
  const { talk } = await start({ response: () => masking(Buffer.from('secret'), 'MASKED') }, streamed);
  talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
  await talk.take(2);
  talk.send(body('response', 'a sec', false), body('response', '', true));
  expect(await talk.rest()).toEqual({
    answers: ['response_body replace=a ', 'response_body replace=sec'],
    status: 'OK',
  });
});

describe('R9 STREAMED bodies that end with trailers', () => {
  test('a request that was held cannot be delivered any more: refused', async () => {
    const { talk } = await start({}, streamed);
    talk.send(headers('request', post, false), body('request', 'hello', false), trailers('request'));
    expect(await talk.take(3)).toEqual([
      'request_headers -accept-encoding',
      'request_body clear',
      'immediate 413 {"error":"body_too_large"} countersign_body_too_large +content-type=application/json',
    ]);
  });

  test('a response with held bytes ends by an error status', async () => {
    const { talk } = await start({ response: () => masking(Buffer.from('secret'), 'MASKED') }, streamed);
    talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
    talk.send(body('response', 'a sec', false), trailers('response'));
    expect(await talk.rest()).toEqual({
      answers: ['request_headers', 'response_headers', 'response_body replace=a '],
      status: '13 failed',
    });
  });

  test('a response with nothing held ends well', async () => {
    const { talk } = await start({ response: () => masking(Buffer.from('secret'), 'MASKED') }, streamed);
    talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
    talk.send(body('response', 'all', false), trailers('response'));
    expect(await talk.rest()).toEqual({
      answers: ['request_headers', 'response_headers', 'response_body', 'response_trailers'],
      status: 'OK',
    });
  });
});

describe('R10 FULL_DUPLEX_STREAMED', () => {
  test('the headers of a request are answered after its whole body, and before the body', async () => {
    const { talk, exchange } = await start({ request: rewriting, response: () => ({ mode: 'whole' }) }, duplex);
    talk.send(headers('request', post, false), body('request', 'hel', false), body('request', 'lo', false));
    talk.send(body('request', '', true));
    expect(await talk.take(2)).toEqual([
      'request_headers +x-set=1 -accept-encoding -content-length',
      'request_body streamed=masked request eos',
    ]);
    expect(exchange.seen).toEqual(['request POST /v1/chat/completions hello']);
    talk.send(headers('response', { ...ok, 'content-length': '6' }, false), body('response', 'answer', false));
    talk.send(body('response', '', true));
    expect(await talk.rest()).toEqual({
      answers: ['response_headers -content-length', 'response_body streamed=answer eos'],
      status: 'OK',
    });
  });

  test('large bodies go out in small pieces, of which the last alone ends the stream', async () => {
    const { talk } = await start({ response: () => ({ mode: 'whole' }) }, duplex);
    talk.send(headers('request', post, false), body('request', 'x'.repeat(150_000), true));
    const answers = await talk.take(4);
    expect(answers.map((answer) => [answer.length, answer.endsWith(' eos')])).toEqual([
      ['request_headers'.length, false],
      ['request_body streamed='.length + 62_000, false],
      ['request_body streamed='.length + 62_000, false],
      ['request_body streamed= eos'.length + 26_000, true],
    ]);
  });

  test('an empty body is answered by an empty end', async () => {
    const { talk } = await start({}, duplex);
    talk.send(headers('request', post, false), body('request', '', true));
    expect(await talk.take(2)).toEqual(['request_headers', 'request_body streamed= eos']);
  });

  test('a response judged whole can still be refused', async () => {
    const script: ExchangeScript = {
      response: () => ({ mode: 'whole', finish: async () => responseEnd('', fakeReply(403, 'denied')) }),
    };
    const { talk } = await start(script, recommended);
    talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
    talk.send(body('response', 'secret', true));
    expect(await talk.take(2)).toEqual([
      'request_headers',
      'immediate 403 {"error":"denied"} countersign_denied +content-type=application/json',
    ]);
  });

  test('a response refused at its headers is answered when that is on record', async () => {
    const script: ExchangeScript = { response: () => ({ mode: 'reply', reply: fakeReply(403, 'denied') }) };
    const { talk, exchange } = await start(script, recommended);
    talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
    expect(await talk.take(2)).toEqual([
      'request_headers',
      'immediate 403 {"error":"denied"} countersign_denied +content-type=application/json',
    ]);
    expect(exchange.seen).toEqual(['request GET  -', 'open 200', 'finish']);
  });
});

test('R11 FULL_DUPLEX_STREAMED with trailers: flushed before them, and no body message ends the stream', async () => {
  const script: ExchangeScript = { request: rewriting, response: () => masking(Buffer.from('secret'), 'MASKED') };
  const { talk } = await start(script, duplex);
  talk.send(headers('request', post, false), body('request', 'hello', false), trailers('request'));
  expect(await talk.take(3)).toEqual([
    'request_headers +x-set=1 -accept-encoding -content-length',
    'request_body streamed=masked request',
    'request_trailers',
  ]);
  talk.send(headers('response', ok, false), body('response', 'a sec', false), trailers('response'));
  expect(await talk.rest()).toEqual({
    answers: ['response_headers', 'response_body streamed=a ', 'response_body streamed=sec', 'response_trailers'],
    status: 'OK',
  });
});

test.each([{ modes: duplex }, { modes: recommended }])('R12 a repeated end of a body is ignored', async ({ modes }) => {
  const { talk, exchange } = await start({ response: () => ({ mode: 'whole' }) }, modes);
  talk.send(headers('request', post, false), body('request', 'hello', true), body('request', '', true));
  expect(await talk.take(2)).toEqual([
    'request_headers',
    modes === duplex ? 'request_body streamed=hello eos' : 'request_body',
  ]);
  talk.send(headers('response', ok, false), body('response', 'answer', true), body('response', '', true));
  expect(await talk.rest()).toEqual({
    answers: ['response_headers', 'response_body streamed=answer eos'],
    status: 'OK',
  });
  expect(exchange.seen.filter((entry) => entry === 'finish')).toEqual(['finish']);
});

describe('R13 a response arrives while its request still waits', () => {
  test.each([
    { name: 'FULL_DUPLEX_STREAMED', modes: duplex, first: [] },
    { name: 'BUFFERED', modes: recommended, first: ['request_headers'] },
  ])('$name: it is a local reply, and passes at once', async ({ modes, first }) => {
    const { talk, exchange } = await start({ request: waitsForever }, modes);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    await exchange.until('request');
    talk.send(headers('response', { ':status': '504' }, false), body('response', 'timeout', true));
    expect(await talk.take(first.length + 2)).toEqual([
      ...first,
      'response_headers',
      'response_body streamed=timeout eos',
    ]);
    expect(exchange.requests[0]?.options.canRewrite).toBe(true);
  });

  test('a verdict that comes after it forwards nothing, and the exchange is recorded as ended', async () => {
    let forward = () => {};
    const script: ExchangeScript = {
      request: () =>
        new Promise((resolve) => {
          forward = () => resolve({});
        }),
    };
    const { talk, exchange } = await start(script, duplex);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    await exchange.until('request');
    talk.send(headers('response', { ':status': '504' }, true));
    expect(await talk.next()).toBe('response_headers');
    forward();
    await exchange.until('abort');
    expect(exchange.seen).toEqual(['request POST /v1/chat/completions hello', 'abort local_reply']);
    talk.halfClose();
    expect(await talk.rest()).toEqual({ answers: [], status: 'OK' });
  });

  test('STREAMED: the upstream answers to headers that nobody had decided about: refused', async () => {
    const { talk } = await start({}, streamed);
    talk.send(headers('request', post, false), body('request', 'hel', false), headers('response', ok, false));
    expect(await talk.take(3)).toEqual([
      'request_headers -accept-encoding',
      'request_body clear',
      'immediate 500 {"error":"protocol_violation"} countersign_protocol_violation +content-type=application/json',
    ]);
  });
});

test('R14 the directions interleave', async () => {
  const { talk } = await start({ response: () => ({ mode: 'stream' }) }, { request: NONE, response: STREAMED });
  talk.send(headers('request', post, false));
  expect(await talk.next()).toBe('request_headers');
  talk.send(headers('response', ok, false), body('response', 'one', false), trailers('request'));
  talk.send(body('response', 'two', true));
  expect(await talk.rest()).toEqual({
    answers: ['response_headers', 'response_body', 'request_trailers', 'response_body'],
    status: 'OK',
  });
});

describe('R15 the client goes away', () => {
  test('while its request is held: the wait ends, and nothing is written', async () => {
    let signalled: AbortSignal | null = null;
    const script: ExchangeScript = {
      request: (given) => {
        signalled = given.signal;
        return waitsForever?.(given) ?? Promise.resolve({});
      },
    };
    const { talk, exchange } = await start(script, recommended);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    await exchange.until('request');
    talk.cancel();
    await exchange.until('faultReply');
    expect(signalled).toMatchObject({ aborted: true });
    expect(await talk.rest()).toMatchObject({ answers: ['request_headers'], status: '1 Cancelled on client' });
  });

  test.each([
    { name: 'after the request was forwarded', messages: [] },
    { name: 'in the middle of the answer', messages: [headers('response', ok, false), body('response', 'one', false)] },
  ])('$name: recorded as aborted', async ({ messages }) => {
    const { talk, exchange } = await start({ response: () => ({ mode: 'stream' }) }, recommended);
    talk.send(headers('request', { ':method': 'GET' }, true), ...messages);
    await talk.take(1 + messages.length);
    talk.cancel();
    await exchange.until('abort');
    expect(exchange.seen.at(-1)).toBe('abort client_gone');
  });

  test('a half-close in the middle of an answer is no allow', async () => {
    const { talk, exchange } = await start({ response: () => ({ mode: 'stream' }) }, recommended);
    talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
    await talk.take(2);
    talk.halfClose();
    expect(await talk.rest()).toEqual({ answers: [], status: '1 client_gone' });
    expect(exchange.seen.at(-1)).toBe('abort client_gone');
  });

  test('a client that half-closes at once still gets its answers', async () => {
    const { talk } = await start({ response: () => ({ mode: 'whole' }) }, recommended);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    talk.halfClose();
    expect(await talk.rest()).toEqual({ answers: ['request_headers', 'request_body'], status: 'OK' });
  });
});

describe('R16 what we do not know is never answered by silence or by an allow', () => {
  test.each([
    { name: 'an unknown oneof', bytes: Buffer.from([0x7a, 0x00]), status: '3 protocol_violation' },
    { name: 'an empty message', bytes: Buffer.alloc(0), status: '3 protocol_violation' },
    { name: 'malformed bytes', bytes: Buffer.from([0x12, 0x7f]), status: '13 Error deserializing request' },
  ])('$name', async ({ bytes, status }) => {
    const { port } = await start({}, recommended);
    const raw = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const call = raw.makeBidiStreamRequest(
      '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
      (message: Buffer) => message,
      (message: Buffer) => message,
    );
    const answers: Buffer[] = [];
    const ended = new Promise<string>((resolve) => {
      call.on('data', (answer: Buffer) => answers.push(answer));
      call.on('error', () => {});
      call.on('status', ({ code, details }) => resolve(`${code} ${details}`));
    });
    call.write(bytes);
    expect([await ended, answers]).toEqual([status, []]);
    raw.close();
  });

  test.each([
    { name: 'request headers twice', messages: [headers('request', post, false), headers('request', post, false)] },
    { name: 'a body where none is sent', messages: [headers('request', post, false), body('request', 'x', true)] },
    { name: 'trailers after the end', messages: [headers('request', post, true), trailers('request')] },
  ])('$name: an error status', async ({ messages }) => {
    const { talk } = await start({}, none);
    talk.send(...messages);
    expect((await talk.rest()).status).toBe('3 protocol_violation');
  });
});

test('R17 observability_mode: copies are read, nothing is answered or decided', async () => {
  const { talk, exchange } = await start({}, recommended);
  talk.send({ ...headers('request', post, false), observabilityMode: true }, body('request', 'hello', true));
  talk.send(headers('response', ok, false), body('response', 'answer', true));
  talk.halfClose();
  expect(await talk.rest()).toEqual({ answers: [], status: 'OK' });
  expect(exchange.seen).toEqual([]);
});

test('R18 headers: raw_value before value, repeated keys joined, bytes that are no UTF-8', async () => {
  const { talk, exchange } = await start({}, recommended);
  const list = [
    { key: ':method', value: '', rawValue: Buffer.from('GET') },
    { key: ':path', value: '/only-value', rawValue: Buffer.alloc(0) },
    { key: 'accept', value: 'ignored', rawValue: Buffer.from('a') },
    { key: 'Accept', value: '', rawValue: Buffer.from('b') },
    { key: 'cookie', value: '', rawValue: Buffer.from('c=1') },
    { key: 'cookie', value: '', rawValue: Buffer.from('d=2') },
    { key: 'x-latin', value: '', rawValue: Buffer.from([0x61, 0xe9, 0x62]) },
  ];
  talk.send({ request: { $case: 'requestHeaders', value: { headers: { headers: list }, endOfStream: true } } });
  expect(await talk.next()).toBe('request_headers');
  const head = exchange.requests[0]?.head;
  expect([head?.method, head?.path, Object.fromEntries(head?.headers ?? [])]).toEqual([
    'GET',
    '/only-value',
    { accept: 'a, b', cookie: 'c=1; d=2', 'x-latin': 'a\ufffdb' },
  ]);
});

test('R19 a message of 9 MB', async () => {
  const { talk } = await start({ request: async ({ body: given }) => ({ body: given }) }, recommended);
  const content = Buffer.alloc(9_000_000, 'a');
  talk.send(headers('request', post, false), body('request', content, true));
  const [, answer] = await talk.take(2);
  expect(answer?.length).toBe('request_body replace= +content-length=9000000'.length + content.length);
});

test('R19 a request beyond bodyBytesMax is refused', async () => {
  const { talk, exchange } = await start({}, duplex);
  talk.send(headers('request', post, false));
  for (let sent = 0; sent <= 16 * 1024 * 1024; sent += 1024 * 1024)
    talk.send(body('request', Buffer.alloc(1024 * 1024), false));
  expect(await talk.next()).toBe(
    'immediate 413 {"error":"body_too_large"} countersign_body_too_large +content-type=application/json',
  );
  expect(exchange.seen).toEqual(['faultReply body_too_large']);
});

describe('R20 faults', () => {
  test('of the request phase: words while there are some', async () => {
    const script: ExchangeScript = { request: async () => Promise.reject(new Fault('policy_failed', 'trap')) };
    const { talk } = await start(script, recommended);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    expect(await talk.take(2)).toEqual([
      'request_headers',
      'immediate 500 {"error":"policy_failed"} countersign_policy_failed +content-type=application/json',
    ]);
  });

  test('of the words too: an error status', async () => {
    const { talk, exchange } = await start({ request: async () => Promise.reject(new Error('bug')) }, recommended);
    exchange.faultReply = () => {
      throw new Error('no words');
    };
    talk.send(headers('request', post, false), body('request', 'hello', true));
    expect(await talk.rest()).toEqual({ answers: ['request_headers'], status: '13 failed' });
  });

  const broken = () => {
    throw new Fault('masking_failed', 'odd chunk');
  };
  test.each([
    {
      name: 'in a stream, with words: an error event ends it',
      modes: recommended,
      phase: {
        mode: 'stream',
        push: broken,
        failureTail: () => Buffer.from('data: error'),
      } satisfies Partial<ResponsePhase>,
      want: ['response_headers', 'response_body streamed=data: error eos'],
      status: null,
    },
    {
      name: 'in a stream, without words: reset',
      modes: recommended,
      phase: { mode: 'stream', push: broken } satisfies Partial<ResponsePhase>,
      want: ['response_headers'],
      status: '13 failed',
    },
    {
      name: 'at the end of a stream',
      modes: recommended,
      phase: {
        mode: 'stream',
        push: () => Buffer.alloc(0),
        finish: async () => broken(),
        failureTail: () => Buffer.from('data: error'),
      } satisfies Partial<ResponsePhase>,
      want: ['response_headers', 'response_body streamed=data: error eos'],
      status: null,
    },
    {
      name: 'refused at the end of a stream',
      modes: recommended,
      phase: {
        mode: 'stream',
        push: () => Buffer.alloc(0),
        finish: async () => responseEnd('', fakeReply(500, 'late')),
        failureTail: () => Buffer.from('data: error'),
      } satisfies Partial<ResponsePhase>,
      want: ['response_headers', 'response_body streamed=data: error eos'],
      status: null,
    },
    {
      name: 'before the headers left: a clean answer',
      modes: recommended,
      phase: { mode: 'whole', push: broken } satisfies Partial<ResponsePhase>,
      want: ['immediate 500 {"error":"masking_failed"} countersign_masking_failed +content-type=application/json'],
      status: null,
    },
    {
      name: 'BUFFERED: a clean answer',
      modes: buffered,
      phase: { mode: 'whole', finish: async () => broken() } satisfies Partial<ResponsePhase>,
      want: [
        'response_headers',
        'immediate 500 {"error":"masking_failed"} countersign_masking_failed +content-type=application/json',
      ],
      status: null,
    },
    {
      name: 'STREAMED: reset',
      modes: streamed,
      phase: { mode: 'whole', finish: async () => broken() } satisfies Partial<ResponsePhase>,
      want: ['response_headers'],
      status: '13 failed',
    },
    {
      name: 'when the response is opened: a clean answer',
      modes: recommended,
      phase: null,
      want: ['immediate 500 {"error":"masking_failed"} countersign_masking_failed +content-type=application/json'],
      status: null,
    },
  ])('of the response phase, $name', async ({ modes, phase, want, status }) => {
    const { talk, exchange } = await start({ response: () => phase ?? broken() }, modes);
    talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
    expect(await talk.next()).toBe('request_headers');
    talk.send(body('response', 'piece', true));
    expect(await talk.take(want.length)).toEqual(want);
    expect(exchange.seen.at(-1)).toBe('abort fault');
    if (status !== null) expect(await talk.rest()).toEqual({ answers: [], status });
  });
});

describe('R21 protocol_config absent (older Envoy): inferred from the first body', () => {
  test('it ends the stream: BUFFERED', async () => {
    const { talk } = await start({ request: rewriting, response: () => ({ mode: 'whole' }) }, null);
    talk.send(headers('request', post, false));
    expect(await talk.next()).toBe('request_headers -accept-encoding');
    talk.send(body('request', 'hello', true));
    expect(await talk.next()).toBe('request_body replace=masked request +x-set=1 +content-length=14 -accept-encoding');
    talk.send(headers('response', ok, false), body('response', 'answer', true));
    expect(await talk.rest()).toEqual({ answers: ['response_headers', 'response_body'], status: 'OK' });
  });

  test('it does not: STREAMED', async () => {
    const { talk } = await start(
      { request: rewriting, response: () => masking(Buffer.from('secret'), 'MASKED') },
      null,
    );
    talk.send(headers('request', post, false), body('request', 'hel', false), body('request', 'lo', true));
    expect(await talk.take(3)).toEqual([
      'request_headers -accept-encoding',
      'request_body clear',
      'request_body replace=masked request',
    ]);
    talk.send(headers('response', ok, false), body('response', 'sec', false), body('response', 'ret', true));
    expect(await talk.rest()).toEqual({
      answers: ['response_headers', 'response_body clear', 'response_body replace=MASKED'],
      status: 'OK',
    });
  });
});

describe('R22 attributes and metadata', () => {
  test('absent', async () => {
    const { talk, exchange } = await start({}, recommended);
    talk.send(headers('request', post, true));
    await talk.next();
    expect(exchange.requests[0]).toMatchObject({
      head: { source: { address: '', principal: null }, destination: '', contextExtensions: {}, metadata: {} },
      options: { canRewrite: true, handover: null },
    });
  });

  test('present', async () => {
    const { talk, exchange } = await start({}, recommended);
    const metadata = {
      'envoy.filters.http.ext_authz': { ext_authz_duration: 2, countersign: { content: '{}', mac: 'm' } },
      'envoy.filters.http.jwt_authn': { jwt_payload: { sub: 'ada', groups: ['eng', 'ops'], admin: false, none: null } },
    };
    talk.send({
      ...headers('request', { ...post, countersign: 'forged' }, true),
      metadataContext: { filterMetadata: metadata },
      attributes: {
        'envoy.filters.http.ext_proc': {
          'source.address': '10.0.0.9:5000',
          'destination.address': '10.0.0.1:443',
          'connection.uri_san_peer_certificate': 'spiffe://mesh/ns/a/sa/b',
          'xds.route_name': 'llm',
        },
      },
    });
    await talk.next();
    expect(exchange.requests[0]?.head).toMatchObject({
      source: { address: '10.0.0.9:5000', principal: 'spiffe://mesh/ns/a/sa/b' },
      destination: '10.0.0.1:443',
      metadata,
    });
    expect(exchange.requests[0]?.head.contextExtensions['xds.route_name']).toBe('llm');
    expect(exchange.requests[0]?.options.handover).toEqual({ content: '{}', mac: 'm' });
  });
});

describe('other body modes', () => {
  test('BUFFERED_PARTIAL: whole bodies are judged, cut ones are never passed as if whole', async () => {
    const { talk } = await start({ request: rewriting, response: () => ({ mode: 'whole' }) }, partial);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    expect(await talk.take(2)).toEqual([
      'request_headers',
      'request_body replace=masked request +x-set=1 +content-length=14 -accept-encoding',
    ]);
    talk.send(headers('response', ok, false), body('response', 'the first pa', false));
    expect(await talk.take(2)).toEqual([
      'response_headers',
      'immediate 500 {"error":"body_too_large"} countersign_body_too_large +content-type=application/json',
    ]);
    const cut = client?.open(partial);
    cut?.send(headers('request', post, false), body('request', 'the first pa', false));
    expect(await cut?.take(2)).toEqual([
      'request_headers',
      'immediate 413 {"error":"body_too_large"} countersign_body_too_large +content-type=application/json',
    ]);
  });

  test('NONE: the exchange decides without the body, and a response that has to be read is refused', async () => {
    const { talk, exchange } = await start({ response: () => ({ mode: 'whole' }) }, none);
    talk.send(headers('request', post, false));
    expect(await talk.next()).toBe('request_headers');
    expect(exchange.requests[0]?.options).toEqual({ canRewrite: false, handover: null, isBodyWithheld: true });
    talk.send(headers('response', ok, false));
    expect(await talk.next()).toBe(
      'immediate 500 {"error":"protocol_violation"} countersign_protocol_violation +content-type=application/json',
    );
  });

  test('NONE: a response that needs no reading passes', async () => {
    const { talk, exchange } = await start({ response: () => ({ mode: 'pass' }) }, none);
    talk.send(headers('request', post, false), headers('response', ok, false));
    expect(await talk.take(2)).toEqual(['request_headers', 'response_headers']);
    expect(exchange.seen.at(-1)).toBe('finish');
  });

  test('a denial is an ImmediateResponse with status, body, details and raw header values', async () => {
    const { talk } = await start({ request: async () => fakeReply(403, 'denied') }, recommended);
    talk.send(headers('request', post, false), body('request', 'hello', true));
    expect(await talk.take(2)).toEqual([
      'request_headers',
      'immediate 403 {"error":"denied"} countersign_denied +content-type=application/json',
    ]);
    talk.halfClose();
    expect(await talk.rest()).toEqual({ answers: [], status: 'OK' });
  });
});

test('a client that does not read stops what the upstream sends, and loses nothing', async () => {
  const { talk, exchange } = await start({ response: () => ({ mode: 'stream' }) }, recommended);
  talk.send(headers('request', { ':method': 'GET' }, true), headers('response', ok, false));
  await talk.take(2);
  talk.pause();
  const piece = Buffer.alloc(256 * 1024, 'p');
  const pieces = 120;
  for (let sent = 0; sent < pieces; sent += 1)
    talk.raw.write(ProcessingRequest.fromPartial(body('response', piece, false) as ProcessingRequest));
  talk.send(body('response', '', true));
  await exchange.until('push');
  talk.resume();
  const { answers, status } = await talk.rest();
  const bytes = answers.reduce(
    (sum, answer) => sum + answer.replace('response_body streamed=', '').replace(' eos', '').length,
    0,
  );
  expect([bytes, status]).toEqual([piece.length * pieces, 'OK']);
});
