/** Any JSON value, as data. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [key: string]: JsonValue };

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The value that a text is the JSON of; undefined when it is none. Of why it is none nothing is said: the engine's own message quotes the
 * text, which may be a prompt or a key.
 */
export function jsonValueOf(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

/** The same for an object; null when the text is anything else. */
export function jsonObjectOf(text: string): JsonObject | null {
  const value = jsonValueOf(text);
  return isJsonObject(value) ? value : null;
}

/**
 * RFC 8785 (JCS) serialisation. Throws a TypeError on what JCS cannot hold: a non-finite number, a string that is not
 * well-formed UTF-16. Integers beyond 2^53 must be passed as strings by the caller: JCS would round them silently.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON holds finite numbers only');
    return JSON.stringify(value);
  }
  if (typeof value === 'boolean' || value === null) return String(value);
  if (isArray(value)) {
    let items = '';
    for (const item of value) items += items === '' ? canonicalJson(item) : `,${canonicalJson(item)}`;
    return `[${items}]`;
  }
  let members = '';
  for (const key of sortedKeys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    const written = `${canonicalString(key)}:${canonicalJson(member)}`;
    members += members === '' ? written : `,${written}`;
  }
  return `{${members}}`;
}

function canonicalString(text: string): string {
  // Most strings are short and plain; the engine's own quoting costs a call across its border each.
  if (text.length < 128 && plainText.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('canonical JSON holds well-formed strings only');
  return JSON.stringify(text);
}

/** Printable ASCII without quote and backslash: stands in JSON as it is. */
const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** By UTF-16 code units, as RFC 8785 section 3.2.3 asks. Insertion sort: objects are small, and often sorted. */
function sortedKeys(value: JsonObject): string[] {
  const keys = Object.keys(value);
  if (keys.length > 32) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] ?? '';
    let at = i;
    for (let before = keys[at - 1]; before !== undefined && before > key; before = keys[at - 1]) {
      keys[at] = before;
      at -= 1;
    }
    keys[at] = key;
  }
  return keys;
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
