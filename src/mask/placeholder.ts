import { createShortHmac } from '../lib/hash.ts';
import { atOnce, type Sliced } from '../lib/slices.ts';
import { canonicalValue } from './canonical.ts';
import { partialKeepMax } from './plan.ts';
import { surrogateOf } from './surrogate.ts';

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
  /**
   * A made-up value of the same form (surrogate.ts), equal for equal values of one entity in one scope; null when there is none for
   * this value. Two values that one minter is asked about never get the same, unless a range is used up (of 762 addresses, say).
   */
  surrogate(entity: string, value: string): string | null;
  /** `CREDIT_CARD_HASH_` and 16 characters: equal for equal values under one key, whatever the scope. */
  hash(entity: string, value: string): string;
  /** Whether a found value is to stay as it stands: a surrogate that will be put back. */
  keeps(value: string): boolean;
  /**
   * Whether `[start, end)` lies inside of something that masking wrote: a keyed word of this key and scope, or a label or ending of
   * a known entity. Short texts only: it looks at all of it.
   */
  covers(text: string, start: number, end: number): boolean;
  /**
   * The text with every placeholder or hash that we did not write made into none, of the same length (its last `_` becomes
   * `-`): a caller cannot plant one. The same string when there is none.
   */
  neutralise(text: string): string;
  /** As `neutralise`, for long texts. */
  neutralising(text: string): Sliced<string>;
}

export interface MinterOptions {
  /** Secret of the tenant, at least 16 bytes. */
  readonly key: Uint8Array;
  /** Keys of other times (session-keys.ts): nothing is written with them, but what they wrote is known for ours. */
  readonly otherKeys?: readonly Uint8Array[];
  /** What a placeholder means something in: the session's id. */
  readonly scope: string;
  /** Names that the detector can report; only words that begin with one of them are taken for ours. */
  readonly entities: ReadonlySet<string>;
  /** Told of everything written for a value that can be put back in its stead (restorables.ts), also when it was before. */
  readonly onReversible?: (written: string, entity: string, value: string) => void;
  readonly isKept?: (value: string) => boolean;
}

/** An exchange masks few distinct values but meets each in up to six copies (delta, done events, the final whole). */
const rememberedMax = 1024;
/** Underscores that are looked at between two turns. */
const turnCuts = 1024;
/** Draws for a value whose surrogate is taken; a range that is nearly used up makes it fail now and then. */
const surrogateRoundsMax = 64;

export function createMinter(options: MinterOptions): Minter {
  const { scope } = options;
  const hmac = lazily(() => createShortHmac(options.key));
  const others = (options.otherKeys ?? []).map((key) => lazily(() => createShortHmac(key)));
  /** Made when the first value or suspicious word comes: most exchanges have none. */
  let words: ReadonlySet<string> | null = null;
  let masks: RegExp | null = null;
  const remembered = new Map<string, string>();
  /** Which value a surrogate stands for. */
  const surrogates = new Map<string, string>();

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
      const id = keyed(hmac(), ['placeholder', scope, word, canonical, String(round)], idChars);
      if (hasDigit(id)) return `${word}_${id}${keyed(hmac(), ['placeholder-check', scope, word, id], checkChars)}`;
    }
  }

  function mintSurrogate(entity: string, value: string): string | null {
    if (value.length >= keyedCharsMax) return null;
    const id = `surrogate:${entity}:${value}`;
    const known = remembered.get(id);
    if (known !== undefined) return known;
    const canonical = canonicalValue(entity, value);
    let made: string | null = null;
    for (let round = 0; round < surrogateRoundsMax; round++) {
      const message = keyedMessage(['surrogate', scope, entityWord(entity), canonical, String(round)]);
      made = surrogateOf(entity, value, hmac()(message));
      if (made === null) return null;
      const place = `${entity}:${canonicalValue(entity, made)}`;
      const owner = surrogates.get(place);
      if (owner === undefined && surrogates.size < rememberedMax) surrogates.set(place, canonical);
      if (owner === undefined || owner === canonical) break;
    }
    if (made !== null && remembered.size < rememberedMax) remembered.set(id, made);
    return made;
  }

  function mintHash(word: string, canonical: string): string {
    const id = keyed(hmac(), ['hash', word, canonical], hashChars);
    return `${word}_HASH_${id}${keyed(hmac(), ['hash-check', word, id], hashCheckChars)}`;
  }

  function isGenuine(shape: KeyedWord): boolean {
    const { form, word, id, check } = shape;
    const [fields, chars] =
      form === 'token'
        ? [['placeholder-check', scope, word, id], checkChars]
        : [['hash-check', word, id], hashCheckChars];
    return [hmac, ...others].some((keyedBy) => keyed(keyedBy(), fields, chars) === check);
  }

  function known(): ReadonlySet<string> {
    words ??= new Set([...options.entities].map(entityWord));
    return words;
  }

  function isForged(word: string): boolean {
    const shape = readKeyedWord(word);
    return shape !== null && known().has(shape.word) && !isGenuine(shape);
  }

  return {
    token: (entity, value) => {
      const token = mint('token', entity, value);
      options.onReversible?.(token, entity, value);
      return token;
    },
    surrogate: (entity, value) => {
      const surrogate = mintSurrogate(entity, value);
      if (surrogate !== null) options.onReversible?.(surrogate, entity, value);
      return surrogate;
    },
    keeps: options.isKept ?? (() => false),
    hash: (entity, value) => mint('hash', entity, value),
    covers: (text, start, end) => {
      masks ??= maskPattern(known());
      masks.lastIndex = 0;
      for (let match = masks.exec(text); match !== null && match.index <= start; match = masks.exec(text)) {
        const [mask] = match;
        const shape = readKeyedWord(mask);
        if (match.index + mask.length >= end && (shape === null || isGenuine(shape))) return true;
        masks.lastIndex = match.index + 1;
      }
      return false;
    },
    neutralise: (text) => (text.includes('_') ? atOnce(neutralising(text)) : text),
    neutralising,
  };

  function* neutralising(text: string): Sliced<string> {
    let harmless = '';
    let kept = 0;
    let looked = 0;
    for (let cut = text.indexOf('_'); cut >= 0; cut = text.indexOf('_', cut + 1)) {
      if (++looked % turnCuts === 0) yield;
      const word = keyedWordAround(text, cut);
      if (word === null || !isForged(word)) continue;
      harmless += `${text.slice(kept, cut)}-`;
      kept = cut + 1;
    }
    return kept === 0 ? text : harmless + text.slice(kept);
  }
}

