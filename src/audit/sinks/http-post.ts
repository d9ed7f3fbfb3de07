import { limits } from '../../lib/limits.ts';
import type { Delivery } from './sink.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** What `Retry-After` says (RFC 9110 section 10.2.3), milliseconds; null: nothing. */
  readonly retryAfterMs: number | null;
}

/** A request to a receiver. Redirects are errors: a credential goes to the configured host and to no other. */
export async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' });
  return {
    status: response.status,
    text: await readText(response),
    retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
  };
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > limits.sinkAnswerBytesMax) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function retryAfterMs(value: string | null): number | null {
  if (value === null) return null;
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
  const reason = `HTTP ${answer.status}`;
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
