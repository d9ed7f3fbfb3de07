import { Decrypter, Encrypter } from 'age-encryption';
import { Fault } from '../lib/fault.ts';
import type { AgeWrap } from './keys.ts';

/**
 * Wraps keys as age files (c2sp.org/age, version 1) for X25519 recipients `age1…`: what an auditor opens with the stock `age`
 * tool and an identity that this service never sees. Throws Fault `key_unavailable` for a recipient that is none.
 */
export function createAgeWrap(recipients: readonly string[]): AgeWrap {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw new Fault('key_unavailable', `${recipient} is no age recipient`, cause);
    }
  }
  return async (key) => Buffer.from(await encrypter.encrypt(Uint8Array.from(key)));
}

/** Opens an age file with identities as age-keygen writes them: lines `AGE-SECRET-KEY-1…`, others are passed over. */
export async function openAge(file: Uint8Array, identities: string): Promise<Buffer> {
  const decrypter = new Decrypter();
  try {
    for (const line of identities.split(/\r?\n/)) {
      if (/^AGE-SECRET-KEY-/.test(line)) decrypter.addIdentity(line.trim());
    }
    return Buffer.from(await decrypter.decrypt(Uint8Array.from(file)));
  } catch (cause) {
    throw new Fault('key_unavailable', 'the age identity does not open this key', cause);
  }
}
