import { readFileSync } from 'node:fs';
import type { Listener } from '../config/config.ts';
import type { ListenerTls } from '../lib/http-listener.ts';

type TlsFiles = NonNullable<Listener['tls']>;

/** Where an HTTP server listens. */
export function address(listener: Listener): { readonly host: string; readonly port: number } {
  return { host: listener.host, port: listener.port };
}

/** Likewise as gRPC wants it; an IPv6 address in brackets. */
export function listenAddress({ host, port }: Listener): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The files of a listener, read; null: it speaks in the clear. */
export function tlsOf<T>({ tls }: Listener, read: (files: TlsFiles) => T): T | null {
  return tls === null ? null : read(tls);
}

/** Throws what keeps a file from being read. */
export function readTls(files: TlsFiles): ListenerTls {
  const ca = files.clientCaFile === null ? null : readFileSync(files.clientCaFile);
  return { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile), ca };
}

/** As the gRPC server names them. */
export function rpcTls(files: TlsFiles): {
  certificate: Buffer;
  privateKey: Buffer;
  clientCa: Buffer | null;
} {
  const { cert, key, ca } = readTls(files);
  return { certificate: cert, privateKey: key, clientCa: ca };
}
