import type { Subject } from '../identity/subject.ts';
import { hmacSha256 } from '../lib/hash.ts';
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

export type MaskingScope = 'session' | 'tenant' | 'request';

/** Length-prefixed, so that no two scopes share bytes. */
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
  return parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
}

/** Stands for a caller in what leaves the sealed part of the record; keyed, so that it cannot be guessed back. */
export function pseudonym(
  key: Uint8Array,
  subject: Pick<Subject, 'authenticated' | 'tenant' | 'issuer' | 'id'>,
): string {
  if (!subject.authenticated) return 'anonymous';
  const parts = [subject.tenant, subject.issuer, subject.id]
    .map((part) => `${Buffer.byteLength(part)}:${part}`)
    .join('');
  return hmacSha256(key, parts).toString('base64url').slice(0, 22);
}
