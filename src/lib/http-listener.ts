import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';

/** PEM; with `ca` clients must show a certificate that it signed. */
export interface ListenerTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | null;
}

export interface HttpListenerOptions {
  /** Null: plain HTTP. */
  readonly tls: ListenerTls | null;
  /** Beyond: connections are closed as they come. */
  readonly connectionsMax: number;
  /** What one connection may take at most, milliseconds and bytes. */
  readonly bounds: {
    readonly headersTimeout: number;
    readonly requestTimeout: number;
    readonly keepAliveTimeout: number;
    readonly maxHeaderSize: number;
  };
  /** What goes wrong besides requests. */
  readonly onError: (error: Error) => void;
}

/** A server within its bounds, over TLS 1.2 or newer where it has files for it; it does not listen yet. */
export function createHttpListener(
  { tls, connectionsMax, bounds, onError }: HttpListenerOptions,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const server =
    tls === null ? createHttpServer(bounds, handle) : createHttpsServer({ ...bounds, ...secured(tls) }, handle);
  server.maxConnections = connectionsMax;
  server.on('error', onError);
  return server;
}

/** Resolves with the port when listening (0 picks a free one), rejects when the address cannot be had. */
export function listenOn(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function secured({ cert, key, ca }: ListenerTls) {
  const client = ca === null ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: 'TLSv1.2' as const, ...client };
}
