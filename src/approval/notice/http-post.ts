import { type ClientRequest, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { createDeadline } from '../../lib/deadline.ts';
import type { Delivery, Post } from './delivery.ts';

/**
 * Posts once, on a connection of its own, and answers within `timeoutMs` in any case. Certificates are verified. Redirects are not
 * followed: where notices go is said by configuration, never by an answer. Of the answer only status and `retry-after` count.
 */
export function postOnce(post: Post, timeoutMs: number, signal: AbortSignal): Promise<Delivery> {
  const deadline = createDeadline(signal, timeoutMs);
  const answered = new Promise<Delivery>((resolve) => {
    const url = new URL(post.url);
    const send = url.protocol === 'https:' ? requestTls : requestPlain;
    const options = {
      method: 'POST',
      agent: false as const,
      headers: { ...post.headers, 'content-length': Buffer.byteLength(post.body) },
      signal: deadline.signal,
      ...(post.ca === null ? {} : { ca: post.ca }),
    };
    const call: ClientRequest = send(url, options, (response) => {
      const { statusCode = 0, headers } = response;
      resolve(judged(statusCode, headers['retry-after']));
      // What it has to say is not read.
      response.on('error', () => {});
      call.destroy();
    });
    call.on('error', (error) => resolve({ kind: 'failed', reason: reasonOf(error), retryAfterMs: null }));
    call.end(post.body);
  });
  return answered.finally(deadline.clear);
}

function judged(status: number, retryAfter: string | undefined): Delivery {
  if (status >= 200 && status < 300) return { kind: 'sent' };
  // Standard Webhooks: the endpoint is gone and asks not to be called again.
  if (status === 410) return { kind: 'refused', reason: 'status 410' };
  const reason = status >= 300 && status < 400 ? `status ${status}: redirects are not followed` : `status ${status}`;
  const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : null;
  return { kind: 'failed', reason, retryAfterMs: seconds === null ? null : seconds * 1000 };
}

function reasonOf(error: Error): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'no answer in time';
  return 'code' in error && typeof error.code === 'string' ? error.code : 'the connection failed';
}
