import { entropy } from './entropy.ts';
import { isPlaceholder } from './placeholder.ts';

/** A longer value is judged by its beginning, so that a check costs the same whatever an attacker writes. */
const judgedCharsMax = 96;

/**
 * Whether a value looks drawn at random rather than written by a person: what tells a token from a name, a path or a word
 * where only a keyword says that a secret follows.
 */
export function looksRandom(text: string): boolean {
  const value = text.slice(0, judgedCharsMax);
  if (value.length < 10 || (value.length <= 11 && /^[A-Za-z]+$/.test(value))) return false;
  if (isPlaceholder(value) || isReference(value) || isAlphabet(value)) return false;
  if (isMadeOfWords(value) && !uuid.test(value)) return false;
  return entropy(value) >= (value.length < 16 ? 2.6 : 2.9);
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function isAlphabet(value: string): boolean {
  return value.length >= 16 && /abcdefghijklmnop/i.test(value);
}

/** Names, versions, dates, model ids: pieces that are each all letters or all digits. */
function isMadeOfWords(value: string): boolean {
  const text = value.replace(termOfArt, '');
  let begin = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && !joints.has(text.charCodeAt(at))) continue;
    if (isMixed(text, begin, at)) return false;
    begin = at + 1;
  }
  return true;
}

const joints: ReadonlySet<number> = new Set([...'-_./=+~'].map((sign) => sign.charCodeAt(0)));

/** Words with digits in them. */
const termOfArt =
  /base(?:16|32|58|62|64)(?:url)?|sha-?\d{1,3}(?:withrsa|rsa)?|md5|utf-?\d+|aes-?\d+(?:gcm|cbc|kw)?|a\d{3}(?:gcm)?kw|rsa\d+|x509v?\d?|oauth\d?|ed25519|secp256[kr]1|curve25519|pkcs\d+|ipv[46]|http\d|h264|mp[34]|utf8mb4|int\d+|float\d+|es20\d\d/gi;

/** Letters and digits, or the two cases, in an order that no word and no camelCase name has. */
function isMixed(text: string, begin: number, end: number): boolean {
  const length = end - begin;
  if (length < 6) return false;
  let letters = 0;
  let figures = 0;
  let changes = 0;
  let humps = 0;
  let humpFrom = begin;
  for (let at = begin; at < end; at++) {
    const kind = kindAt(text, at, end);
    const next = kindAt(text, at + 1, end);
    if (kind === figure) figures++;
    else if (kind !== other) letters++;
    if (kind === figure ? isLetterKind(next) : isLetterKind(kind) && next === figure) changes++;
    if (at < humpFrom) continue;
    // `aB`, `ABc`: what is part of one hump begins no other.
    const size = kind === lower && next === upper ? 2 : kind === upper && next === upper ? 3 : 0;
    if (size === 0 || (size === 3 && kindAt(text, at + 2, end) !== lower)) continue;
    humps++;
    humpFrom = at + size;
  }
  if (figures === length) return length >= 14;
  const digits = length - letters;
  if (digits >= 2 && letters >= 2) return changes >= 2 || length >= 16;
  // More humps than a camelCase name of that length would have.
  if (digits > 0) return changes + humps >= 5 || length >= 20;
  return length >= 12 && humps * 3 >= length;
}

const other = 0;
const figure = 1;
const lower = 2;
const upper = 3;

function kindAt(text: string, at: number, end: number): number {
  if (at >= end) return other;
  const unit = text.charCodeAt(at);
  if (unit >= 0x30 && unit <= 0x39) return figure;
  if (unit >= 0x61 && unit <= 0x7a) return lower;
  return unit >= 0x41 && unit <= 0x5a ? upper : other;
}

function isLetterKind(kind: number): boolean {
  return kind >= lower;
}

/** Code that gets the value from somewhere: `process.env.TOKEN`, `config.auth.token`, `/run/secrets/token`. */
function isReference(value: string): boolean {
  if ('./~'.includes(value.charAt(0)) && /^(?:\.{0,2}|~)\/[\w.-]+(?:\/[\w.-]+)+$/.test(value))
    return !/\/[A-Za-z0-9]{24,}/.test(value);
  return value.includes('.') && /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(value) && codeRoot.test(value);
}

const codeRoot =
  /^(?:process|os|env|self|this|config|settings|var|local|data|module|req|request|ctx|options|opts|props|state|params|args|user|account|credentials?|secrets?|vault)\b/i;

