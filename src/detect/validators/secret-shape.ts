import { entropy } from './entropy.ts';
import { isPlaceholder } from './placeholder.ts';

/**
 * Whether a value looks drawn at random rather than written by a person: what tells a token from a name, a path or a word
 * where only a keyword says that a secret follows.
 */
export function looksRandom(value: string): boolean {
  if (value.length < 10 || isPlaceholder(value) || isReference(value) || /abcdefghijklmnop/i.test(value)) return false;
  if (isMadeOfWords(value) && !uuid.test(value)) return false;
  return entropy(value) >= (value.length < 16 ? 2.6 : 2.9);
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Names, versions, dates, model ids: pieces that are each all letters or all digits. */
function isMadeOfWords(value: string): boolean {
  return !value
    .replace(termOfArt, '')
    .split(/[-_./=+~]+/)
    .some(isMixed);
}

/** Words with digits in them. */
const termOfArt =
  /base(?:16|32|58|62|64)(?:url)?|sha-?\d{1,3}(?:withrsa|rsa)?|md5|utf-?\d+|aes-?\d+(?:gcm|cbc|kw)?|a\d{3}(?:gcm)?kw|rsa\d+|x509v?\d?|oauth\d?|ed25519|secp256[kr]1|curve25519|pkcs\d+|ipv[46]|http\d|h264|mp[34]|utf8mb4|int\d+|float\d+|es20\d\d/gi;

/** Letters and digits, or the two cases, in an order that no word and no camelCase name has. */
function isMixed(piece: string): boolean {
  if (piece.length < 6) return false;
  if (/^\d+$/.test(piece)) return piece.length >= 14;
  const letters = piece.replace(/[^A-Za-z]+/g, '');
  const digits = piece.length - letters.length;
  if (digits >= 2 && letters.length >= 2) return changes(piece) >= 2 || piece.length >= 16;
  if (digits > 0) return changes(piece) >= 3 || piece.length >= 20;
  // Letters only: more humps than a camelCase name of that length would have.
  const humps = piece.match(/[a-z][A-Z]|[A-Z]{2}[a-z]/g)?.length ?? 0;
  return piece.length >= 12 && humps * 3 >= piece.length;
}

/** How often the kind of character changes between letter and digit. */
function changes(piece: string): number {
  return piece.match(/[A-Za-z](?=\d)|\d(?=[A-Za-z])/g)?.length ?? 0;
}

/** Code that gets the value from somewhere: `process.env.TOKEN`, `config.auth.token`, `/run/secrets/token`. */
function isReference(value: string): boolean {
  if (/^(?:\.{0,2}|~)\/[\w.-]+(?:\/[\w.-]+)+$/.test(value)) return !/\/[A-Za-z0-9]{24,}/.test(value);
  return (
    /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(value) &&
    /^(?:process|os|env|self|this|config|settings|var|local|data|module|req|request|ctx|options|opts|props|state|params|args|user|account|credentials?|secrets?|vault)\b/i.test(
      value,
    )
  );
}

/** A quoted value that no name, path or template looks like: letters among signs of several kinds. */
export function looksScrambled(value: string): boolean {
  if (value.length < 10 || isPlaceholder(value) || isStructured(value)) return false;
  const signs = new Set(value.replace(/[\w\s./:=+~-]/g, ''));
  if (/^[,;:)\]}=.+|&[({]/.test(value) && !/^\{\{/.test(value)) return false;
  return signs.size >= 3 && /[A-Za-z]/.test(value) && entropy(value) >= 3;
}

/** How sure a password rule must be, by what stands between the keyword and the value. */
export type Evidence = 'assigned' | 'quoted' | 'said';

/**
 * Whether a value may be a password. `said` (`password hunter2`): only what no ordinary word looks like. `assigned`
 * (`password=…`) and `quoted`: anything but placeholders, references and the words that people write there instead.
 */
export function looksLikePassword(value: string, evidence: Evidence): boolean {
  if (value.length < 6 || (evidence === 'said' && /^[A-Za-z]+$/.test(value))) return false;
  if (isPlaceholder(value) || isReference(value) || ordinary.test(value)) return false;
  if (/^[([{<,;:)\]}=+|&]/.test(value)) return false;
  const letters = /[A-Za-z\u0080-\uffff]/.test(value);
  const digits = /\d/.test(value);
  const symbols = /[^\w\s\u0080-\uffff-]/.test(value.replace(/[.,;:!?'"`)\]}>]+$/, ''));
  if (isStructured(value) && !(evidence === 'quoted' && /^[A-Za-z]+\d{2,}$/.test(value))) return false;
  if (evidence === 'said') {
    if (!letters || !(digits || symbols)) return false;
    // A word with a number behind it is a name more often than a password.
    return symbols
      ? digits || /[a-z][^\w\s]+[A-Z]/.test(value)
      : entropy(value) >= 2.5 && !/^[A-Za-z]+[-_]?\d{1,2}$/.test(value);
  }
  if (letters && (digits || symbols)) return entropy(value) >= 2;
  if (evidence === 'quoted') return letters ? !/[\s_]/.test(value) && value.length >= 8 : value.length >= 6;
  return !letters && digits && value.length >= 6;
}

/** Words that stand where a password would. */
const ordinary =
  /^(?:password|passwd|passphrase|secret|string|object|number|boolean|undefined|unknown|required|optional|incorrect|invalid|correct|protected|encrypted|hashed|hidden|missing|forgotten|expired|default|example|sample|private|public|username|change|reset|strength|manager|field|input|value|token|credentials?|authentication|authorization|function|return|true|false|none|null|empty)[.,;:!?'")\]}]*$/i;

/** Calls, URLs, paths, markup, dates, versions and other things with a structure of their own. */
function isStructured(value: string): boolean {
  if (/^!*[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$*][\w$*]*)+$/.test(value) && !/\d{2}/.test(value)) return true;
  if (/^[\w.$]+\(|\)\.|=>|\(\)|^https?:|^\/\/|^[\w-]+(?:\.[\w-]+)+\/|^[A-Za-z]:\\/.test(value)) return true;
  if (/^(?:[\w-]+\/)+[\w.-]+$/.test(value) && !/\d/.test(value)) return true;
  if (/^\d{1,4}[-/.:]\d{1,2}[-/.:]\d{1,4}/.test(value) || /^v?\d+(?:\.\d+)+$/.test(value)) return true;
  if (/^[a-z]+(?:[A-Z][a-z0-9]+)+$|^[A-Za-z]+(?:[_-][A-Za-z]+)+$|^[A-Z][A-Z0-9_]+$/.test(value))
    return !/\d.*[a-z]/.test(value);
  return /^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$/.test(value);
}
