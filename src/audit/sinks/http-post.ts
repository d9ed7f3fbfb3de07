import { Agent as PlainAgent, request as requestPlain } from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';
import { limits } from '../../lib/limits.ts';
import { type TlsClient, tlsOptions } from '../tls-client.ts';
import type { Delivery } from './sink.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** What `Retry-After` says (RFC 9110 section 10.2.3), milliseconds; null: nothing. */
  readonly retryAfterMs: number | null;
}

/** Requests to one receiver, over connections that are kept. */
export interface HttpClient {
  /** Redirects are not followed: a credential goes to the configured host and to no other. Throws when there is no whole answer. */
  post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array,
    signal: AbortSignal,
  ): Promise<HttpAnswer>;
  close(): void;
}

/** TLS 1.2 or later for `https:`, the receiver's certificate always verified. A longer answer than `answerBytesMax` is none. */
export function createHttpClient(
  tls: TlsClient | null,
  answerBytesMax: number = limits.sinkAnswerBytesMax,
): HttpClient {
  const kept = { keepAlive: true, maxSockets: limits.sinkAcksMax };
  const plain = new PlainAgent(kept);
  const secure = new TlsAgent({ ...kept, ...tlsOptions(tls) });
  return {
    post: (url, headers, body, signal) =>
      new Promise((resolve, reject) => {
        const isSecure = url.startsWith('https:');
        const options = {
          method: 'POST',
          agent: isSecure ? secure : plain,
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
          signal,
        };
        const call = (isSecure ? requestTls : requestPlain)(url, options, (response) => {
          const { statusCode: status = 0, headers: own } = response;
          readText(response, answerBytesMax).then(
            (text) => resolve({ status, text, retryAfterMs: retryAfterMs(own['retry-after']) }),
            (thrown: unknown) => {
              call.destroy();
              reject(thrown);
            },
          );
        });
        call.on('error', reject);
        call.end(body);
      }),
    close: () => {
      plain.destroy();
      secure.destroy();
    },
  };
}

async function readText(response: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function retryAfterMs(value: string | undefined): number | null {
  if (value === undefined) return null;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

/** Statuses with which a receiver says that this very body is at fault, whenever it is sent. */
const refusals: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/**
 * What an answer other than success means. A wrong address or credential (401, 403, 404) is mended by an operator, not by
 * throwing events away: it is tried again, and the lag tells.
 */
export function unsuccessful(answer: HttpAnswer): Delivery {
  const isMoved = answer.status >= 300 && answer.status < 400;
  const reason = `HTTP ${answer.status}${isMoved ? ': redirects are not followed' : ''}`;
  if (refusals.has(answer.status)) return { kind: 'refused', reason };
  return { kind: 'failed', reason, afterMs: answer.retryAfterMs };
}

/** The parsed answer, or null when it is no JSON. */
export function json(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    return null;
  }
}

export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
