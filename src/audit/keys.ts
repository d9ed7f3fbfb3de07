import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { decrypt, encrypt } from './seal.ts';

/**
 * Where the log's keys come from. A key management service implements the same port: `wrap` and `unwrap` may take a
 * network round trip, they run once an hour. Both throw Fault `key_unavailable` when the key cannot be had.
 */
export interface AuditKeys {
  /** Names the key-encryption key, so that a record says what opens it. */
  readonly kekId: string;
  /** Encrypts an epoch's key, bound to its UTC hour (`2026-11-21T19`). */
  wrap(epochKey: Uint8Array, hour: string): Promise<Buffer>;
  unwrap(wrapped: Uint8Array, hour: string): Promise<Buffer>;
  /** Ed25519 private key that signs checkpoints. */
  readonly signingKey: KeyObject;
}

/** Both secrets of a log: 32 bytes each. An auditor who may open records needs the first, never the second. */
export interface AuditSecrets {
  readonly kek: Uint8Array;
  /** Seed of the Ed25519 key (RFC 8032 section 5.1.5). */
  readonly signingSeed: Uint8Array;
}

export function createAuditKeys(secrets: AuditSecrets, random: RandomBytes): AuditKeys {
  if (secrets.kek.length !== 32 || secrets.signingSeed.length !== 32) {
    throw new Fault('key_unavailable', 'an audit key must be 32 bytes');
  }
  const kek = Buffer.from(secrets.kek);
  const kekId = sha256Hex(Buffer.concat([Buffer.from('countersign/v1/kek\0'), kek])).slice(0, 16);
  const context = (hour: string): string => `countersign/v1/epoch\0${hour}`;
  return {
    kekId,
    signingKey: ed25519FromSeed(secrets.signingSeed),
    wrap: async (epochKey, hour) => encrypt(kek, random(12), epochKey, context(hour)),
    unwrap: async (wrapped, hour) => {
      const key = decrypt(kek, wrapped, context(hour));
      if (key === null) throw new Fault('key_unavailable', `the audit key ${kekId} does not open the epoch of ${hour}`);
      return key;
    },
  };
}

/**
 * Keys from a JSON file `{"kek":"<base64>","signing":"<base64>"}`. With `create`, a missing file is made with mode 0600:
 * for first steps and development; in production the file is put there by whoever keeps secrets.
 */
export function keysFromFile(path: string, create: boolean, random: RandomBytes): AuditKeys {
  const text = readOrNull(path) ?? (create ? createKeyFile(path, random) : null);
  if (text === null) {
    throw new Fault(
      'key_unavailable',
      `audit key file ${path} does not exist: put one there, or allow it to be created for development`,
    );
  }
  return createAuditKeys(parseKeyFile(text, path), random);
}

/** Keys from two variables that hold base64 of 32 bytes: COUNTERSIGN_AUDIT_KEK and COUNTERSIGN_AUDIT_SIGNING_KEY. */
export function keysFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  random: RandomBytes,
): AuditKeys {
  const secret = (name: string): Buffer => {
    const value = environment[name];
    if (value === undefined || value === '') throw new Fault('key_unavailable', `${name} is not set`);
    return decodeSecret(value, name);
  };
  return createAuditKeys(
    { kek: secret('COUNTERSIGN_AUDIT_KEK'), signingSeed: secret('COUNTERSIGN_AUDIT_SIGNING_KEY') },
    random,
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

function parseKeyFile(text: string, path: string): AuditSecrets {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new Fault('key_unavailable', `audit key file ${path} is not JSON`, cause);
  }
  const member = (name: string): Buffer => {
    const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined;
    if (typeof value !== 'string') throw new Fault('key_unavailable', `audit key file ${path} has no "${name}"`);
    return decodeSecret(value, `"${name}" in ${path}`);
  };
  return { kek: member('kek'), signingSeed: member('signing') };
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
