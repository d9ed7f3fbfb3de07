import { hash } from 'node:crypto';
import { canonicalJson } from '../lib/json.ts';
import type { AuditEntry } from './entry.ts';

/** What the log adds to an entry. */
export interface ManifestStamp {
  /** Record id, UUID version 7. */
  readonly id: string;
  /** Epoch whose key wraps the record's data key. */
  readonly epoch: string;
  readonly sequence: number;
  /** 32 random bytes: they make the commitment hiding. */
  readonly nonce: Uint8Array;
  readonly wallNs: bigint;
  readonly monoNs: bigint;
}

/** A body of an entry, in the order in which it is sealed: by name. */
export interface NamedBody {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A base64url SHA-256 takes as many bytes. */
export const commitmentBytes = 43;

/** RFC 8785 (JCS), whole but for its commitments, which are known only after sealing: in their places stand as many underscores. */
export interface OpenManifest {
  readonly text: string;
  /**
   * Where commitments go, in bytes from the first: of wrapped key and ciphertext as stored (`ct`), then of each body's salt and plaintext
   * (`pt`). None for a record without bodies.
   */
  readonly holes: readonly number[];
}

/** Throws a TypeError on facts that JCS cannot hold. */
export type WriteManifest = (entry: AuditEntry, bodies: readonly NamedBody[], stamp: ManifestStamp) => OpenManifest;

export interface ManifestOptions {
  /** The log's name; also the name of its signing key. */
  readonly origin: string;
  /** Id of the writer's run. */
  readonly boot: string;
}

/** Sequence number and nanosecond times are strings, because JCS rounds integers beyond 2^53. */
export function createManifestWriter({ origin, boot }: ManifestOptions): WriteManifest {
  return (entry, bodies, stamp) => {
    const holes: number[] = [];
    // `bodies` sorts before every other member, so it goes in front.
    const first = bodiesMember(bodies, holes);
    const others = canonicalJson({
      boot,
      epoch: stamp.epoch,
      exchange: entry.exchange,
      facts: entry.facts,
      id: stamp.id,
      kind: entry.kind,
      nonce: Buffer.from(stamp.nonce).toString('base64url'),
      origin,
      seq: String(stamp.sequence),
      session: entry.session,
      ...(entry.subjectKey === undefined ? {} : { subject: entry.subjectKey.id }),
      t: { mono_ns: String(stamp.monoNs), wall_ns: String(stamp.wallNs) },
      v: 1,
    });
    return { text: `{${first},${others.slice(1)}`, holes };
  };
}

function bodiesMember(bodies: readonly NamedBody[], holes: number[]): string {
  if (bodies.length === 0) return '"bodies":{"parts":{}}';
  let text = '"bodies":{"ct":"';
  // Of the member and the brace before it. Names and media types may be longer in bytes than in characters.
  let bytes = 1 + text.length;
  const add = (more: string): void => {
    text += more;
    bytes += Buffer.byteLength(more);
  };
  const addHole = (): void => {
    holes.push(bytes);
    text += unknown;
    bytes += commitmentBytes;
  };
  addHole();
  add('","parts":{');
  for (const [index, { name, mediaType, bytes: body }] of bodies.entries()) {
    if (index > 0) add(',');
    add(`${canonicalJson(name)}:{"mt":${canonicalJson(mediaType)},"n":${body.length},"pt":"`);
    addHole();
    add('"}');
  }
  return `${text}}}`;
}

const unknown = '_'.repeat(commitmentBytes);

const manifestDomain = Buffer.from('countersign/v1/manifest\0', 'latin1');

/** base64url SHA-256 over the domain and the exact manifest bytes: the `c` of the leaf. */
export function manifestCommitment(manifest: Uint8Array): string {
  const input = Buffer.allocUnsafe(manifestDomain.length + manifest.length);
  manifestDomain.copy(input);
  input.set(manifest, manifestDomain.length);
  return hash('sha256', input, 'base64url');
}

/**
 * As `manifestCommitment`, of a manifest that stands in a buffer, without a copy. The 24 bytes in front of it are lost: there must be as
 * many, and what belongs there must be written afterwards.
 */
export function commitInPlace(buffer: Buffer, start: number, end: number): string {
  const from = start - manifestDomain.length;
  buffer.set(manifestDomain, from);
  return hash('sha256', buffer.subarray(from, end), 'base64url');
}

/** The Merkle tree's entry for a record: canonical JSON without personal data, about 110 bytes. */
export function leafBytes(commitment: string, id: string, kind: string): Buffer {
  return Buffer.from(`{"c":"${commitment}","i":"${id}","k":"${kind}","v":1}`, 'latin1');
}
