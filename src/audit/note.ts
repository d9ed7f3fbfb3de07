import { hash, type KeyObject, sign, verify } from 'node:crypto';
import { err, ok, type Result } from '../lib/result.ts';

/** Algorithm byte of an Ed25519 signature (C2SP signed-note). */
const ed25519 = 0x01;

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** Root hash, 32 bytes. */
  readonly root: Buffer;
}

/** A name that can stand in a note: not empty, no space, no plus, no control character. */
export function isKeyName(name: string): boolean {
  return /^[^\s+\p{Cc}]{1,256}$/u.test(name);
}

/** C2SP tlog-checkpoint: origin, size, base64 root, no extension lines. */
export function checkpointBody(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${checkpoint.root.toString('base64')}\n`;
}

/** The verifier key that an auditor is given: `<name>+<hex key id>+<base64 algorithm ‖ public key>`. */
export function verifierKey(name: string, publicKey: Uint8Array): string {
  const key = Buffer.concat([Buffer.of(ed25519), publicKey]);
  return `${name}+${keyId(name, publicKey).toString('hex')}+${key.toString('base64')}`;
}

/** C2SP signed-note with one Ed25519 signature. */
export function signNote(body: string, name: string, privateKey: KeyObject, publicKey: Uint8Array): string {
  const signature = sign(null, Buffer.from(body), privateKey);
  const blob = Buffer.concat([keyId(name, publicKey), signature]).toString('base64');
  return `${body}\n\u2014 ${name} ${blob}\n`;
}

/** Reads a signed checkpoint of this log; the error says what is wrong with it. */
export function readCheckpoint(
  note: string,
  name: string,
  publicKey: KeyObject,
  rawKey: Uint8Array,
): Result<Checkpoint, string> {
  const split = note.indexOf('\n\n');
  if (split < 0) return err('it is not a signed note');
  const body = note.slice(0, split + 1);
  const blob = note
    .slice(split + 2)
    .split('\n')
    .map((line) => /^\u2014 (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line))
    .filter((match) => match !== null && match[1] === name)
    .map((match) => Buffer.from(match?.[2] ?? '', 'base64'))
    .find((bytes) => bytes.length === 68 && bytes.subarray(0, 4).equals(keyId(name, rawKey)));
  if (blob === undefined) return err(`it bears no signature of ${name} by the configured key`);
  if (!verify(null, Buffer.from(body), publicKey, blob.subarray(4))) return err('its signature does not verify');
  const [origin = '', size = '', root = '', ...rest] = body.split('\n');
  const rootBytes = Buffer.from(root, 'base64');
  if (origin !== name) return err(`it is of another log: ${origin}`);
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    return err('its size is not a number');
  if (rootBytes.length !== 32 || rest.join('') !== '') return err('its root is not a hash');
  return ok({ origin, size: Number(size), root: rootBytes });
}

function keyId(name: string, publicKey: Uint8Array): Buffer {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ed25519), publicKey]);
  return hash('sha256', input, 'buffer').subarray(0, 4);
}
