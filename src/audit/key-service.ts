import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../lib/fault.ts';

/** An answer of a key service, or none, that trying again may better: it is overloaded, sealed, restarting. */
export class KeyServiceBusy extends Error {}

const attemptsMax = 3;
const firstPauseMs = 100;

/**
 * How key management services are called: within one deadline over all attempts, again after a failed connection or a busy answer,
 * never again after a refusal. Everything that goes wrong is a Fault `key_unavailable` that names the key.
 */
export function keyService(
  what: string,
  timeoutMs: number,
): <T>(attempt: (signal: AbortSignal) => Promise<T>) => Promise<T> {
  return async (attempt) => {
    const signal = AbortSignal.timeout(timeoutMs);
    for (let tried = 1; ; tried++) {
      try {
        return await attempt(signal);
      } catch (error) {
        const mayPass = error instanceof KeyServiceBusy || isConnectionFailure(error);
        if (signal.aborted) throw new Fault('key_unavailable', `${what}: no answer within ${timeoutMs} ms`, error);
        if (!mayPass || tried === attemptsMax) {
          throw new Fault('key_unavailable', `${what}: ${error instanceof Error ? error.message : 'failed'}`, error);
        }
        // The deadline ends the pause, too; the attempt that follows says so.
        await wait(firstPauseMs * 2 ** (tried - 1), undefined, { signal }).catch(() => undefined);
      }
    }
  };
}

/** `replyOf` an answer to `fetch` of at most so many bytes. */
export async function readReply(reply: Response, bytesMax: number): Promise<Readonly<Record<string, unknown>>> {
  return replyOf(reply.status, await readBounded(reply, bytesMax));
}

/** The JSON object of an answer that says yes. What the service says of a refusal is for operators; it holds no secret of ours. */
export function replyOf(status: number, text: string): Readonly<Record<string, unknown>> {
  if (status === 429 || status >= 500) throw new KeyServiceBusy(`status ${status}`);
  if (status < 200 || status > 299) throw new Fault('key_unavailable', `status ${status}: ${text.slice(0, 200)}`);
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Fault('key_unavailable', 'the answer is no object');
  return Object.fromEntries(Object.entries(value));
}

async function readBounded(reply: Response, bytesMax: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of reply.body ?? []) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new Fault('key_unavailable', `the answer is larger than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** `fetch` throws a TypeError when there is no connection, or when it breaks. */
function isConnectionFailure(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'fetch failed';
}
