import { readFileSync } from 'node:fs';

/** PEM files that say whom we trust and how we show ourselves; null: none. */
export interface TlsClientFiles {
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Name that must stand in the receiver's certificate; null: that of its address. */
  readonly serverName: string | null;
}

/** The same with what is in the files, PEM; null: what Node has. */
export interface TlsClient {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
  readonly serverName: string | null;
}

/** Throws when a file cannot be read. */
export function readTls(files: TlsClientFiles): TlsClient;
export function readTls(files: TlsClientFiles | null): TlsClient | null;
export function readTls(files: TlsClientFiles | null): TlsClient | null {
  if (files === null) return null;
  const read = (file: string | null): Buffer | null => (file === null ? null : readFileSync(file));
  return { ca: read(files.caFile), cert: read(files.certFile), key: read(files.keyFile), serverName: files.serverName };
}

/** As Node takes them, TLS 1.2 or later: what is null stays out. */
export function tlsOptions(tls: TlsClient | null): {
  minVersion: 'TLSv1.2';
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  servername?: string;
} {
  const { ca = null, cert = null, key = null, serverName = null } = tls ?? {};
  return {
    minVersion: 'TLSv1.2',
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    ...(serverName === null ? {} : { servername: serverName }),
  };
}
