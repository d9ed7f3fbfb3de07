import { hmacSha256 } from '../lib/hash.ts';
import { canonicalValue } from './canonical.ts';

/** Crockford's base32: no I, L, O, U, so that a placeholder survives being read aloud or typed. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const idChars = 8;
const checkChars = 2;
const hashChars = 12;
const hashCheckChars = 4;
/** Longer entity names are cut in what masking writes, so that everything it writes has a bound. */
const entityCharsMax = 64;

/**
 * Of a longer value only this many characters are keyed: a token without bound (a JWT, a PEM block) must get its placeholder while
 * it still streams in, and the same one as in a copy that comes whole.
 */
export const keyedCharsMax = 256;

/** No text that masking writes is longer than this many characters. */
export const maskCharsMax: number = entityCharsMax + '_HASH_'.length + hashChars + hashCheckChars;

/** Writes and knows again what masking puts in the place of values. One an exchange: its key and scope are the exchange's. */
export interface Minter {
  /** `CREDIT_CARD_7QK3M9XW2A`: equal for equal values (canonical.ts) of one entity in one scope, unrelated in any other. */
  token(entity: string, value: string): string;
  /** `CREDIT_CARD_HASH_` and 16 characters: equal for equal values under one key, whatever the scope. */
  hash(entity: string, value: string): string;
  /** Whether this whole word was written by masking under this key and scope (keyed words) or by rule (labels, endings). */
  isOurs(word: string): boolean;
  /**
   * The text with every placeholder or hash that we did not write made into none, of the same length (its last `_` becomes
   * `-`): a caller cannot plant one. The same string when there is none.
   */
  neutralise(text: string): string;
}

export interface MinterOptions {
  /** Secret of the tenant, at least 16 bytes. */
  readonly key: Uint8Array;
  /** What a placeholder means something in: the session's id. */
  readonly scope: string;
  /** Names that the detector can report; only words that begin with one of them are taken for ours. */
  readonly entities: ReadonlySet<string>;
}

/** An exchange masks few distinct values but meets each in up to six copies (delta, done events, the final whole). */
const rememberedMax = 1024;

export function createMinter(options: MinterOptions): Minter {
  const { key, scope } = options;
  const prefixes: ReadonlySet<string> = new Set([...options.entities].map(entityWord));
  const remembered = new Map<string, string>();

  function mint(form: 'token' | 'hash', entity: string, value: string): string {
    const canonical = canonicalValue(entity, value.slice(0, keyedCharsMax));
    const id = `${form}:${entity}:${canonical}`;
    const known = remembered.get(id);
    if (known !== undefined) return known;
    const word = entityWord(entity);
    const minted = form === 'token' ? mintToken(word, canonical) : mintHash(word, canonical);
    if (remembered.size < rememberedMax) remembered.set(id, minted);
    return minted;
  }

  function mintToken(word: string, canonical: string): string {
    // An id without a digit is passed over for the next one, so that NAMES_LIKE_PARAMETERS are never taken for placeholders.
    for (let round = 0; ; round++) {
      const id = keyed(key, ['placeholder', scope, word, canonical, String(round)], idChars);
      if (hasDigit(id)) return `${word}_${id}${keyed(key, ['placeholder-check', scope, word, id], checkChars)}`;
    }
  }

  function mintHash(word: string, canonical: string): string {
    const id = keyed(key, ['hash', word, canonical], hashChars);
    return `${word}_HASH_${id}${keyed(key, ['hash-check', word, id], hashCheckChars)}`;
  }

  function isGenuine(shape: KeyedWord): boolean {
    const { form, word, id, check } = shape;
    return form === 'token'
      ? keyed(key, ['placeholder-check', scope, word, id], checkChars) === check
      : keyed(key, ['hash-check', word, id], hashCheckChars) === check;
  }

  return {
    token: (entity, value) => mint('token', entity, value),
    hash: (entity, value) => mint('hash', entity, value),
    isOurs: (word) => {
      if (word.length > maskCharsMax) return false;
      const plain = /^([A-Z][A-Z0-9_]*)_(?:REDACTED|ENDING_[0-9A-Z]{4})$/.exec(word);
      if (plain) return prefixes.has(plain[1] ?? '');
      const shape = readKeyedWord(word, prefixes);
      return shape !== null && isGenuine(shape);
    },
    neutralise: (text) =>
      text.replace(keyedWords, (word) => {
        const shape = readKeyedWord(word, prefixes);
        if (shape === null || isGenuine(shape)) return word;
        const cut = word.lastIndexOf('_');
        return `${word.slice(0, cut)}-${word.slice(cut + 1)}`;
      }),
  };
}

/** An entity's name as it stands in a mask: `[A-Z0-9_]` only, whatever a custom rule is called. */
export function entityWord(entity: string): string {
  const word = entity
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .slice(0, entityCharsMax);
  return /^[A-Z]/.test(word) ? word : `X_${word}`.slice(0, entityCharsMax);
}

interface KeyedWord {
  readonly form: 'token' | 'hash';
  readonly word: string;
  readonly id: string;
  readonly check: string;
}

/** Whole words that could be keyed: every quantifier is bounded by `maskCharsMax`, and a word is visited once. */
const keyedWords =
  /(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{1,80}_(?:[0-9A-HJKMNP-TV-Z]{16}|[0-9A-HJKMNP-TV-Z]{10})(?![A-Za-z0-9_])/g;
const tokenShape = /^([A-Z][A-Z0-9_]*)_([0-9A-HJKMNP-TV-Z]{8})([0-9A-HJKMNP-TV-Z]{2})$/;
const hashShape = /^([A-Z][A-Z0-9_]*)_HASH_([0-9A-HJKMNP-TV-Z]{12})([0-9A-HJKMNP-TV-Z]{4})$/;

function readKeyedWord(text: string, prefixes: ReadonlySet<string>): KeyedWord | null {
  for (const [form, pattern] of [
    ['token', tokenShape],
    ['hash', hashShape],
  ] as const) {
    const [, word = '', id = '', check = ''] = pattern.exec(text) ?? [];
    if (prefixes.has(word) && (form === 'hash' || hasDigit(id))) return { form, word, id, check };
  }
  return null;
}

function hasDigit(text: string): boolean {
  return /[0-9]/.test(text);
}

/** `chars` base32 characters of the HMAC over the fields, each with its length before it so that no two lists collide. */
function keyed(key: Uint8Array, fields: readonly string[], chars: number): string {
  const parts: Buffer[] = [];
  for (const field of ['countersign/mask/v1', ...fields]) {
    const bytes = Buffer.from(field, 'utf8');
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  const digest = hmacSha256(key, Buffer.concat(parts));
  let text = '';
  // Five bits of each byte: uniform, and a digest has 32 bytes where at most twelve characters are asked for.
  for (let i = 0; i < chars; i++) text += alphabet.charAt((digest[i] ?? 0) & 31);
  return text;
}