/** An entity's name as it stands in a mask: `[A-Z0-9_]` only, whatever a custom rule is called. */
export function entityWord(entity: string): string {
  const word = entity
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .slice(0, entityCharsMax);
  return /^[A-Z]/.test(word) ? word : `X_${word}`.slice(0, entityCharsMax);
}

function lazily<T>(make: () => T): () => T {
  let made: T | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

interface KeyedWord {
  readonly form: 'token' | 'hash';
  readonly word: string;
  readonly id: string;
  readonly check: string;
}

const crockford = '[0-9A-HJKMNP-TV-Z]';
const tokenShape = new RegExp(`^([A-Z][A-Z0-9_]*)_(${crockford}{${idChars}})(${crockford}{${checkChars}})$`);
const hashShape = new RegExp(`^([A-Z][A-Z0-9_]*)_HASH_(${crockford}{${hashChars}})(${crockford}{${hashCheckChars}})$`);

function readKeyedWord(text: string): KeyedWord | null {
  const token = tokenShape.exec(text);
  if (token !== null && hasDigit(token[2] ?? '')) {
    return { form: 'token', word: token[1] ?? '', id: token[2] ?? '', check: token[3] ?? '' };
  }
  const hash = hashShape.exec(text);
  return hash && { form: 'hash', word: hash[1] ?? '', id: hash[2] ?? '', check: hash[3] ?? '' };
}

/** Everything that masking can write about these entities. */
function maskPattern(words: ReadonlySet<string>): RegExp {
  const forms = [
    'REDACTED',
    `ENDING_[0-9A-Z]{1,${partialKeepMax}}(?![0-9A-Z])`,
    `HASH_${crockford}{${hashChars + hashCheckChars}}`,
  ];
  const names = [...words].sort((a, b) => b.length - a.length).join('|');
  // Without entities nothing is ours: `(?!)` matches nowhere.
  return new RegExp(`(?:${names || '(?!)'})_(?:${forms.join('|')}|${crockford}{${idChars + checkChars}})`, 'g');
}

/** The word that the `_` at `cut` is in, when what follows it is as long as the keyed part of a mask; else null. */
function keyedWordAround(text: string, cut: number): string | null {
  let to = cut + 1;
  while (to - cut <= hashChars + hashCheckChars && isUpperOrDigit(text.charCodeAt(to))) to++;
  const tail = to - cut - 1;
  if (tail !== idChars + checkChars && tail !== hashChars + hashCheckChars) return null;
  if (isWordCode(text.charCodeAt(to))) return null;
  let from = cut;
  while (to - from <= maskCharsMax && from > 0 && isWordCode(text.charCodeAt(from - 1))) from--;
  return text.slice(from, to);
}

function isUpperOrDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a);
}

/** `[0-9A-Za-z_]`; false for NaN, which `charCodeAt` gives outside of the text. */
function isWordCode(code: number): boolean {
  return isUpperOrDigit(code) || code === 0x5f || (code >= 0x61 && code <= 0x7a);
}

function hasDigit(text: string): boolean {
  return /[0-9]/.test(text);
}

/**
 * `chars` base32 characters of the HMAC over the fields, each with its length before it so that no two lists collide. Five bits of
 * each byte of the digest: uniform, and it has 32 bytes where at most twelve characters are asked for.
 */
function keyed(hmac: (text: string) => Buffer, fields: readonly string[], chars: number): string {
  const digest = hmac(keyedMessage(fields));
  let text = '';
  for (let i = 0; i < chars; i++) text += alphabet.charAt((digest[i] ?? 0) & 31);
  return text;
}

function keyedMessage(fields: readonly string[]): string {
  let message = 'countersign/mask/v1';
  for (const field of fields) message += `${field.length}:${field}`;
  return message;
}
