import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { decrypt, encrypt } from './seal.ts';

/**
 * A key-encryption key, wherever it lies: in this process, or in a key management service that never gives it out. Both calls may
 * take a network round trip; they run once an hour, and once for each epoch that is read. Both throw Fault `key_unavailable`
 * when the key cannot be had or does not fit.
 */
export interface Kek {
  /** Names it, so that what it wrapped says what opens it. The same for all versions of a key that rotates in its service. */
  readonly id: string;
  /** Encrypts 32 bytes, bound to `name`: the UTC hour of an epoch (`2026-11-21T19`), or `subjects`. */
  wrap(key: Uint8Array, name: string): Promise<Buffer>;
  unwrap(wrapped: Uint8Array, name: string): Promise<Buffer>;
}

/** All that a log's keys can do. Throws as `Kek` does. */
export interface AuditKeys {
  /** The key-encryption key that wraps from now on. */
  readonly kekId: string;
  wrap(key: Uint8Array, name: string): Promise<Buffer>;
  /** `kek`: the id of what wrapped it; absent: the one that wraps now. */
  unwrap(wrapped: Uint8Array, name: string, kek?: string): Promise<Buffer>;
  /** Ed25519 private key that signs checkpoints. */
  readonly signingKey: KeyObject;
  /** Wraps for the auditors' age identities as well; null: nobody. */
  readonly age: AgeWrap | null;
}

/** An age file (age-encryption.org/v1) that each of the configured recipients can open with the stock `age` tool. */
export type AgeWrap = (key: Uint8Array) => Promise<Buffer>;

/** Both secrets of a log: 32 bytes each. An auditor who may open records needs the first, never the second. */
export interface AuditSecrets {
  readonly kek: Uint8Array;
  /** Seed of the Ed25519 key (RFC 8032 section 5.1.5). */
  readonly signingSeed: Uint8Array;
}

export function createAuditKeys(secrets: AuditSecrets, random: RandomBytes): AuditKeys {
  return createKeyRing({ signingSeed: secrets.signingSeed, keks: [createLocalKek(secrets.kek, random)], age: null });
}

export interface KeyRingOptions {
  /** Seed of the Ed25519 key, 32 bytes. */
  readonly signingSeed: Uint8Array;
  /** The first one wraps; the others only open what they wrapped before they were replaced. */
  readonly keks: readonly [Kek, ...Kek[]];
  readonly age: AgeWrap | null;
}

/** Keys with a history: whatever one of them ever wrapped stays readable. */
export function createKeyRing({ signingSeed, keks, age }: KeyRingOptions): AuditKeys {
  if (signingSeed.length !== 32) throw new Fault('key_unavailable', 'an audit key must be 32 bytes');
  const [current] = keks;
  return {
    kekId: current.id,
    signingKey: ed25519FromSeed(signingSeed),
    age,
    wrap: current.wrap,
    unwrap: async (wrapped, name, kek = current.id) => {
      const found = keks.find(({ id }) => id === kek);
      if (found === undefined) {
        throw new Fault('key_unavailable', `${name} was wrapped by the audit key ${kek}, which is not configured`);
      }
      return found.unwrap(wrapped, name);
    },
  };
}

/** A key-encryption key in this process's memory. */
export function createLocalKek(secret: Uint8Array, random: RandomBytes): Kek {
  if (secret.length !== 32) throw new Fault('key_unavailable', 'an audit key must be 32 bytes');
  const kek = Buffer.from(secret);
  const id = sha256Hex(Buffer.concat([Buffer.from('countersign/v1/kek\0'), kek])).slice(0, 16);
  const context = (name: string): string => `countersign/v1/epoch\0${name}`;
  return {
    id,
    wrap: async (key, name) => encrypt(kek, random(12), key, context(name)),
    unwrap: async (wrapped, name) => {
      const key = decrypt(kek, wrapped, context(name));
      if (key === null) throw new Fault('key_unavailable', `the audit key ${id} does not open the epoch of ${name}`);
      return key;
    },
  };
}

