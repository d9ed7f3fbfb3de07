import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '../../../src/lib/fault.ts';
import { limits } from '../../../src/lib/limits.ts';
import type { GuardrailCall, GuardrailHandler } from '../../../src/pep/guardrail.ts';
import { createGuardrailServer, type GuardrailServer } from '../../../src/pep/guardrail-server.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';

const key = 'a-key-that-gateways-show';
let server: GuardrailServer;
let base = '';
let calls: GuardrailCall[] = [];
let release = (): void => {};
let aborted: Promise<void>;

beforeEach(async () => {
  calls = [];
  let onAbort = (): void => {};
  aborted = new Promise((resolve) => {
    onAbort = resolve;
  });
  const waiting = new Promise<void>((resolve) => {
    release = resolve;
  });
  server = createGuardrailServer(
    {
      log: silentLog,
      metrics: noMetrics,
      handlers: new Map<string, GuardrailHandler>([
        [
          '/echo',
          async (call: GuardrailCall) => {
            calls.push(call);
            return call.body;
          },
        ],
        ['/odd', async () => null],
        ['/broken', async () => Promise.reject(new Fault('audit_unavailable', 'disk full'))],
        [
          '/slow',
          async (call: GuardrailCall, signal: AbortSignal) => {
            calls.push(call);
            signal.addEventListener('abort', onAbort);
            await waiting;
            return {};
          },
        ],
      ]),
    },
    { host: '127.0.0.1', port: 0, tls: null, key },
  );
  base = `http://127.0.0.1:${await server.start()}`;
});
afterEach(() => {
  release();
  return server.close(0);
});

function post(
  path: string,
  body: string,
  headers: Record<string, string> = { 'x-countersign-key': key },
): Promise<Response> {
  return fetch(`${base}${path}`, { method: 'POST', body, headers });
}

describe('what is no call of a gateway of ours gets an error, and nobody is asked', () => {
  test.each<{ name: string; ask: () => Promise<Response>; want: number }>([
    { name: 'no key', ask: () => post('/echo', '{}', {}), want: 401 },
    { name: 'another key', ask: () => post('/echo', '{}', { 'x-api-key': `${key}x` }), want: 401 },
    { name: 'another path', ask: () => post('/', '{}'), want: 404 },
    { name: 'another method', ask: () => fetch(`${base}/echo`, { headers: { 'x-api-key': key } }), want: 405 },
    { name: 'no JSON', ask: () => post('/echo', '{'), want: 400 },
    { name: 'a list', ask: () => post('/echo', '[]'), want: 400 },
    { name: 'too much', ask: () => post('/echo', ' '.repeat(limits.bodyBytesMax + 1)), want: 413 },
    { name: 'not of the contract', ask: () => post('/odd', '{}'), want: 400 },
    { name: 'a fault', ask: () => post('/broken', '{}'), want: 500 },
  ])('$name: $want', async ({ ask, want }) => {
    const response = await ask();
    expect([response.status, Object.keys((await response.json()) as object)]).toEqual([want, ['error']]);
    expect(calls).toEqual([]);
  });
});

test('the key is not handed on, in whichever header it came', async () => {
  for (const name of ['x-countersign-key', 'x-api-key']) {
    const response = await post('/echo?x=1', '{"a":1}', { [name]: key, 'X-Other': 'kept' });
    expect([response.status, await response.json()]).toEqual([200, { a: 1 }]);
  }
  expect(calls.map(({ headers }) => [headers.get('x-other'), [...headers.values()].includes(key)])).toEqual([
    ['kept', false],
    ['kept', false],
  ]);
});

test('a gateway that goes away ends the wait', async () => {
  const gone = new AbortController();
  const asked = fetch(`${base}/slow`, {
    method: 'POST',
    body: '{}',
    headers: { 'x-api-key': key },
    signal: gone.signal,
  });
  while (calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  gone.abort();
  await expect(asked).rejects.toThrow();
  await aborted;
});

test('a call under way is answered before the server is closed', async () => {
  const asked = post('/slow', '{}');
  while (calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = server.close(60_000);
  release();
  expect((await asked).status).toBe(200);
  await closed;
});
