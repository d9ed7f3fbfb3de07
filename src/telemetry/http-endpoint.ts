import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
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
  /** PEM; with `ca` clients must show a certificate that it signed. Null: plain HTTP. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer | null } | null;
}

export interface HttpEndpoint {
  /** Resolves with the port when listening, rejects when the address cannot be had. */
  start(): Promise<number>;
  close(): Promise<void>;
}

/** A scraper and some probes; anything beyond is no scraper. */
const connectionsMax = 64;
const serverOptions = {
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
  const server: Server =
    options.tls === null ? createHttpServer(serverOptions, handle) : createTls(options.tls, handle);
  server.maxConnections = connectionsMax;
  server.on('error', (error) => deps.log.error('http endpoint failed', { reason: error.message }));
  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(options.port, options.host, () => {
          server.off('error', reject);
          const address = server.address();
          resolve(typeof address === 'object' && address !== null ? address.port : options.port);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

function createTls(tls: NonNullable<HttpEndpointOptions['tls']>, handle: Handler): Server {
  const client = tls.ca === null ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true };
  return createHttpsServer(
    { ...serverOptions, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2', ...client },
    handle,
  );
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
