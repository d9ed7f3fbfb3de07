import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '../lib/fault.ts';
import { equalBytes, sha256 } from '../lib/hash.ts';
import { createHttpListener, type ListenerTls, listenOn } from '../lib/http-listener.ts';
import { type JsonObject, jsonObjectOf } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import type { GuardrailHandler } from './guardrail.ts';

export interface GuardrailServerDeps {
  /** By path. */
  readonly handlers: ReadonlyMap<string, GuardrailHandler>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface GuardrailServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Null: plain HTTP. */
  readonly tls: ListenerTls | null;
  /** What gateways show that they are ours, in one of `keyHeaders`. */
  readonly key: string;
}

export interface GuardrailServer {
  /** Resolves with the port when listening, rejects when the address cannot be had. */
  start(): Promise<number>;
  /** Takes no more calls; those under way may take so long, then they are cut. */
  close(drainMs: number): Promise<void>;
}

/** Ours, and the one in which LiteLLM sends its `api_key`. */
const keyHeaders = ['x-countersign-key', 'x-api-key'] as const;

const connectionsMax = 1_024;
const bounds = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 65_536,
} as const;

/**
 * Where gateways ask that do not speak Envoy's protocols. POST only, JSON only; bodies, connections, headers and times are bounded.
 * Whatever is not an answer of a handler is an error status with `{"error": …}`, which no gateway takes for a yes.
 */
export function createGuardrailServer(deps: GuardrailServerDeps, options: GuardrailServerOptions): GuardrailServer {
  const key = sha256(options.key);
  let isClosing = false;
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    answer(deps, key, request, gone.signal).then(
      (reply) => send(response, reply, isClosing),
      (thrown: unknown) => {
        const fault = Fault.from(thrown);
        deps.metrics.failure(fault.code);
        deps.log.error('a gateway got no verdict', { code: fault.code, reason: fault.message });
        send(response, failed(500, fault.code), isClosing);
      },
    );
  };
  const onError = (error: Error): void => deps.log.error('the listener for gateways failed', { reason: error.message });
  const server = createHttpListener({ tls: options.tls, connectionsMax, bounds, onError }, handle);
  return {
    start: () => listenOn(server, options),
    close: (drainMs) =>
      new Promise((resolve) => {
        isClosing = true;
        const cut = setTimeout(() => server.closeAllConnections(), drainMs);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

interface Reply {
  readonly status: number;
  readonly body: JsonObject;
}

function failed(status: number, error: string): Reply {
  return { status, body: { error } };
}

async function answer(
  { handlers }: GuardrailServerDeps,
  key: Uint8Array,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Reply> {
  const handler = handlers.get((request.url ?? '').split('?')[0] ?? '');
  if (handler === undefined) return failed(404, 'not found');
  if (request.method !== 'POST') return failed(405, 'method not allowed');
  if (!keyHeaders.some((name) => isKey(request.headers[name], key))) return failed(401, 'unknown gateway');
  const text = await readText(request);
  if (text === null) return failed(413, 'too large');
  const body = jsonObjectOf(text);
  if (body === null) return failed(400, 'not a JSON object');
  const reply = await handler(
    { headers: headersOf(request, key), body, peer: request.socket.remoteAddress ?? '' },
    signal,
  );
  return reply === null ? failed(400, 'not of the contract') : { status: 200, body: reply };
}

function isKey(shown: string | string[] | undefined, key: Uint8Array): boolean {
  return typeof shown === 'string' && equalBytes(sha256(shown), key);
}

/** Null when it is larger than any body that is read. */
async function readText(request: IncomingMessage): Promise<string | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    if (!Buffer.isBuffer(piece)) continue;
    bytes += piece.length;
    if (bytes > limits.bodyBytesMax) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes).toString('utf8');
}

/** Lower-case names; without the key. */
function headersOf(request: IncomingMessage, key: Uint8Array): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || isKey(value, key)) continue;
    headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

function send(response: ServerResponse, { status, body }: Reply, isClosing: boolean): void {
  if (response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    // A body that is too large is not read to its end.
    ...(status === 200 && !isClosing ? {} : { connection: 'close' }),
  });
  response.end(text);
}