/** A quoted value that no name, path or template looks like: letters among signs of several kinds. */
export function looksScrambled(text: string): boolean {
  const value = text.slice(0, judgedCharsMax);
  if (value.length < 10 || (/^[,;:)\]}=.+|&[({]/.test(value) && !value.startsWith('{{'))) return false;
  const signs = new Set(value.replace(/[\w\s./:=+~-]/g, ''));
  if (signs.size < 3 || !/[A-Za-z]/.test(value) || isPlaceholder(value) || isStructured(value)) return false;
  return entropy(value) >= 3;
}

/** What stands between a password's name and its value: an operator, an operator and a quote, or no more than a verb. */
export type Evidence = 'assigned' | 'quoted' | 'said';

/**
 * Whether a value may be a password. `said` (`password hunter2`): only what no ordinary word looks like. `assigned`
 * (`password=…`) and `quoted`: anything but placeholders, references and the words that people write there instead.
 */
export function looksLikePassword(text: string, evidence: Evidence): boolean {
  const value = text.slice(0, judgedCharsMax);
  if (value.length < 6 || openers.has(value.charAt(0))) return false;
  const { letters, digits, symbols } = kindsOf(value);
  if (!letters && evidence === 'said') return false;
  if (!digits && !symbols && (evidence !== 'quoted' || value.length < 8 || /[\s_]/.test(value))) return false;
  if (isPlaceholder(value) || isReference(value) || ordinary.test(value)) return false;
  if (isStructured(value) && !(evidence === 'quoted' && /^[A-Za-z]+\d{2,}$/.test(value))) return false;
  if (!letters) return evidence === 'quoted' || (digits && !symbols);
  if (evidence !== 'said') return entropy(value) >= 2;
  // A word with a number behind it is a name more often than a password.
  if (!symbols) return entropy(value) >= 2.5 && !/^[A-Za-z]+[-_]?\d{1,2}$/.test(value);
  return digits || /[a-z][^\w\s]+[A-Z]/.test(value);
}

/** No password in code or prose begins so: a call, a list, markup. */
const openers = new Set('([{<,;:)]}=+|&');

/** What a value is made of, leaving out the punctuation it ends with. */
function kindsOf(value: string): { letters: boolean; digits: boolean; symbols: boolean } {
  let end = value.length;
  while (end > 0 && '.,;:!?\'"`)]}>'.includes(value.charAt(end - 1))) end--;
  let [letters, digits, symbols] = [false, false, false];
  for (let i = 0; i < end; i++) {
    const unit = value.charCodeAt(i);
    if (unit >= 0x80 || ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a)) letters = true;
    else if (unit >= 0x30 && unit <= 0x39) digits = true;
    else if (unit !== 0x5f && unit !== 0x2d && unit > 0x20) symbols = true;
  }
  return { letters, digits, symbols };
}

/** Words that stand where a password would. */
const ordinary =
  /^(?:password|passwd|passphrase|secret|string|object|number|boolean|undefined|unknown|required|optional|incorrect|invalid|correct|protected|encrypted|hashed|hidden|missing|forgotten|expired|default|example|sample|private|public|username|change|reset|strength|manager|field|input|value|token|credentials?|authentication|authorization|function|return|true|false|none|null|empty|uint8array|arraybuffer|buffer|securestring|bytes|keyobject)[.,;:!?'")\]}]*$/i;

/** Calls, URLs, paths, markup, dates, versions, addresses and other things with a structure of their own. */
function isStructured(value: string): boolean {
  return structures.some((structure) => structure.test(value)) || isDotted(value) || isName(value);
}

const structures: readonly RegExp[] = [
  /^[\w.$]+\(|\)\.|=>|\(\)|^https?:|^\/\/|^[\w-]+(?:\.[\w-]+)+\/|^[A-Za-z]:\\/,
  /^(?:[A-Za-z_-]+\/)+[A-Za-z_.-]+$/,
  /^\d{1,4}[-/.:]\d{1,2}[-/.:]\d{1,4}|^v?\d+(?:\.\d+)+$/,
  /^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$/,
  // `os.environ[`, cut off before the quote.
  /^[A-Za-z_$][\w$]*(?:\.[\w$]+)*\[$/,
];

/** `this.options.length`, `!result?.pass`. */
function isDotted(value: string): boolean {
  return /^!*[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$*][\w$*]*)+$/.test(value) && !/\d{2}/.test(value);
}

/** `camelCase`, `snake_case`, `CONSTANT_CASE`. */
function isName(value: string): boolean {
  const named = /^(?:[a-z]+(?:[A-Z][a-z0-9]+)+|[A-Za-z]+(?:[_-][A-Za-z]+)+|[A-Z][A-Z0-9_]+)$/.test(value);
  return named && !/\d.*[a-z]/.test(value);
}
