import { hash } from 'node:crypto';
import { createCanonicalWriter } from '../lib/canonical-writer.ts';
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

export interface ManifestWriter {
  /**
   * Writes a manifest at `at` and returns the offset behind it, as `CanonicalWriter` does. It is whole but for its commitments, which are
   * known only after sealing: in their places, which `holes` tells, stand as many underscores. Throws a TypeError on facts that JCS
   * cannot hold.
   */
  write(buffer: Buffer, at: number, entry: AuditEntry, bodies: readonly NamedBody[], stamp: ManifestStamp): number;
  /**
   * Where commitments go in the manifest written last, from its first byte: of wrapped key and ciphertext as stored (`ct`), then of
   * each body's salt and plaintext (`pt`). None for a record without bodies.
   */
  holes(): readonly number[];
}

export interface ManifestWriterOptions {
  /** The log's name; also the name of its signing key. */
  readonly origin: string;
  /** Id of the writer's run. */
  readonly boot: string;
}

/**
 * RFC 8785 (JCS). Sequence number and nanosecond times are strings, because JCS rounds integers beyond 2^53.
 */
export function createManifestWriter({ origin, boot }: ManifestWriterOptions): ManifestWriter {
  const json = createCanonicalWriter();
  let holes: number[] = [];

  function write(
    buffer: Buffer,
    start: number,
    entry: AuditEntry,
    bodies: readonly NamedBody[],
    stamp: ManifestStamp,
  ): number {
    holes = [];
    // `bodies` sorts before every other member, so it goes in front.
    const at = writeBodies(buffer, start, bodies);
    const end = json.write(buffer, at, {
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
    buffer[at] = comma;
    return end;
  }

  function writeBodies(buffer: Buffer, start: number, bodies: readonly NamedBody[]): number {
    if (bodies.length === 0) return text(buffer, start, '{"bodies":{"parts":{}}');
    let at = hole(buffer, start, text(buffer, start, '{"bodies":{"ct":"'));
    at = text(buffer, at, '","parts":{');
    for (const [index, { name, mediaType, bytes }] of bodies.entries()) {
      if (index > 0) at = text(buffer, at, ',');
      at = text(buffer, json.write(buffer, at, name), ':{"mt":');
      at = text(buffer, json.write(buffer, at, mediaType), `,"n":${bytes.length},"pt":"`);
      at = text(buffer, hole(buffer, start, at), '"}');
    }
    return text(buffer, at, '}}');
  }

  function hole(buffer: Buffer, start: number, at: number): number {
    holes.push(at - start);
    return text(buffer, at, unknown);
  }

  return { write, holes: () => holes };
}

const unknown = '_'.repeat(commitmentBytes);
const comma = 0x2c;

/** Beyond the buffer's end nothing is written. */
function text(buffer: Buffer, at: number, ascii: string): number {
  for (let i = 0; i < ascii.length; i++) buffer[at + i] = ascii.charCodeAt(i);
  return at + ascii.length;
}

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
