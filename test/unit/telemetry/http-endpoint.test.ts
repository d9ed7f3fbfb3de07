import { request } from 'node:https';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createHttpEndpoint, type HttpEndpoint, type ReadinessPart } from '../../../src/telemetry/http-endpoint.ts';
import { silentLog } from '../../../src/telemetry/telemetry.ts';
import { type Certified, createAuthority } from '../../support/certificates.ts';

const open: HttpEndpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
});

async function start(
  changes: { readonly readiness?: () => readonly ReadinessPart[]; readonly render?: () => Promise<string> } = {},
): Promise<{ readonly port: number; ask(path: string, init?: RequestInit): Promise<unknown> }> {
  const endpoint = createHttpEndpoint(
    {
      metrics: { contentType: 'text/plain; version=0.0.4', render: changes.render ?? (async () => 'up 1\n') },
      readiness: changes.readiness ?? (() => []),
      log: silentLog,
    },
    { host: '127.0.0.1', port: 0, tls: null },
  );
  open.push(endpoint);
  const port = await endpoint.start();
  return {
    port,
    ask: async (path, init) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
      const type = response.headers.get('content-type');
      const text = await response.text();
      return {
        status: response.status,
        type,
        body: type === 'application/json' && text !== '' ? JSON.parse(text) : text,
      };
    },
  };
}

const json = 'application/json';

describe('what is answered', () => {
  test.each([
    { path: '/metrics', want: { status: 200, type: 'text/plain; version=0.0.4', body: 'up 1\n' } },
    { path: '/metrics?x=1', want: { status: 200, type: 'text/plain; version=0.0.4', body: 'up 1\n' } },
    { path: '/healthz', want: { status: 200, type: json, body: { status: 'alive' } } },
    { path: '/readyz', want: { status: 200, type: json, body: { status: 'ready', parts: [] } } },
    { path: '/', want: { status: 404, type: json, body: { error: 'not found' } } },
    { path: '/metrics/', want: { status: 404, type: json, body: { error: 'not found' } } },
  ])('$path', async ({ path, want }) => {
    const { ask } = await start();
    expect(await ask(path)).toEqual(want);
  });

  test('HEAD has no body, other methods are refused', async () => {
    const { ask } = await start();
    expect(await ask('/healthz', { method: 'HEAD' })).toEqual({ status: 200, type: json, body: '' });
    expect(await ask('/healthz', { method: 'POST', body: 'x'.repeat(100_000) })).toEqual({
      status: 405,
      type: json,
      body: { error: 'method not allowed' },
    });
  });

  test('not ready says which part and why, and ready again when it is', async () => {
    const audit = { name: 'audit', ready: false, reason: 'disk full' };
    const policy = { name: 'policy', ready: true, reason: null };
    let parts: ReadinessPart[] = [policy, audit];
    const { ask } = await start({ readiness: () => parts });
    expect(await ask('/readyz')).toEqual({
      status: 503,
      type: json,
      body: { status: 'not_ready', parts: [policy, audit] },
    });
    expect(await ask('/healthz')).toEqual({ status: 200, type: json, body: { status: 'alive' } });
    parts = [policy];
    expect(await ask('/readyz')).toEqual({ status: 200, type: json, body: { status: 'ready', parts: [policy] } });
  });

  test('a failure inside tells nothing', async () => {
    const { ask } = await start({ render: () => Promise.reject(new Error('canary')) });
    expect(await ask('/metrics')).toEqual({ status: 500, type: json, body: { error: 'internal' } });
  });
});

test('a header block without end is cut off', async () => {
  const { port } = await start();
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(9_000)}\r\n`);
  });
  expect(answer.split('\r\n')[0]).toBe('HTTP/1.1 431 Request Header Fields Too Large');
});

test('an address that is taken is an error at start', async () => {
  const { port } = await start();
  const second = createHttpEndpoint(
    { metrics: { contentType: 'text/plain', render: async () => '' }, readiness: () => [], log: silentLog },
    { host: '127.0.0.1', port, tls: null },
  );
  await expect(second.start()).rejects.toThrow('EADDRINUSE');
});

describe('over TLS', () => {
  const authority = createAuthority('test authority');
  const server = authority.issue('countersign');
  const scraper = authority.issue('scraper');
  const stranger = createAuthority('other authority').issue('scraper');

  async function scrape(ca: Buffer | null, client: Partial<Certified>): Promise<string> {
    const endpoint = createHttpEndpoint(
      { metrics: { contentType: 'text/plain', render: async () => 'up 1\n' }, readiness: () => [], log: silentLog },
      { host: '127.0.0.1', port: 0, tls: { ...server, ca } },
    );
    open.push(endpoint);
    const port = await endpoint.start();
    return new Promise((resolve) => {
      const call = request({ host: '127.0.0.1', port, path: '/healthz', ca: authority.cert, ...client }, (response) => {
        response.resume();
        response.on('end', () => resolve(String(response.statusCode)));
      });
      call.on('error', () => resolve('refused'));
      call.end();
    });
  }

  test.each([
    { name: 'anyone, when no authority is named', ca: null, client: {}, want: '200' },
    { name: 'a client with a certificate of the authority', ca: authority.cert, client: scraper, want: '200' },
    { name: 'a client without one', ca: authority.cert, client: {}, want: 'refused' },
    { name: 'a client with one of another authority', ca: authority.cert, client: stranger, want: 'refused' },
  ])('$name: $want', async ({ ca, client, want }) => {
    expect(await scrape(ca, client)).toBe(want);
  });
});