/**
 * Keys from a JSON file `{"kek":"<base64>","signing":"<base64>"}`. With `create`, a missing file is made with mode 0600:
 * for first steps and development; in production the file is put there by whoever keeps secrets.
 */
export function keysFromFile(path: string, create: boolean, random: RandomBytes): AuditKeys {
  const { kek, signingSeed } = secretsFromFile(path, create, random);
  if (kek === null) throw new Fault('key_unavailable', `audit key file ${path} has no "kek"`);
  return createAuditKeys({ kek, signingSeed }, random);
}

/** What a source of keys holds: without a key-encryption key where a key management service has it. */
export interface KeySource {
  readonly kek: Buffer | null;
  readonly signingSeed: Buffer;
}

/** The content of a key file; see `keysFromFile`. */
export function secretsFromFile(path: string, create: boolean, random: RandomBytes): KeySource {
  const text = readOrNull(path) ?? (create ? createKeyFile(path, random) : null);
  if (text === null) {
    throw new Fault(
      'key_unavailable',
      `audit key file ${path} does not exist: put one there, or allow it to be created for development`,
    );
  }
  return parseKeyFile(text, path);
}

/** Keys from two variables that hold base64 of 32 bytes: COUNTERSIGN_AUDIT_KEK and COUNTERSIGN_AUDIT_SIGNING_KEY. */
export function keysFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  random: RandomBytes,
): AuditKeys {
  const { kek, signingSeed } = secretsFromEnvironment(environment);
  if (kek === null) throw new Fault('key_unavailable', 'COUNTERSIGN_AUDIT_KEK is not set');
  return createAuditKeys({ kek, signingSeed }, random);
}

export function secretsFromEnvironment(environment: Readonly<Record<string, string | undefined>>): KeySource {
  const secret = (name: string): Buffer | null => {
    const value = environment[name];
    return value === undefined || value === '' ? null : decodeSecret(value, name);
  };
  const kek = secret('COUNTERSIGN_AUDIT_KEK');
  const signingSeed = secret('COUNTERSIGN_AUDIT_SIGNING_KEY');
  if (signingSeed !== null) return { kek, signingSeed };
  throw new Fault(
    'key_unavailable',
    `${kek === null ? 'COUNTERSIGN_AUDIT_KEK' : 'COUNTERSIGN_AUDIT_SIGNING_KEY'} is not set`,
  );
}

/** The 32 raw public bytes of an Ed25519 key, private or public. */
export function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
}

function ed25519FromSeed(seed: Uint8Array): KeyObject {
  // RFC 8410 section 7: PKCS #8 around the seed has a constant prefix.
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' });
}

function parseKeyFile(text: string, path: string): KeySource {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new Fault('key_unavailable', `audit key file ${path} is not JSON`, cause);
  }
  const member = (name: string): Buffer | null => {
    const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined;
    return typeof value === 'string' ? decodeSecret(value, `"${name}" in ${path}`) : null;
  };
  const kek = member('kek');
  const signingSeed = member('signing');
  if (signingSeed !== null) return { kek, signingSeed };
  throw new Fault('key_unavailable', `audit key file ${path} has no "${kek === null ? 'kek' : 'signing'}"`);
}

function decodeSecret(value: string, where: string): Buffer {
  const bytes = Buffer.from(value.trim(), 'base64');
  if (bytes.length !== 32) throw new Fault('key_unavailable', `${where} must be base64 of 32 bytes`);
  return bytes;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new Fault('key_unavailable', `audit key file ${path} cannot be read`, cause);
  }
}

function createKeyFile(path: string, random: RandomBytes): string {
  const text = `${JSON.stringify({ kek: random(32).toString('base64'), signing: random(32).toString('base64') })}\n`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const directory = openSync(dirname(path), 'r');
    try {
      // A key that a crash can lose would make every record sealed by it unreadable.
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch (cause) {
    throw new Fault('key_unavailable', `audit key file ${path} cannot be created`, cause);
  }
  return text;
}
