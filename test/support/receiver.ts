import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly bytes: Buffer;
}

/** What a receiver answers; `reset` cuts the connection, `hang` never answers, `drip` sends a byte a second. */
export type Reply =
  | {
      readonly status: number;
      readonly body?: unknown;
      /** Instead of a body in JSON. */
      readonly text?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | 'reset'
  | 'hang'
  | 'drip';

export interface Receiver {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  close(): Promise<void>;
}

/** An HTTP server, over TLS where given, on a free port of this machine that keeps what it is sent. */
export async function startReceiver(
  reply: (request: ReceivedRequest) => Reply,
  tls: ServerOptions | null = null,
): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const take: RequestListener = (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('error', () => undefined);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming;
      const bytes = Buffer.concat(chunks);
      const request = { method, path: url, headers, body: bytes.toString(), bytes };
      requests.push(request);
      const answer = reply(request);
      if (answer === 'reset') incoming.socket.resetAndDestroy();
      else if (answer === 'drip') response.writeHead(200, { 'content-length': '100000' }).write('{');
      else if (answer !== 'hang') {
        const text = answer.body === undefined ? (answer.text ?? '') : JSON.stringify(answer.body);
        response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(text);
      }
    });
  };
  const server = tls === null ? createServer(take) : createTlsServer(tls, take);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
