import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { cosignedText, noteAlgorithms } from '../verify-note.ts';
import { sha256 } from '../verify-problems.ts';

/** A witness's signing key. */
export interface WitnessKey {
  readonly name: string;
  /** What logs and auditors are given: `<name>+<id>+<base64>`, algorithm 0x04. */
  readonly verifierKey: string;
  /** A cosignature/v1 line over the text of a checkpoint, at this second of the witness's own clock. */
  cosign(body: string, timeS: number): string;
}

/** `seed` is 32 bytes (RFC 8032 section 5.1.5). `name` is a key name of a signed note: no blank, no plus. */
export function createWitnessKey(name: string, seed: Uint8Array): WitnessKey {
  // RFC 8410 section 7: PKCS #8 around the seed has a constant prefix.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key: KeyObject = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const jwk = key.export({ format: 'jwk' });
  const publicKey = Buffer.concat([Buffer.of(noteAlgorithms.cosignature), Buffer.from(String(jwk.x), 'base64url')]);
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), publicKey])).subarray(0, 4);
  return {
    name,
    verifierKey: `${name}+${id.toString('hex')}+${publicKey.toString('base64')}`,
    cosign: (body, timeS) => {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(timeS));
      const signature = sign(null, Buffer.from(cosignedText(body, timeS)), key);
      return `\u2014 ${name} ${Buffer.concat([id, time, signature]).toString('base64')}\n`;
    },
  };
}
