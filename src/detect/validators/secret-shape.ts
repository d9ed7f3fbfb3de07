import { charKinds, charKindsOf, signTable } from './char-kinds.ts';
import { entropy, entropyOf } from './entropy.ts';
import { isPlaceholder } from './placeholder.ts';
import { beginningOf, type Span, type Value, wholeValue } from './value.ts';
import { kindsOfValue } from './value-kinds.ts';

/** A longer value is judged by its beginning, so that a check costs the same whatever an attacker writes. */
const judgedCharsMax = 96;

/**
 * Whether a value looks drawn at random rather than written by a person: what tells a token from a name, a path or a word
 * where only a keyword says that a secret follows.
 */
export function looksRandom(whole: Value): boolean {
  if (!mayLookRandom(whole)) return false;
  const judged = beginningOf(whole, judgedCharsMax);
  const { value, units, start, end } = judged;
  if (isMadeOfWords(judged) && !(value.length === uuidChars && uuid.test(value))) return false;
  const kinds = kindsOfValue(units, start, end);
  return !isPlaceholder(judged, kinds) && !isReference(value, kinds) && !isAlphabet(value);
}

/** What can be said of that without cutting the value out of its text: most values are refused by it. */
export function mayLookRandom({ units, start, end }: Span): boolean {
  const length = Math.min(end - start, judgedCharsMax);
  if (length < 10) return false;
  if (entropyOf(units, start, start + length) < (length < 16 ? 2.6 : 2.9)) return false;
  return length > 11 || (kindsOfValue(units, start, start + length) & notLetters) !== 0;
}

const uuidChars = 36;
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function isAlphabet(value: string): boolean {
  return value.length >= 16 && /abcdefghijklmnop/i.test(value);
}

/** Names, versions, dates, model ids: pieces that are each all letters or all digits, but for words with digits in them. */
function isMadeOfWords({ value, units, start, end }: Value): boolean {
  let begin = start;
  if (isKnownFrom(units, start) && plain.to <= end) begin = plain.to;
  else plain.from = start;
  plain.units = units;
  for (let at = begin; at <= end; at++) {
    if (at < end && joints[units[at] ?? 0] !== 1) continue;
    if (isMixed(units, begin, at) && !isTerm(value, units, begin, at, start)) {
      plain.to = begin;
      return false;
    }
    if (at < end) begin = at + 1;
  }
  plain.to = begin;
  return true;
}

/**
 * The pieces from one place to another that were looked at last, none of them mixed. Values that overlap share theirs. A running text
 * whose units change has an array of its own each time, so the same array holds the same units.
 */
const plain: { units: Uint16Array; from: number; to: number } = { units: new Uint16Array(0), from: 0, to: 0 };

/** Whether pieces from there on are known: only where one begins, as a part of one may be mixed where the whole is not. */
function isKnownFrom(units: Uint16Array, at: number): boolean {
  if (units !== plain.units || at < plain.from || at >= plain.to) return false;
  return at === plain.from || joints[units[at - 1] ?? 0] === 1;
}

/** Whether a mixed piece is none without the terms in it. */
function isTerm(value: string, units: Uint16Array, from: number, to: number, start: number): boolean {
  let at = from;
  while (at < to && !mayBeginTerm(units, at, to)) at++;
  if (at === to) return false;
  const rest = value.slice(from - start, to - start).replace(termOfArt, '');
  if (rest.length === to - from) return false;
  const { units: left } = wholeValue(rest);
  return !isMixed(left, 0, left.length);
}

/** Whether the letters stand there that a term begins with: those of most are told apart by the first. */
function mayBeginTerm(units: Uint16Array, at: number, to: number): boolean {
  const first = units[at] ?? 0;
  const beginnings = first < 0x80 ? termBeginnings[first | 0x20] : null;
  if (!beginnings) return false;
  for (const beginning of beginnings) {
    let same = 0;
    while (same < beginning.length && at + same < to && ((units[at + same] ?? 0) | 0x20) === beginning[same]) same++;
    if (same === beginning.length) return true;
  }
  return false;
}

const joints: Uint8Array = signTable('-_./=+~');

