import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** What the upstream is to answer, told by the request itself in the header `x-script` (base64url JSON). */
export interface Script {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written one after the other, each as a chunk of its own. */
  readonly chunks: readonly string[];
  /** Chunks are base64, for bytes that are no text. */
  readonly base64?: boolean;
  /** Milliseconds before each chunk. */
  readonly pauseMs?: number;
  /** Cut the connection after the chunks instead of ending the body. */
  readonly cut?: boolean;
  /** Answer before the request's body has been read. */
  readonly early?: boolean;
  readonly trailers?: Readonly<Record<string, string>>;
  readonly gzip?: boolean;
  /** Answer with content-length and one write. */
  readonly whole?: boolean;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Upstream {
  readonly port: number;
  readonly seen: Seen[];
  /** The header that names a script which is kept here: for those that are too long for a header. */
  keep(script: Script): Record<string, string>;
  close(): Promise<void>;
}

/** An upstream that is scripted by its requests; what has no script is answered by `answer`, else by the body it came with. */
export async function startUpstream(answer?: (asked: Seen) => Script): Promise<Upstream> {
  const seen: Seen[] = [];
  const kept: Script[] = [];
  const server = createServer((request, response) => {
    const script = scriptOf(request) ?? kept[Number(request.headers['x-script-kept'] ?? -1)] ?? null;
    const record = (body: Buffer): Seen => {
      const asked: Seen = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body,
      };
      seen.push(asked);
      return asked;
    };
    response.on('error', () => {});
    if (script?.early) {
      record(Buffer.alloc(0));
      request.resume();
      void play(script, response);
      return;
    }
    readAll(request).then(
      (body) => {
        const asked = record(body);
        void play(script ?? answer?.(asked) ?? echo(request, body), response);
      },
      () => response.destroy(),
    );
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    keep: (script) => ({ 'x-script-kept': String(kept.push(script) - 1) }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The header that carries a script. */
export function scripted(script: Script): Record<string, string> {
  return {
    'x-script': Buffer.from(JSON.stringify(script)).toString('base64url'),
  };
}

function scriptOf(request: IncomingMessage): Script | null {
  const header = request.headers['x-script'];
  return typeof header === 'string' ? (JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as Script) : null;
}

function echo(request: IncomingMessage, body: Buffer): Script {
  return {
    headers: {
      'content-type': request.headers['content-type'] ?? 'text/plain',
    },
    chunks: [body.toString('base64')],
    base64: true,
    whole: true,
  };
}

async function play(script: Script, response: ServerResponse): Promise<void> {
  const chunks = script.chunks.map((chunk) => Buffer.from(chunk, script.base64 ? 'base64' : 'utf8'));
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    ...script.headers,
  };
  if (script.trailers) headers['trailer'] = Object.keys(script.trailers).join(',');
  if (script.gzip) {
    const packed = gzipSync(Buffer.concat(chunks));
    response.writeHead(script.status ?? 200, {
      ...headers,
      'content-encoding': 'gzip',
      'content-length': packed.length,
    });
    response.end(packed);
    return;
  }
  if (script.whole) {
    const whole = Buffer.concat(chunks);
    response.writeHead(script.status ?? 200, {
      ...headers,
      'content-length': whole.length,
    });
    response.end(whole);
    return;
  }
  response.writeHead(script.status ?? 200, headers);
  response.flushHeaders();
  for (const chunk of chunks) {
    await new Promise((resolve) => (script.pauseMs ? setTimeout(resolve, script.pauseMs) : setImmediate(resolve)));
    if (response.destroyed) return;
    if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve));
  }
  if (script.cut) {
    response.destroy();
    return;
  }
  if (script.trailers) response.addTrailers(script.trailers);
  response.end();
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
