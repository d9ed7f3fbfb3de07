import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { type ChannelCredentials, Client, credentials, loadPackageDefinition, Server, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, describe, expect, test } from 'vitest';
import { Fault } from '../../../src/lib/fault.ts';
import { limits } from '../../../src/lib/limits.ts';
import { addExternalProcessor } from '../../../src/pep/ext-proc.ts';
import { canRaiseResetLimit, tuneHttp2 } from '../../../src/rpc/http2-sessions.ts';
import { createRpcServer, type RpcServer, type RpcTls } from '../../../src/rpc/server.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { createAuthority } from '../../support/certificates.ts';
import { startDelayProxy } from '../../support/delay-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { BodySendMode, body, connectExtProc, headers, ok, post } from '../../support/ext-proc-client.ts';
import { createFakeExchange, type ExchangeScript, type FakeExchange } from '../../support/fake-exchange.ts';

const processPath = '/envoy.service.ext_proc.v3.ExternalProcessor/Process';
const recommended = { request: BodySendMode.BUFFERED, response: BodySendMode.FULL_DUPLEX_STREAMED };
const protoRoot = new URL('../../../proto', import.meta.url).pathname;

/** The headers of a GET with the end of its stream, in a gRPC frame. */
const getWithoutBody = Buffer.from('000000000412021801', 'hex');

let server: RpcServer | null = null;
const closing: (() => void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await server?.drain(0);
  server = null;
});

interface Started {
  readonly server: RpcServer;
  readonly exchange: FakeExchange;
  readonly port: number;
}

interface Setting {
  readonly tls?: RpcTls;
  readonly reflectionRoot?: string;
  readonly retiresConnections?: boolean;
}

async function start(script: ExchangeScript = {}, setting: Setting = {}): Promise<Started> {
  const { tls = null, reflectionRoot = null, ...options } = setting;
  const exchange = createFakeExchange(script);
  const started = createRpcServer({ log: silentLog, reflectionRoot, ...options });
  server = started;
  addExternalProcessor(started, { exchange, log: silentLog, metrics: noMetrics });
  return { server: started, exchange, port: await started.listen('127.0.0.1:0', tls) };
}

/** A bare HTTP/2 client, which shows what gRPC clients hide. */
async function session(port: number): Promise<ClientHttp2Session> {
  const client = connect(`http://127.0.0.1:${port}`);
  closing.push(() => client.destroy());
  await Promise.all([once(client, 'connect'), once(client, 'remoteSettings')]);
  return client;
}

function requestsSeen(exchange: FakeExchange): number {
  return exchange.seen.filter((seen) => seen.startsWith('request')).length;
}

/** The port of a network in front of this one: what is under way in both directions crosses there. */
async function farAway(port: number): Promise<number> {
  const network = await startDelayProxy(port, 25);
  closing.push(network.close);
  return network.port;
}

function openStream(client: ClientHttp2Session): ClientHttp2Stream {
  const stream = client.request({ ':method': 'POST', ':path': processPath, 'content-type': 'application/grpc' });
  stream.on('error', () => {});
  return stream;
}

async function roundTrip(client: ClientHttp2Session): Promise<void> {
  await new Promise<void>((resolve) => client.ping(() => resolve()));
}

describe('windows', () => {
  test('a peer may send 8 MiB on a stream and 16 MiB on a connection without waiting', async () => {
    const { port } = await start();
    const client = await session(port);
    await roundTrip(client);
    expect([client.remoteSettings.initialWindowSize, client.state.remoteWindowSize]).toEqual([
      8 * 1024 * 1024,
      16 * 1024 * 1024,
    ]);
  });
});

