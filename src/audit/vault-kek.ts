import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { KeyServiceBusy, keyService, replyOf } from './key-service.ts';
import type { Kek } from './keys.ts';
import { createHttpClient } from './sinks/http-post.ts';
import type { TlsClient } from './tls-client.ts';

export interface VaultKekOptions {
  /** `https://vault.example.com:8200`. */
  readonly address: string;
  /** Where the transit engine is mounted. */
  readonly mount: string;
  /** Name of a key that takes associated data (`aes256-gcm96`, `chacha20-poly1305`). */
  readonly key: string;
  /** Namespace (Vault Enterprise), or null. */
  readonly namespace: string | null;
  /** The token, asked for before every call: an agent beside us may renew it. */
  readonly token: () => string;
  /** Null: what Node has. */
  readonly tls: TlsClient | null;
  readonly timeoutMs: number;
}

/**
 * A key of Vault's transit engine (or OpenBao's). The key never leaves Vault. It may be rotated there at any time: the version
 * stands in what it wrapped, and everything down to `min_decryption_version` stays readable.
 */
export function createVaultKek(options: VaultKekOptions): Kek {
  const { address, mount, key, namespace, timeoutMs } = options;
  const http = createHttpClient(options.tls, limits.keyServiceReplyBytesMax);
  const call = keyService(`the transit key ${mount}/${key}`, timeoutMs);

  const transit = (action: 'encrypt' | 'decrypt', body: object, answer: string): Promise<string> =>
    call(async (signal) => {
      const url = `${address.replace(/\/$/, '')}/v1/${mount}/${action}/${key}`;
      const headers = {
        'content-type': 'application/json',
        'x-vault-token': options.token(),
        'x-vault-request': 'true',
        ...(namespace === null ? {} : { 'x-vault-namespace': namespace }),
      };
      const reply = await http.post(url, headers, JSON.stringify(body), signal).catch((cause: unknown) => {
        throw new KeyServiceBusy(cause instanceof Error ? cause.message : 'no answer', { cause });
      });
      const { data } = replyOf(reply.status, reply.text);
      const value: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, answer) : undefined;
      if (typeof value !== 'string') throw new Fault('key_unavailable', `the answer has no ${answer}`);
      return value;
    });

  return {
    id: `vault:${mount}/${key}`,
    wrap: async (secret, name) => {
      const body = { plaintext: Buffer.from(secret).toString('base64'), associated_data: bound(name) };
      return Buffer.from(await transit('encrypt', body, 'ciphertext'), 'latin1');
    },
    unwrap: async (wrapped, name) => {
      const body = { ciphertext: Buffer.from(wrapped).toString('latin1'), associated_data: bound(name) };
      return Buffer.from(await transit('decrypt', body, 'plaintext'), 'base64');
    },
  };
}

function bound(name: string): string {
  return Buffer.from(`countersign/v1/epoch\0${name}`).toString('base64');
}
