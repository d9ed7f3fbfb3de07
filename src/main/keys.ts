import { hkdfSync } from 'node:crypto';
import type { ExchangeKeys } from '../exchange/deps.ts';
import { createPseudonyms } from '../exchange/session.ts';
import type { RandomBytes } from '../lib/ids.ts';
import type { EpochKey } from '../mask/session-keys.ts';

/** One configured secret, a key for each purpose (HKDF, RFC 5869). Without a secret: keys of this process only. */
export function derivedKeys(
  secret: string | null,
  random: RandomBytes,
): Omit<ExchangeKeys, 'placeholder'> & { readonly placeholder: EpochKey } {
  const input = secret === null ? random(32) : Buffer.from(secret, 'utf8');
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', input, '', `countersign/v1/${purpose}`, 32));
  return {
    placeholder: { id: 'masking.key', secret: derive('placeholder'), fromMs: 0 },
    handover: derive('handover'),
    pseudonym: createPseudonyms(derive('pseudonym')),
  };
}
