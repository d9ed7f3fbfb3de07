import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import { createShortHmac } from '../lib/hash.ts';
import type { RandomBytes } from '../lib/ids.ts';

/** Random bytes in front of each body, inside what is sealed: with the key goes the salt, with the salt the commitment. */
export const saltBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const keyBytes = 32;
const wrappedKeyBytes: number = nonceBytes + keyBytes + tagBytes;

/** What sealing adds to the bytes that are sealed. */
export const sealedExtraBytes: number = wrappedKeyBytes + tagBytes;

export interface Sealer {
  /**
   * Seals a record's bodies under a random key that is used for nothing else, and that key under the epoch's. Writes the wrapped key (60
   * bytes) to `target` at `at` and behind it the AES-256-GCM ciphertext with its tag; there must be room for `sealedExtraBytes` more
   * than the plaintext. `plaintext` is the bodies in order, each behind its salt; `context` binds the whole to its record.
   *
   * One ciphertext a record and not one a body: the bodies share a key anyway, and a cipher context costs more than the encryption of
   * 4 KB. A single body is shown to others by its plaintext and salt, which its commitment vouches for.
   */
  seal(target: Buffer, at: number, plaintext: Uint8Array, context: string, epochKey: Uint8Array): void;
}

export function createSealer(random: RandomBytes): Sealer {
  /** The context of the wrapped key, whose end is that of the bodies. */
  let text = Buffer.alloc(1_024);
  return {
    seal: (target, at, plaintext, context, epochKey) => {
      // A UTF-16 unit takes at most three bytes of UTF-8.
      const textBytesMax = keyContextPrefix.length + context.length * 3;
      if (textBytesMax > text.length) text = Buffer.alloc(textBytesMax);
      const textBytes = text.write(keyContextPrefix + context);
      const secret = random(keyBytes + nonceBytes);
      const key = secret.subarray(0, keyBytes);
      const nonce = secret.subarray(keyBytes);
      target.set(nonce, at);
      encryptInto(target, at + nonceBytes, epochKey, nonce, key, text.subarray(0, textBytes));
      const aad = text.subarray(keyContextPrefix.length, textBytes);
      // The key is single-use, so the nonce may be constant.
      encryptInto(target, at + wrappedKeyBytes, key, zeroNonce, plaintext, aad);
      key.fill(0);
    },
  };
}

/** Writes ciphertext and tag. */
function encryptInto(
  target: Buffer,
  at: number,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): void {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(aad);
  target.set(cipher.update(plaintext), at);
  cipher.final();
  target.set(cipher.getAuthTag(), at + plaintext.length);
}

/** The plaintext of what a sealer made, or null when key, context or bytes do not fit. */
export function unseal(sealed: Uint8Array, context: string, epochKey: Uint8Array): Buffer | null {
  if (sealed.length < wrappedKeyBytes + tagBytes) return null;
  const key = decrypt(epochKey, sealed.subarray(0, wrappedKeyBytes), keyContext(context));
  if (key === null) return null;
  return decryptParts(key, zeroNonce, sealed.subarray(wrappedKeyBytes, -tagBytes), sealed.subarray(-tagBytes), context);
}

/**
 * What wraps a record's key: the epoch's key, for a known data subject together with theirs. Without either of the two the record
 * stays shut. HMAC-SHA-256 as the combiner, so that the sealed form is the same with and without a subject.
 */
export function wrappingKey(epochKey: Uint8Array, subjectKey: Uint8Array | null): Uint8Array {
  return createWrappingKeys(epochKey)(subjectKey);
}

/** The same for many records of one epoch. */
export function createWrappingKeys(epochKey: Uint8Array): (subjectKey: Uint8Array | null) => Uint8Array {
  const hmac = createShortHmac(epochKey);
  return (subjectKey) => (subjectKey === null ? epochKey : hmac(Buffer.concat([subjectDomain, subjectKey])));
}

const subjectDomain = Buffer.from('countersign/v1/subject\0', 'latin1');

function keyContext(context: string): string {
  return keyContextPrefix + context;
}

const keyContextPrefix = 'countersign/v1/key\0';

/** What a sealed part is bound to: this log, this record, these bodies in this order. */
export function sealContext(origin: string, id: string, names: readonly string[]): string {
  return `countersign/v1/bodies\0${origin}\0${id}\0${names.join('\0')}`;
}

/**
 * Commitment to a body: base64url SHA-256 over its 32-byte secret salt and its bytes. GCM is not key-committing; this
 * keeps a key holder from opening the ciphertext to something else. A fixed-length secret prefix hides as HMAC would, at
 * half the cost.
 */
export function bodyCommitment(saltAndBody: Uint8Array): string {
  return hash('sha256', saltAndBody, 'base64url');
}

/** base64url SHA-256 of a sealed part as stored: what a scrubber checks without a key. */
export function sealedHash(sealed: Uint8Array): string {
  return hash('sha256', sealed, 'base64url');
}

/** AES-256-GCM with the nonce in front and the tag behind. A key may encrypt 2^32 times with random nonces. */
export function encrypt(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, context: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context));
  const body = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

/** The inverse of `encrypt`; null when key, context or bytes do not fit. */
export function decrypt(key: Uint8Array, sealed: Uint8Array, context: string): Buffer | null {
  if (sealed.length < nonceBytes + tagBytes) return null;
  return decryptParts(
    key,
    sealed.subarray(0, nonceBytes),
    sealed.subarray(nonceBytes, -tagBytes),
    sealed.subarray(-tagBytes),
    context,
  );
}

function decryptParts(
  key: Uint8Array,
  nonce: Uint8Array,
  body: Uint8Array,
  tag: Uint8Array,
  context: string,
): Buffer | null {
  if (tag.length !== tagBytes || key.length !== keyBytes) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(body);
  try {
    decipher.final();
  } catch {
    return null;
  }
  return plaintext;
}

const zeroNonce: Buffer = Buffer.alloc(nonceBytes);
