import type { Subject } from '../identity/subject.ts';
import { hmacSha256 } from '../lib/hash.ts';
import { limits } from '../lib/limits.ts';
import type { Conversation } from '../llm/conversation.ts';
import type { RequestHead } from './exchange.ts';

/**
 * The session groups exchanges in the record and bounds the meaning of placeholders. It is what the client says (the
 * configured header, else what the body hints), else the exchange itself. A client can name any session, so whatever is keyed
 * by it is keyed by tenant and caller too.
 */
export function sessionOf(head: RequestHead, header: string, conversation: Conversation, exchangeId: string): string {
  const said = head.headers.get(header) ?? conversation.sessionHint;
  return said && said.length <= 256 ? said.toWellFormed() : exchangeId;
}

/** Within what equal values have equal placeholders. */
export type MaskingScope = 'session' | 'tenant' | 'request';

/** No two scopes share bytes. */
export function placeholderScope(
  scope: MaskingScope,
  subject: Pick<Subject, 'tenant' | 'issuer' | 'id'>,
  session: string,
  exchangeId: string,
): string {
  const parts =
    scope === 'tenant'
      ? ['tenant', subject.tenant]
      : scope === 'session'
        ? ['session', subject.tenant, subject.issuer, subject.id, session]
        : ['request', subject.tenant, exchangeId];
  return lengthPrefixed(parts);
}

/** Stands for a caller in what leaves the sealed part of the record; keyed, so that it cannot be guessed back. */
export type Pseudonyms = (subject: Pick<Subject, 'authenticated' | 'tenant' | 'issuer' | 'id'>) => string;

/** Every record asks, and the same callers come again: the latest ones' pseudonyms are kept (`limits.pseudonymsMax`). */
export function createPseudonyms(key: Uint8Array): Pseudonyms {
  const kept = new Map<string, string>();
  return ({ authenticated, tenant, issuer, id }) => {
    if (!authenticated) return 'anonymous';
    const caller = lengthPrefixed([tenant, issuer, id]);
    const known = kept.get(caller);
    if (known !== undefined) return known;
    const pseudonym = hmacSha256(key, caller).toString('base64url').slice(0, 22);
    if (kept.size >= limits.pseudonymsMax) kept.clear();
    kept.set(caller, pseudonym);
    return pseudonym;
  };
}

/** No two lists share a text. */
function lengthPrefixed(parts: readonly string[]): string {
  let text = '';
  for (const part of parts) text += `${Buffer.byteLength(part)}:${part}`;
  return text;
}