/** Words with digits in them. */
const termOfArt =
  /base(?:16|32|58|62|64)(?:url)?|sha-?\d{1,3}(?:withrsa|rsa)?|md5|utf-?\d+|aes-?\d+(?:gcm|cbc|kw)?|a\d{3}(?:gcm)?kw|rsa\d+|x509v?\d?|oauth\d?|ed25519|secp256[kr]1|curve25519|pkcs\d+|ipv[46]|http\d|h264|mp[34]|utf8mb4|int\d+|float\d+|es20\d\d/gi;

/** What terms begin with, by its first letter. */
const termBeginnings: readonly (readonly (readonly number[])[] | null)[] = beginningsByFirst([
  ...['base', 'sha', 'md5', 'utf', 'aes', 'rsa', 'x509', 'oauth', 'ed25519', 'secp256', 'curve25519', 'pkcs', 'ipv'],
  ...['http', 'h264', 'mp3', 'mp4', 'int', 'float', 'es20'],
  ...[...'0123456789'].map((digit) => `a${digit}`),
]);

function beginningsByFirst(texts: readonly string[]): ((readonly number[])[] | null)[] {
  const codes = texts.map((text) => [...text].map((char) => char.charCodeAt(0)));
  return Array.from({ length: 0x80 }, (_, first) => {
    const own = codes.filter((each) => each[0] === first);
    return own.length > 0 ? own : null;
  });
}

/** Letters and digits, or the two cases, in an order that no word and no camelCase name has. */
function isMixed(units: Uint16Array, begin: number, end: number): boolean {
  const length = end - begin;
  if (length < mixedMin) return false;
  let letters = 0;
  let figures = 0;
  let changes = 0;
  let humps = 0;
  let humpFrom = begin;
  let kind = kindAt(units, begin, end);
  for (let at = begin; at < end; at++) {
    const next = kindAt(units, at + 1, end);
    if (kind === figure) figures++;
    else if (kind !== other) letters++;
    if (kind === figure ? isLetterKind(next) : isLetterKind(kind) && next === figure) changes++;
    if (next === upper && at >= humpFrom) {
      // `aB`, `ABc`: what is part of one hump begins no other.
      const size = kind === lower ? 2 : kind === upper && kindAt(units, at + 2, end) === lower ? 3 : 0;
      if (size > 0) {
        humps++;
        humpFrom = at + size;
      }
    }
    kind = next;
  }
  if (figures === length) return length >= 14;
  const digits = length - letters;
  if (digits >= 2 && letters >= 2) return changes >= 2 || length >= 16;
  // More humps than a camelCase name of that length would have.
  if (digits > 0) return changes + humps >= 5 || length >= 20;
  return length >= 12 && humps * 3 >= length;
}

const mixedMin = 6;
const other = 0;
const figure = 1;
const lower = 2;
const upper = 3;

function kindAt(units: Uint16Array, at: number, end: number): number {
  const unit = at < end ? (units[at] ?? 0) : 0;
  return unit < 0x80 ? (asciiKinds[unit] ?? other) : other;
}

const asciiKinds: Uint8Array = Uint8Array.from({ length: 0x80 }, (_, unit) => {
  const char = String.fromCharCode(unit);
  if (/[0-9]/.test(char)) return figure;
  if (/[a-z]/.test(char)) return lower;
  return /[A-Z]/.test(char) ? upper : other;
});

function isLetterKind(kind: number): boolean {
  return kind >= lower;
}

/** Code that gets the value from somewhere: `process.env.TOKEN`, `config.auth.token`, `/run/secrets/token`. */
function isReference(value: string, kinds: number): boolean {
  if ('./~'.includes(value.charAt(0)) && /^(?:\.{0,2}|~)\/[\w.-]+(?:\/[\w.-]+)+$/.test(value))
    return !/\/[A-Za-z0-9]{24,}/.test(value);
  return mayBeDotted(kinds) && /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(value) && codeRoot.test(value);
}

/** Whether there is a dot and nothing that is in no dotted name, of the signs that have a kind. */
function mayBeDotted(kinds: number): boolean {
  return (kinds & (dot | slash | colon | atSign | bracket | more | charKinds.wide | charKinds.blank)) === dot;
}

const codeRoot =
  /^(?:process|os|env|self|this|config|settings|var|local|data|module|req|request|ctx|options|opts|props|state|params|args|user|account|credentials?|secrets?|vault)\b/i;

