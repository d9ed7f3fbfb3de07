import { hkdfSync } from 'node:crypto';
import type { ExchangeKeys } from '../exchange/deps.ts';
import type { RandomBytes } from '../lib/ids.ts';

/** One configured secret, a key for each purpose (HKDF, RFC 5869). Without a secret: keys of this process only. */
export function exchangeKeys(secret: string | null, random: RandomBytes): ExchangeKeys {
  const input = secret === null ? random(32) : Buffer.from(secret, 'utf8');
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', input, '', `countersign/v1/${purpose}`, 32));
  return { placeholder: derive('placeholder'), handover: derive('handover'), pseudonym: derive('pseudonym') };
}
