import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { sha256 } from './verify-problems.ts';

/** C2SP signed-note algorithms that we know: a log's Ed25519 signature, a witness's timestamped cosignature/v1. */
export const noteAlgorithms = { ed25519: 0x01, cosignature: 0x04 } as const;

/** A verifier key, `<name>+<hex id>+<base64 of algorithm and key>`. */
export interface NoteKey {
  readonly name: string;
  readonly algorithm: 'ed25519' | 'cosignature';
  /** 4 bytes. */
  readonly id: Buffer;
  readonly key: KeyObject;
  /** The 32 raw bytes. */
  readonly raw: Buffer;
}

/** Reads a verifier key; null when it is none, or not of an algorithm that we know. */
export function parseNoteKey(text: string): NoteKey | null {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text);
  if (!match) return null;
  const [, name = '', id = '', encoded = ''] = match;
  const bytes = Buffer.from(encoded, 'base64');
  const algorithm =
    bytes[0] === noteAlgorithms.ed25519 ? 'ed25519' : bytes[0] === noteAlgorithms.cosignature ? 'cosignature' : null;
  if (algorithm === null || bytes.length !== 33 || bytes.toString('base64') !== encoded) return null;
  if (sha256(Buffer.concat([Buffer.from(`${name}\n`), bytes])).toString('hex', 0, 4) !== id) return null;
  // RFC 8410: the prefix of an Ed25519 SubjectPublicKeyInfo.
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1)]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  return { name, algorithm, id: Buffer.from(id, 'hex'), key, raw: bytes.subarray(1) };
}

/** A checkpoint as it was signed; whose signatures hold is a question of keys. */
export interface SignedCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** The signed text. */
  readonly body: string;
  readonly signatures: readonly { readonly name: string; readonly blob: Buffer }[];
}

/** Reads a C2SP tlog-checkpoint, or says what is wrong with it. Strict: three lines, signatures, nothing else. */
export function parseSignedCheckpoint(note: string): SignedCheckpoint | string {
  const match = /^((.+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n)\n((?:\u2014 .+\n)+)$/.exec(note);
  if (!match) return 'it is not a signed checkpoint';
  const [, body = '', origin = '', size = '', root = '', lines = ''] = match;
  const rootBytes = Buffer.from(root, 'base64');
  if (rootBytes.toString('base64') !== root || !Number.isSafeInteger(Number(size))) {
    return 'its size or root is malformed';
  }
  const signatures = lines
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const [, name = '', encoded = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
      const blob = Buffer.from(encoded, 'base64');
      return name !== '' && blob.toString('base64') === encoded ? [{ name, blob }] : [];
    });
  return { origin, size: Number(size), root: rootBytes, body, signatures };
}

/**
 * What a key says of a checkpoint: `signed` (with the witness's own time, in seconds, for a cosignature), `absent`, or
 * `bad`: there is a signature in its name and id that does not verify.
 */
export type KeyVerdict =
  | { readonly kind: 'signed'; readonly timeS: number | null }
  | { readonly kind: 'absent' | 'bad' };

export function checkSignature(checkpoint: SignedCheckpoint, key: NoteKey): KeyVerdict {
  const found = checkpoint.signatures.find(({ name, blob }) => name === key.name && blob.subarray(0, 4).equals(key.id));
  if (found === undefined) return { kind: 'absent' };
  const { blob } = found;
  if (key.algorithm === 'ed25519') {
    const isRight =
      blob.length === 68 && verifySignature(null, Buffer.from(checkpoint.body), key.key, blob.subarray(4));
    return isRight ? { kind: 'signed', timeS: null } : { kind: 'bad' };
  }
  if (blob.length !== 76) return { kind: 'bad' };
  const timeS = Number(blob.readBigUInt64BE(4));
  const text = cosignedText(checkpoint.body, timeS);
  return verifySignature(null, Buffer.from(text), key.key, blob.subarray(12))
    ? { kind: 'signed', timeS }
    : { kind: 'bad' };
}

/** What a witness signs (C2SP tlog-cosignature, cosignature/v1). */
export function cosignedText(body: string, timeS: number): string {
  return `cosignature/v1\ntime ${timeS}\n${body}`;
}