/** A quoted value that no name, path or template looks like: letters among signs of several kinds. */
export function looksScrambled(whole: Value): boolean {
  if (!mayLookScrambled(whole)) return false;
  const judged = beginningOf(whole, judgedCharsMax);
  const { value, units, start, end } = judged;
  if (/^[,;:)\]}=.+|&[({]/.test(value) && !value.startsWith('{{')) return false;
  const kinds = kindsOfValue(units, start, end);
  return (
    hasThreeSigns(judged, kinds) && !isPlaceholder(judged, kinds) && !isStructured(value, kinds) && entropy(judged) >= 3
  );
}

/** What can be said of that without cutting the value out of its text. */
export function mayLookScrambled({ units, start, end }: Span): boolean {
  const length = Math.min(end - start, judgedCharsMax);
  if (length < 10) return false;
  const kinds = kindsOfValue(units, start, start + length);
  return (kinds & (charKinds.lower | charKinds.upper)) !== 0 && (kinds & unnamedKinds) !== 0;
}

/** Whether three different signs are among its characters: what is no letter, figure or blank and in no name or path. */
function hasThreeSigns({ value, units, start, end }: Value, kinds: number): boolean {
  if ((kinds & charKinds.wide) !== 0) return new Set(value.replace(/[\w\s./:=+~-]/g, '')).size >= 3;
  let first = -1;
  let second = -1;
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    if (namedUnits[unit] === 1 || unit === first || unit === second) continue;
    if (second >= 0) return true;
    if (first < 0) first = unit;
    else second = unit;
  }
  return false;
}

/** ASCII that names, paths and prose are made of. */
const namedUnits: Uint8Array = Uint8Array.from({ length: 0x80 }, (_, unit) =>
  Number(/[\w\s./:=+~-]/.test(String.fromCharCode(unit))),
);

/** What stands between a password's name and its value: an operator, an operator and a quote, or no more than a verb. */
export type Evidence = 'assigned' | 'quoted' | 'said';

/**
 * Whether a value may be a password. `said` (`password hunter2`): only what no ordinary word looks like. `assigned`
 * (`password=…`) and `quoted`: anything but placeholders, references and the words that people write there instead.
 */
export function looksLikePassword(whole: Value, evidence: Evidence): boolean {
  if (!mayBePassword(whole, evidence)) return false;
  const judged = beginningOf(whole, judgedCharsMax);
  const { value, units, start, end } = judged;
  const ownEnd = endOfValue(units, start, end);
  const own = kindsOfValue(units, start, ownEnd);
  const symbols = (own & symbolKinds) !== 0;
  const kinds = own | charKindsOf(units, ownEnd, end);
  if (isPlaceholder(judged, kinds) || isReference(value, kinds)) return false;
  if (!symbols && ownEnd - start <= ordinaryMax && ordinary.test(value)) return false;
  if (isStructured(value, kinds) && !(evidence === 'quoted' && /^[A-Za-z]+\d{2,}$/.test(value))) return false;
  if (evidence !== 'said') return true;
  // A word with a number behind it is a name more often than a password.
  if (!symbols) return !/^[A-Za-z]+[-_]?\d{1,2}$/.test(value);
  return (own & charKinds.digit) !== 0 || /[a-z][^\w\s]+[A-Z]/.test(value);
}

/** What can be said of that without cutting the value out of its text: most values that are no passwords are refused by it. */
export function mayBePassword({ units, start, end: valueEnd }: Span, evidence: Evidence): boolean {
  const end = Math.min(valueEnd, start + judgedCharsMax);
  if (end - start < 6 || openers[units[start] ?? 0] === 1) return false;
  const own = kindsOfValue(units, start, endOfValue(units, start, end));
  const letters = (own & letterKinds) !== 0;
  const digits = (own & charKinds.digit) !== 0;
  const symbols = (own & symbolKinds) !== 0;
  if (!digits && !symbols && (evidence !== 'quoted' || end - start < 8 || isOfSeveralWords(units, start, end))) {
    return false;
  }
  if (!letters) return evidence === 'quoted' || (evidence === 'assigned' && digits && !symbols);
  if (evidence !== 'said') return entropyOf(units, start, end) >= 2;
  if (!symbols) return entropyOf(units, start, end) >= 2.5;
  const { lower, upper } = charKinds;
  return digits || (own & (lower | upper)) === (lower | upper);
}