describe('protection from stream resets', () => {
  const retiring = { retiresConnections: true };

  test(`after ${limits.streamsPerConnectionMax} streams the peer is asked for another connection, and what is under way goes on`, async () => {
    const { port, exchange } = await start({}, retiring);
    const client = await session(port);
    const goaways: unknown[] = [];
    client.on('goaway', (code, lastStreamId) => goaways.push([code, lastStreamId]));
    for (let opened = 1; opened < limits.streamsPerConnectionMax; opened += 1)
      openStream(client).close(constants.NGHTTP2_CANCEL);
    await roundTrip(client);
    expect(goaways).toEqual([]);

    const last = openStream(client);
    await once(client, 'goaway');
    expect(goaways).toEqual([[constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1]]);
    last.write(getWithoutBody);
    await exchange.until('request');
    last.close(constants.NGHTTP2_CANCEL);
  });

  test('streams that the peer opened before it read the request to go elsewhere are answered', async () => {
    const { port, exchange } = await start({}, retiring);
    const client = await session(await farAway(port));
    for (let opened = 1; opened < limits.streamsPerConnectionMax; opened += 1)
      openStream(client).close(constants.NGHTTP2_CANCEL);
    await roundTrip(client);
    openStream(client).write(getWithoutBody);
    // The last of the count is here, and the request to go elsewhere is on its way.
    await exchange.until('request');
    for (let crossing = 0; crossing < 20; crossing += 1) openStream(client).write(getWithoutBody);
    await once(client, 'goaway');
    await eventually('all of them', () => (requestsSeen(exchange) === 21 ? true : undefined), 5_000);
  });

  test('1,600 exchanges, each ended by a reset, and none fails', { timeout: 60_000 }, async () => {
    const { port } = await start();
    const client = connectExtProc(port);
    closing.push(client.close);
    let left = 1_600;
    const failures: string[] = [];
    async function lane(): Promise<void> {
      while (left > 0) {
        left -= 1;
        const talk = client.open(recommended);
        talk.send(headers('request', { ':method': 'GET' }, true));
        const answer = await talk.next().catch((error: Error) => error.message);
        if (answer !== 'request_headers') failures.push(answer);
        talk.cancel();
      }
    }
    await Promise.all(Array.from({ length: 20 }, lane));
    expect(failures).toEqual([]);
  });

  test.each([
    { version: '20.20.2', want: false },
    { version: '22.9.0', want: false },
    { version: '22.10.0', want: true },
    { version: '24.0.0', want: true },
  ])('Node $version can raise its limit of resets: $want', ({ version, want }) => {
    expect(canRaiseResetLimit(version)).toBe(want);
  });

  test('a grpc-js that hides its HTTP/2 servers is refused', () => {
    const changed = new Server();
    Object.defineProperty(changed, 'http2Servers', { value: undefined });
    expect(() => tuneHttp2(changed, true)).toThrow(Fault);
  });
});

test('a message larger than grpcMessageBytesMax is refused by status', async () => {
  const { port } = await start();
  const client = connectExtProc(port);
  closing.push(client.close);
  const talk = client.open(recommended);
  talk.send(headers('request', post, false), body('request', Buffer.alloc(limits.grpcMessageBytesMax), true));
  expect((await talk.rest()).status).toMatch(new RegExp(`^${status.RESOURCE_EXHAUSTED} `));
});

describe('TLS', () => {
  const authority = createAuthority('test authority');
  const own = authority.issue('countersign');
  const peer = authority.issue('envoy');
  const stranger = createAuthority('another authority').issue('envoy');

  async function ask(port: number, channel: ChannelCredentials): Promise<string> {
    const client = new Client(`localhost:${port}`, channel, { 'grpc.use_local_subchannel_pool': 1 });
    closing.push(() => client.close());
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        () => Buffer.alloc(0),
        (answer: Buffer) => answer,
        Buffer.alloc(0),
        (error, answer) => resolve(error === null ? `answered ${answer?.toString('hex')}` : status[error.code]),
      );
    });
  }

  test.each([
    {
      name: 'TLS, and a client that trusts us',
      mutual: false,
      channel: credentials.createSsl(authority.cert),
      want: 'answered 0802',
    },
    {
      name: 'TLS, and a client that does not speak it',
      mutual: false,
      channel: credentials.createInsecure(),
      want: 'UNAVAILABLE',
    },
    {
      name: 'mTLS, and a client of our authority',
      mutual: true,
      channel: credentials.createSsl(authority.cert, peer.key, peer.cert),
      want: 'answered 0802',
    },
    {
      name: 'mTLS, and a client without a certificate',
      mutual: true,
      channel: credentials.createSsl(authority.cert),
      want: 'UNAVAILABLE',
    },
    {
      name: 'mTLS, and a client of another authority',
      mutual: true,
      channel: credentials.createSsl(authority.cert, stranger.key, stranger.cert),
      want: 'UNAVAILABLE',
    },
  ])('$name', async ({ mutual, channel, want }) => {
    const { port } = await start(
      {},
      { tls: { certificate: own.cert, privateKey: own.key, clientCa: mutual ? authority.cert : null } },
    );
    expect(await ask(port, channel)).toBe(want);
  });
});

describe('health', () => {
  const healthProto = loadSync('health/v1/health.proto', {
    includeDirs: [new URL('../../../node_modules/grpc-health-check/proto', import.meta.url).pathname],
    enums: String,
    defaults: true,
  });
  const Health = Client as unknown as new (address: string, channel: ChannelCredentials) => Client;

  async function health(port: number, service: string): Promise<string> {
    const method = (
      healthProto['grpc.health.v1.Health'] as Record<
        string,
        {
          requestSerialize: (value: object) => Buffer;
          responseDeserialize: (bytes: Buffer) => { status: string };
        }
      >
    )['Check'];
    if (method === undefined) throw new Error('the health proto has a Check');
    const client = new Health(`127.0.0.1:${port}`, credentials.createInsecure());
    closing.push(() => client.close());
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        method.requestSerialize,
        method.responseDeserialize,
        { service },
        (error, answer) => resolve(error === null ? (answer?.status ?? '') : (status[error.code] ?? '')),
      );
    });
  }

  test('NOT_SERVING until told, for the server and its services; an unknown service is NOT_FOUND', async () => {
    const { server: started, port } = await start();
    const service = 'envoy.service.ext_proc.v3.ExternalProcessor';
    expect([await health(port, ''), await health(port, service)]).toEqual(['NOT_SERVING', 'NOT_SERVING']);
    started.setServing(true);
    expect([await health(port, ''), await health(port, service)]).toEqual(['SERVING', 'SERVING']);
    expect(await health(port, 'no.such.Service')).toBe('NOT_FOUND');
  });
});

