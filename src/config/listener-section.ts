import { z } from 'zod';
import type { Listener } from './config.ts';
import { address, isLoopback, path } from './values.ts';

/** An address to listen on, `fallback` when nothing is said; in plain text only where nobody else can reach it, or by request. */
export function listenerSection(base: string, fallback: string): z.ZodType<Listener> {
  return z
    .strictObject({
      address: address.prefault(fallback).meta({ description: 'Host and port; port 0 picks a free one.' }),
      tls: z
        .strictObject({
          cert_file: path(base).meta({ description: 'Certificate chain, PEM.' }),
          key_file: path(base).meta({ description: 'Private key, PEM.' }),
          client_ca_file: path(base)
            .nullable()
            .default(null)
            .meta({ description: 'Clients must show a certificate that this authority signed (mTLS).' }),
        })
        .transform((given) => ({
          certFile: given.cert_file,
          keyFile: given.key_file,
          clientCaFile: given.client_ca_file,
        }))
        .nullable()
        .default(null)
        .meta({ description: 'TLS; null: plain text.' }),
      allow_plaintext: z.boolean().default(false).meta({
        description: 'Plain text beyond this machine: where a mesh encrypts, or the network namespace is shared.',
      }),
    })
    .transform((given, context): Listener => {
      if (given.tls === null && !given.allow_plaintext && !isLoopback(given.address.host)) {
        const message =
          'is reachable from other machines in plain text: add tls, or set allow_plaintext where a mesh encrypts';
        context.addIssue({ code: 'custom', path: ['address'], message });
      }
      return { ...given.address, tls: given.tls };
    });
}