function isOfSeveralWords(units: Uint16Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((units[at] ?? 0) <= space || units[at] === underscore) return true;
  return false;
}

const space = 0x20;
const underscore = 0x5f;

/** No password in code or prose begins so: a call, a list, markup. */
const openers: Uint8Array = signTable('([{<,;:)]}=+|&');

const letterKinds: number = charKinds.lower | charKinds.upper | charKinds.wide;
const { dot, slash, colon, at: atSign, bracket, more, other: otherSign } = charKinds;
const symbolKinds: number = dot | slash | colon | atSign | bracket | more | otherSign;
const notLetters: number = symbolKinds | charKinds.digit | charKinds.wide | charKinds.bar | charKinds.blank;

/** Of what is in no name, path or prose. */
const unnamedKinds: number = bracket | more | atSign | otherSign | charKinds.wide;

/** Where the punctuation begins that a value ends with. */
function endOfValue(units: Uint16Array, start: number, end: number): number {
  let at = end;
  while (at > start && closers[units[at - 1] ?? 0] === 1) at--;
  return at;
}

const closers: Uint8Array = signTable('.,;:!?\'"`)]}>');

/** Words that stand where a password would, names of methods with a number among them. */
const ordinary =
  /^(?:password|passwd|passphrase|secret|string|object|number|boolean|undefined|unknown|required|optional|incorrect|invalid|correct|protected|encrypted|hashed|hidden|missing|forgotten|expired|default|example|sample|private|public|username|change|reset|strength|manager|field|input|value|token|credentials?|authentication|authorization|function|return|true|false|none|null|empty|uint8array|arraybuffer|buffer|securestring|bytes|keyobject|sha-?\d{1,3}|aes-?\d{3}|base(?:32|58|64)|argon2i?d?|pbkdf2|oauth2|saml2|ntlmv2|utf-?8)[.,;:!?'")\]}]*$/i;

/** The longest of them. */
const ordinaryMax = 14;

/** Calls, URLs, paths, markup, dates, versions, addresses and other things with a structure of their own. */
function isStructured(value: string, kinds: number): boolean {
  if ((kinds & (slash | colon | bracket)) !== 0 && structured.test(value)) return true;
  if ((kinds & (bracket | more)) !== 0 && called.test(value)) return true;
  if ((kinds & slash) !== 0 && path.test(value)) return true;
  if ((kinds & charKinds.digit) !== 0 && dateOrVersion.test(value)) return true;
  if ((kinds & atSign) !== 0 && address.test(value)) return true;
  if ((kinds & bracket) !== 0 && openIndex.test(value)) return true;
  return (mayBeDotted(kinds) && isDotted(value)) || isName(value, kinds);
}

const structured = /^(?:[\w.$]+\(|https?:|\/\/|[\w-]+(?:\.[\w-]+)+\/|[A-Za-z]:\\)/;
const called = /\)\.|=>|\(\)/;
const path = /^(?:[A-Za-z_-]+\/)+[A-Za-z_.-]+$/;
const dateOrVersion = /^\d{1,4}[-/.:]\d{1,2}[-/.:]\d{1,4}|^v?\d+(?:\.\d+)+$/;
const address = /^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$/;
/** `os.environ[`, cut off before the quote. */
const openIndex = /^[A-Za-z_$][\w$]*(?:\.[\w$]+)*\[$/;

/** `this.options.length`, `!result?.pass`. */
function isDotted(value: string): boolean {
  return /^!*[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$*][\w$*]*)+$/.test(value) && !/\d{2}/.test(value);
}

/** `camelCase`, `snake_case`, `CONSTANT_CASE`. */
function isName(value: string, kinds: number): boolean {
  const { upper, bar } = charKinds;
  if ((kinds & (symbolKinds | charKinds.wide | charKinds.blank)) !== 0 || (kinds & (upper | bar)) === 0) return false;
  const named = /^(?:[a-z]+(?:[A-Z][a-z0-9]+)+|[A-Za-z]+(?:[_-][A-Za-z]+)+|[A-Z][A-Z0-9_]+)$/.test(value);
  return named && !/\d.*[a-z]/.test(value);
}
