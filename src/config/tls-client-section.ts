import { z } from 'zod';
import type { TlsClientFiles } from '../audit/tls-client.ts';
import { path, text } from './values.ts';

/** How we show ourselves to a receiver, and whom we trust. */
export function tlsClientFiles(base: string): z.ZodType<TlsClientFiles, object> {
  const file = (description: string) => path(base).nullable().default(null).meta({ description });
  return z
    .strictObject({
      ca_file: file('Authorities that sign the receiver’s certificate, PEM; null: those that Node trusts.'),
      cert_file: file('Our certificate, PEM, where the receiver asks for one.'),
      key_file: file('Its key, PEM.'),
      server_name: text.nullable().default(null).meta({ description: 'Name in the certificate; null: the host.' }),
    })
    .refine(({ cert_file: cert, key_file: key }) => (cert === null) === (key === null), {
      error: 'must have cert_file and key_file, or neither',
    })
    .transform((given) => ({
      caFile: given.ca_file,
      certFile: given.cert_file,
      keyFile: given.key_file,
      serverName: given.server_name,
    }));
}

/** The same, or nothing of it. */
export function tlsClient(base: string): z.ZodType<TlsClientFiles | null, object | null | undefined> {
  return tlsClientFiles(base).nullable().default(null);
}

/** What such a section means where TLS is there already. */
export const overHttps = 'Authorities and certificates of an https: address; null: the authorities that Node trusts.';
