import { type Metadata, status } from '@grpc/grpc-js';
import type { Authenticator, Subject } from '../identity/subject.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { RpcStatus } from '../rpc/status.ts';

/**
 * Who calls our API, from metadata `authorization: Bearer <token>` (RFC 6750 section 2.1). There is no anonymous caller: no
 * token, two tokens or one that does not verify are UNAUTHENTICATED.
 */
export async function authenticateCaller(
  authenticator: Authenticator,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<Result<Subject, RpcStatus>> {
  const [header, ...more] = metadata.get('authorization');
  const token = typeof header === 'string' && more.length === 0 ? /^bearer +(\S+)$/i.exec(header)?.[1] : undefined;
  if (token === undefined || token.length > limits.tokenBytesMax) return refused('missing_token');
  const subject = await authenticator.authenticate({ token, principal: null, xfcc: null }, signal);
  if (!subject.ok) return refused(subject.error);
  return subject.value.authenticated && subject.value.id !== '' ? ok(subject.value) : refused('anonymous');
}

/** INVALID_ARGUMENT, naming the field. */
export function invalid(field: string, why: string): Result<never, RpcStatus> {
  return err({ code: status.INVALID_ARGUMENT, details: `invalid_argument: ${field} ${why}` });
}

/** Whether a text can be an id of ours at all. */
export function isId(text: string): boolean {
  return /^[\w-]{1,64}$/.test(text);
}

function refused(why: string): Result<never, RpcStatus> {
  return err({ code: status.UNAUTHENTICATED, details: `unauthenticated: ${why}` });
}
