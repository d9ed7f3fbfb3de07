import { createHmac } from 'node:crypto';
import { limits } from '../../lib/limits.ts';
import type { TlsClient } from '../tls-client.ts';
import { createHttpClient, unsuccessful } from './http-post.ts';
import { delivered, type Sink } from './sink.ts';

export interface WebhookOptions {
  /** Of an https: address; null: as Node trusts. */
  readonly tls: TlsClient | null;
  readonly url: string;
  /** Shared with the receiver: signs each request. */
  readonly secret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly nowMs: () => number;
}

/**
 * POST of a JSON array. `Countersign-Signature: t=<unix seconds>,v1=<hex HMAC-SHA-256 over "<t>.<body>">`, so that a
 * receiver can tell a forged request, and by the time a repeated one; `Idempotency-Key: <first id>-<last id>` names the
 * batch. Each event's own id is in its document.
 */
export function createWebhookSink(options: WebhookOptions): Sink {
  const http = createHttpClient(options.tls);
  return {
    batchesMax: limits.sinkBatchesMax,
    deliver: async (events, signal) => {
      const body = Buffer.from(`[${events.map((event) => event.json).join(',')}]`);
      const seconds = Math.floor(options.nowMs() / 1000);
      const headers = {
        ...options.headers,
        'content-type': 'application/json',
        'idempotency-key': `${events[0]?.id ?? ''}-${events.at(-1)?.id ?? ''}`,
        'countersign-signature': `t=${seconds},v1=${webhookSignature(options.secret, seconds, body)}`,
      };
      const answer = await http.post(options.url, headers, body, signal);
      return answer.status >= 200 && answer.status < 300 ? delivered : unsuccessful(answer);
    },
    close: async () => http.close(),
  };
}

export function webhookSignature(secret: string, seconds: number, body: string | Uint8Array): string {
  return createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex');
}