test('reflection names the services', async () => {
  const { port } = await start({}, { reflectionRoot: protoRoot });
  const definition = loadSync('reflection.proto', {
    includeDirs: [
      new URL('../../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1', import.meta.url).pathname,
    ],
  });
  const root = loadPackageDefinition(definition) as unknown as {
    grpc: {
      reflection: { v1: { ServerReflection: new (address: string, channel: ChannelCredentials) => ReflectionClient } };
    };
  };
  const client = new root.grpc.reflection.v1.ServerReflection(`127.0.0.1:${port}`, credentials.createInsecure());
  closing.push(() => client.close());
  const call = client.serverReflectionInfo();
  call.on('error', () => {});
  call.write({ listServices: '' });
  const [answer] = (await once(call, 'data')) as [{ listServicesResponse: { service: { name: string }[] } }];
  call.cancel();
  expect(answer.listServicesResponse.service.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'countersign.approval.v1.ApprovalService',
      'envoy.service.auth.v3.Authorization',
      'envoy.service.ext_proc.v3.ExternalProcessor',
    ]),
  );
});

type ReflectionClient = Client & { serverReflectionInfo(): ReturnType<Client['makeBidiStreamRequest']> };

describe('drain', () => {
  test('an exchange under way finishes, and new connections are refused', async () => {
    const { server: started, port, exchange } = await start({ response: () => ({ mode: 'stream' }) });
    const client = connectExtProc(port);
    closing.push(client.close);
    const talk = client.open(recommended);
    talk.send(headers('request', { ':method': 'GET' }, true));
    expect(await talk.next()).toBe('request_headers');

    const drained = started.drain(10_000);
    // One more message each way, while the drain waits.
    talk.send(headers('response', ok, false), body('response', 'one', false));
    expect(await talk.take(2)).toEqual(['response_headers', 'response_body streamed=one']);
    talk.send(body('response', 'two', true));
    expect(await talk.rest()).toEqual({
      answers: ['response_body streamed=two', 'response_body streamed= eos'],
      status: 'OK',
    });
    client.close();
    expect(await drained).toBe('drained');
    expect(exchange.seen.at(-1)).toBe('finish');

    const late = connectExtProc(port, { 'grpc.enable_retries': 0 });
    closing.push(late.close);
    const refused = late.open(recommended);
    refused.send(headers('request', { ':method': 'GET' }, true));
    expect((await refused.rest()).status).toMatch(new RegExp(`^${status.UNAVAILABLE} `));
  });

  test('streams that the peer opened before it heard of the drain are answered', async () => {
    const { server: started, port, exchange } = await start();
    const client = await session(await farAway(port));
    const drained = started.drain(10_000);
    const crossing = Array.from({ length: 20 }, () => openStream(client));
    for (const stream of crossing) stream.write(getWithoutBody);
    await once(client, 'goaway');
    await eventually('all of them', () => (requestsSeen(exchange) === 20 ? true : undefined), 5_000);
    for (const stream of crossing) stream.close(constants.NGHTTP2_CANCEL);
    expect(await drained).toBe('drained');
  });

  test('what is left at the deadline is cut, which is no allow, and recorded as draining', async () => {
    const { server: started, port, exchange } = await start({ response: () => ({ mode: 'stream' }) });
    const client = connectExtProc(port);
    closing.push(client.close);
    const talk = client.open(recommended);
    talk.send(headers('request', { ':method': 'GET' }, true));
    expect(await talk.next()).toBe('request_headers');
    expect(await started.drain(50)).toBe('cut');
    await exchange.until('abort');
    expect(exchange.seen.at(-1)).toBe('abort draining');
    expect((await talk.rest()).status).not.toBe('OK');
  });

  test('a port that another process has is named', async () => {
    const { server: first, port } = await start();
    const { server: second } = await start();
    await expect(second.listen(`127.0.0.1:${port}`, null)).rejects.toMatchObject({
      message: `127.0.0.1:${port}: another process listens there`,
    });
    await first.drain(0);
  });

  test('a server without connections drains at once', async () => {
    const { server: started } = await start();
    expect(await started.drain(10_000)).toBe('drained');
  });
});
