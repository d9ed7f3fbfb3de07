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
 * well-formed UTF-16. Integers beyond 2^53 must be passed as strings by the caller: JCS would round them silently. Objects whose members
 * come in order are written by the engine, several times as fast.
 */
export function canonicalJson(value: JsonValue): string {
  if (!isInOrder(value)) return sortedJson(value);
  const text = JSON.stringify(value);
  // The beginning of half a surrogate pair, which the engine writes as an escape; or of a backslash and two letters.
  return text.includes('\\ud') ? sortedJson(value) : text;
}

/** Whether the engine writes the members of all objects as they are to be sorted. */
function isInOrder(value: JsonValue): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (isArray(value)) {
    for (const item of value) if (!isInOrder(item)) return false;
    return true;
  }
  let before: string | undefined;
  for (const key in value) {
    if (before !== undefined && key < before) return false;
    before = key;
    if (!isInOrder(value[key] ?? null)) return false;
  }
  return true;
}

function sortedJson(value: JsonValue): string {
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON holds finite numbers only');
    return JSON.stringify(value);
  }
  if (typeof value === 'boolean' || value === null) return String(value);
  if (isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) members.push(`${canonicalString(key)}:${sortedJson(member)}`);
  }
  return `{${members.join(',')}}`;
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('canonical JSON holds well-formed strings only');
  return JSON.stringify(text);
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
