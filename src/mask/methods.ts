import { unreachable } from '../lib/invariant.ts';
import { canonicalValue } from './canonical.ts';
import { entityWord, type Minter } from './placeholder.ts';
import type { MaskMethod } from './plan.ts';
import { isSurrogate } from './surrogate.ts';

/**
 * What stands in the place of a value. Only `[A-Z0-9_]` (or nothing), so that it survives JSON, HTML and Markdown unescaped, but for
 * surrogates, which have the form of what they stand for:
 * - drop: the empty string
 * - label: `CREDIT_CARD_REDACTED`
 * - token: `CREDIT_CARD_7QK3M9XW2A` (placeholder.ts)
 * - surrogate: `9999 4417 1234 5674` (surrogate.ts); a token where there is no surrogate for the value
 * - hash: `CREDIT_CARD_HASH_7QK3M9XW2A4TZ0RC` (placeholder.ts)
 * - partial: `CREDIT_CARD_ENDING_1111`, the last `keep` characters of a number by which people know it (`endingEntities`) when it
 *   has at least five more; any other value is labelled, because a piece of a secret is a head start and no help.
 */
export function maskValue(method: MaskMethod, entity: string, value: string, minter: Minter, keep: number): string {
  switch (method) {
    case 'drop':
      return '';
    case 'label':
      return label(entity);
    case 'token':
      return minter.token(entity, value);
    case 'surrogate':
      return minter.surrogate(entity, value) ?? minter.token(entity, value);
    case 'hash':
      return minter.hash(entity, value);
    case 'partial':
      return ending(entity, value, keep);
    default:
      return unreachable(method);
  }
}

/**
 * Whether a value stays as it is under its method: a surrogate that was made before, or one like it. Nobody is meant by it, and so
 * masking a masked text changes nothing.
 */
export function isMaskedAlready(method: MaskMethod, value: string): boolean {
  return method === 'surrogate' && isSurrogate(value);
}

const endingEntities: ReadonlySet<string> = new Set([
  'CREDIT_CARD',
  'US_SSN',
  'PHONE_NUMBER',
  'IBAN_CODE',
  'US_BANK_NUMBER',
]);
/** So many characters at least are gone. */
const hiddenCharsMin = 5;

function label(entity: string): string {
  return `${entityWord(entity)}_REDACTED`;
}

function ending(entity: string, value: string, keep: number): string {
  const canonical = canonicalValue(entity, value);
  if (!endingEntities.has(entity) || canonical.length < keep + hiddenCharsMin) return label(entity);
  const last = canonical.slice(-keep);
  return /^[0-9A-Z]+$/.test(last) ? `${entityWord(entity)}_ENDING_${last}` : label(entity);
}
