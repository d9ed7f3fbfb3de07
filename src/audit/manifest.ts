import { hash } from 'node:crypto';
import { canonicalJson } from '../lib/json.ts';
import type { AuditEntry } from './entry.ts';

/** What the log adds to an entry. */
export interface ManifestStamp {
  /** Record id, UUID version 7. */
  readonly id: string;
  /** The log's name; also the name of its signing key. */
  readonly origin: string;
  /** Id of the writer's run. */
  readonly boot: string;
  /** Epoch whose key wraps the record's data key. */
  readonly epoch: string;
  readonly sequence: number;
  /** 32 random bytes: they make the commitment hiding. */
  readonly nonce: Uint8Array;
  readonly wallNs: bigint;
  readonly monoNs: bigint;
}

/** What is known of a sealed body without its key. */
export interface BodyCommitment {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
  /** base64url SHA-256 over salt and plaintext; the salt is sealed with the body. */
  readonly plaintext: string;
}

export interface Commitments {
  /** base64url SHA-256 of wrapped key and ciphertext as stored; null when the record has no bodies. */
  readonly sealed: string | null;
  readonly parts: readonly BodyCommitment[];
}

/**
 * The manifest but for its commitments: they are known only after sealing, which another thread does. RFC 8785 (JCS).
 * Sequence number and nanosecond times are strings, because JCS rounds integers beyond 2^53. Throws a TypeError on facts
 * that JCS cannot hold.
 */
export function draftManifest(entry: AuditEntry, stamp: ManifestStamp): string {
  return canonicalJson({
    boot: stamp.boot,
    epoch: stamp.epoch,
    exchange: entry.exchange,
    facts: entry.facts,
    id: stamp.id,
    kind: entry.kind,
    nonce: Buffer.from(stamp.nonce).toString('base64url'),
    origin: stamp.origin,
    seq: String(stamp.sequence),
    session: entry.session,
    ...(entry.subjectKey === undefined ? {} : { subject: entry.subjectKey.id }),
    t: { mono_ns: String(stamp.monoNs), wall_ns: String(stamp.wallNs) },
    v: 1,
  });
}

/**
 * The whole manifest, still canonical: `bodies` sorts before every member of the draft, so it goes in front.
 */
export function completeManifest(draft: string, commitments: Commitments): string {
  return `{"bodies":${bodiesMember(commitments)},${draft.slice(1)}`;
}

function bodiesMember(commitments: Commitments): string {
  if (commitments.sealed === null) return '{"parts":{}}';
  const parts = [...commitments.parts]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(
      (part) =>
        `${JSON.stringify(part.name)}:{"mt":${JSON.stringify(part.mediaType)},"n":${part.bytes},"pt":"${part.plaintext}"}`,
    );
  return `{"ct":"${commitments.sealed}","parts":{${parts.join(',')}}}`;
}

const manifestDomain = Buffer.from('countersign/v1/manifest\0', 'latin1');

/** base64url SHA-256 over the domain and the exact manifest bytes: the `c` of the leaf. */
export function manifestCommitment(manifest: Uint8Array): string {
  const input = Buffer.allocUnsafe(manifestDomain.length + manifest.length);
  manifestDomain.copy(input);
  input.set(manifest, manifestDomain.length);
  return hash('sha256', input, 'base64url');
}

/** The Merkle tree's entry for a record: canonical JSON without personal data, about 110 bytes. */
export function leafBytes(commitment: string, id: string, kind: string): Buffer {
  return Buffer.from(`{"c":"${commitment}","i":"${id}","k":"${kind}","v":1}`, 'latin1');
}
