import type { ExchangeSettings } from './deps.ts';
import type { HeaderChanges } from './exchange.ts';

/** They describe bytes that masking changed. */
const staleDigests = ['content-md5', 'digest', 'content-digest'];

/**
 * What never goes upstream: the identity token, our own headers, encodings that we could not read in the answer, and of a rewritten body
 * stale digests and an encoding that it no longer has.
 */
export function upstreamHeaders(
  settings: ExchangeSettings,
  headers: ReadonlyMap<string, string>,
  isRewritten: boolean,
): HeaderChanges {
  const { tokenHeader, forwardToken, encoding } = settings;
  const set = new Map<string, string>();
  const remove = ['x-countersign-reason'];
  const accepted = encoding.answers === 'same' ? flowingEncodings(headers.get('accept-encoding') ?? '') : '';
  if (accepted === '') remove.push('accept-encoding');
  else set.set('accept-encoding', accepted);
  if (!forwardToken) remove.push(tokenHeader.header);
  if (isRewritten) {
    remove.push(...staleDigests);
    if (encoding.requests === 'identity') remove.push('content-encoding');
  }
  return { set, remove: remove.filter((name) => headers.has(name)) };
}

/** Of an `accept-encoding` (RFC 9110 section 12.5.3) what can be decoded as it flows, so that no stream is held back for its encoding. */
function flowingEncodings(accepted: string): string {
  const isRefused = /;\s*q=0(?:\.0*)?$/;
  return accepted
    .toLowerCase()
    .split(',')
    .map((each) => each.trim())
    .filter((each) => /^(?:gzip|deflate)(?:\s*;|$)/.test(each) && !isRefused.test(each))
    .join(', ');
}
