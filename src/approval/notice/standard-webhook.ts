import { hmacSha256 } from '../../lib/hash.ts';

/**
 * The headers of a signed webhook (Standard Webhooks, symmetric scheme v1): HMAC-SHA-256 over `id.timestamp.body`. The id
 * stays the same over all attempts, the time is that of the attempt: receivers refuse what is minutes old.
 */
export function signedHeaders(
  key: Uint8Array,
  id: string,
  nowMs: number,
  body: string,
): { readonly 'webhook-id': string; readonly 'webhook-timestamp': string; readonly 'webhook-signature': string } {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = hmacSha256(key, `${id}.${timestamp}.${body}`).toString('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

/** The key of `whsec_<base64>`, 24 to 64 bytes; null when it is none. The prefix may be left out. */
export function webhookKey(secret: string): Uint8Array | null {
  const encoded = secret.replace(/^whsec_/, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null;
  const key = Buffer.from(encoded, 'base64');
  return key.length >= 24 && key.length <= 64 ? key : null;
}
