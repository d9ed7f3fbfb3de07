import type { IncomingMessage, ServerResponse } from 'node:http';
import { createHttpListener, type ListenerTls, listenOn } from '../lib/http-listener.ts';
import type { Log } from './telemetry.ts';

/** One thing that has to work before traffic should come. */
export interface ReadinessPart {
  /** Short constant name: `policy`, `audit`, `approval`, `identity`. */
  readonly name: string;
  readonly ready: boolean;
  /** Why not, for operators; null when ready. Never holds a value from traffic. */
  readonly reason: string | null;
}

export interface HttpEndpointDeps {
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** Asked at every probe; must be cheap and must not throw. */
  readonly readiness: () => readonly ReadinessPart[];
  readonly log: Log;
}

export interface HttpEndpointOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Null: plain HTTP. */
  readonly tls: ListenerTls | null;
}

export interface HttpEndpoint {
  /** Resolves with the port when listening, rejects when the address cannot be had. */
  start(): Promise<number>;
  close(): Promise<void>;
}

/** A scraper and some probes; anything beyond is no scraper. */
const connectionsMax = 64;
const bounds = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 30_000,
  maxHeaderSize: 8_192,
} as const;

/**
 * `/metrics` (Prometheus text), `/healthz` (the process answers) and `/readyz` (503 with the reasons as JSON while a part
 * is not ready). GET and HEAD only; bodies are not read; connections, headers and times are bounded.
 */
export function createHttpEndpoint(deps: HttpEndpointDeps, options: HttpEndpointOptions): HttpEndpoint {
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, deps).then(
      (reply) => send(request, response, reply),
      () => send(request, response, json(500, { error: 'internal' })),
    );
  };
  const onError = (error: Error): void => deps.log.error('http endpoint failed', { reason: error.message });
  const server = createHttpListener({ tls: options.tls, connectionsMax, bounds, onError }, handle);
  return {
    start: () => listenOn(server, options),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

async function answer(request: IncomingMessage, deps: HttpEndpointDeps): Promise<Reply> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'method not allowed' });
  const path = (request.url ?? '').split('?')[0];
  if (path === '/metrics') {
    return { status: 200, contentType: deps.metrics.contentType, body: await deps.metrics.render() };
  }
  if (path === '/healthz') return json(200, { status: 'alive' });
  if (path === '/readyz') {
    const parts = deps.readiness();
    const ready = parts.every((part) => part.ready);
    return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not_ready', parts });
  }
  return json(404, { error: 'not found' });
}

function json(status: number, value: unknown): Reply {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, contentType, body }: Reply): void {
  // A body that nobody asked for is not read: the connection closes behind the answer.
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(hasBody ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
