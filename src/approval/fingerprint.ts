import { createHash, type Hash } from 'node:crypto';
import { sha256 } from '../lib/hash.ts';
import type { Conversation } from '../llm/conversation.ts';
import type { HoldTerms, Redaction } from '../policy/decision.ts';
import type { HeldRequest } from './approval.ts';

/** Everything an approval is bound to. Headers are absent on purpose: SDKs change them from one retry to the next. */
export interface Fingerprinted {
  readonly held: Pick<
    HeldRequest,
    'tenant' | 'requester' | 'requesterKind' | 'onBehalfOf' | 'resource' | 'direction' | 'rules' | 'policyRevision'
  >;
  readonly method: string;
  /** Query of the request, without `?`; absent: none. Never kept, only digested: some callers put keys there. */
  readonly query?: string;
  /** As decided by policy: a grant given under milder terms must not open a stricter hold. */
  readonly terms: HoldTerms;
  readonly redactions: readonly Redaction[];
  readonly conversation: Conversation;
  /** The whole body, content encoding removed. */
  readonly body: Uint8Array;
  /** Binds an answer to the one exchange that it is the answer of; absent: a request, which may be repeated. */
  readonly exchange?: string;
}

const domain = 'countersign/approval/fingerprint/v2';

/**
 * The digest that binds an approval to one exact request: hex SHA-256 over a length-prefixed, tagged encoding, so that no
 * two different inputs encode alike.
 *
 * Why the whole body *and* the conversation: numbers (`max_tokens`), images and members that no dialect reads are in the
 * body only; the conversation is what detection, policy and the reviewer saw of it, so that a new reading of the same bytes
 * is a new approval too. The SDKs of the field serialise a body once per logical call and repeat the same bytes on each
 * retry. A body that differs from one try to the next (a random multipart boundary, a nonce) needs a new approval each time.
 */
export function fingerprint(input: Fingerprinted): string {
  const { held, terms, conversation } = input;
  const hash = createHash('sha256');
  const text = (tag: string, value: string | null) => field(hash, tag, value);
  const list = (tag: string, values: readonly string[]) => {
    count(hash, tag, values.length);
    for (const value of values) text(tag, value);
  };

  text('domain', domain);
  text('tenant', held.tenant);
  text('requester.issuer', held.requester.issuer);
  text('requester.id', held.requester.id);
  text('requester.kind', held.requesterKind);
  text('on_behalf_of', held.onBehalfOf);
  text('method', input.method);
  text('host', held.resource.host);
  text('path', held.resource.path);
  text('query', input.query ?? null);
  text('dialect', held.resource.dialect);
  text('model', held.resource.model);
  text('direction', held.direction);
  if (input.exchange !== undefined) text('exchange', input.exchange);
  text('policy', held.policyRevision);

  list('rules', sorted(held.rules));
  list('terms.groups', sorted(terms.approverGroups));
  list(
    'terms',
    [
      terms.quorum,
      terms.ttlS,
      terms.grant.uses,
      terms.grant.ttlS,
      terms.groupMatch,
      terms.requireReason,
      terms.requireRequesterReason,
      terms.returnReason,
      terms.allowSelf,
    ].map(String),
  );
  list('terms.break_glass', sorted(terms.breakGlassGroups));

  count(hash, 'redactions', input.redactions.length);
  for (const redaction of [...input.redactions].sort(byContent)) {
    text('entity', redaction.entity);
    text('method', redaction.method);
    if (redaction.roles === undefined) text('roles', null);
    else list('roles', sorted(redaction.roles));
    text('min_score', redaction.minScore === undefined ? null : String(redaction.minScore));
  }

  count(hash, 'segments', conversation.segments.length);
  for (const segment of conversation.segments) {
    text('pointer', segment.pointer);
    text('role', segment.role);
    text('text', segment.text);
  }
  count(hash, 'uninspected', conversation.uninspected.length);
  for (const part of conversation.uninspected) {
    text('pointer', part.pointer);
    text('kind', part.kind);
  }
  bytes(hash, 'body', sha256(input.body));
  return hash.digest('hex');
}

function field(hash: Hash, tag: string, value: string | null): void {
  if (value === null) bytes(hash, `${tag}/null`, Buffer.alloc(0));
  else if (value.isWellFormed()) bytes(hash, tag, Buffer.from(value, 'utf8'));
  // UTF-8 would turn every lone surrogate into the same U+FFFD.
  else bytes(hash, `${tag}/utf16`, Buffer.from(value, 'utf16le'));
}

function count(hash: Hash, tag: string, items: number): void {
  bytes(hash, `${tag}/count`, Buffer.from(String(items), 'latin1'));
}

/** Tag and value, each behind its length. */
function bytes(hash: Hash, tag: string, value: Buffer): void {
  const head = Buffer.alloc(6 + tag.length);
  head.writeUInt16BE(tag.length, 0);
  head.write(tag, 2, 'latin1');
  head.writeUInt32BE(value.length, 2 + tag.length);
  hash.update(head).update(value);
}

function sorted(values: readonly string[]): readonly string[] {
  return [...values].sort();
}

function byContent(a: Redaction, b: Redaction): number {
  const left = redactionKey(a);
  const right = redactionKey(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

function redactionKey(redaction: Redaction): string {
  return JSON.stringify([redaction.entity, redaction.method, redaction.roles ?? null, redaction.minScore ?? null]);
}
