import type { Authenticator } from '../identity/subject.ts';
import { tokenFromHeaders } from '../identity/token-header.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestHead } from './exchange.ts';

/** Who asks, by the token and the workload of the head. */
export function authenticate(
  deps: ExchangeDeps,
  head: RequestHead,
  signal: AbortSignal,
): ReturnType<Authenticator['authenticate']> {
  return deps.authenticator.authenticate(
    {
      token: tokenFromHeaders(head.headers, deps.settings.tokenHeader),
      principal: head.source.principal,
      xfcc: head.headers.get('x-forwarded-client-cert') ?? null,
    },
    signal,
  );
}
