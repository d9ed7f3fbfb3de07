import type { JsonObject, JsonValue } from './json.ts';

/**
 * Writes RFC 8785 (JCS) straight into a buffer: the bytes of `canonicalJson`, without a string in between. It
 * remembers in which order the members of objects come whose keys it has seen lately, so one writer should see similar values.
 */
export interface CanonicalWriter {
  /**
   * Returns the offset behind what was written. Beyond the buffer's end: there was no room, and what stands from `at` on means nothing.
   * Throws a TypeError on what JCS cannot hold, as `canonicalJson` does.
   */
  write(buffer: Buffer, at: number, value: JsonValue): number;
}

/** Keys of an object as they came, and as they are written. */
interface MemberOrder {
  readonly given: readonly string[];
  readonly sorted: readonly string[];
  /** `"key":`, in the order of `sorted`. */
  readonly quoted: readonly string[];
  readonly isAscii: boolean;
}

const rememberedOrders = 256;
/** Objects with more members are rare, and their order is made anew each time. */
const rememberedKeys = 64;
/** Longer texts are left to the engine, which reads many characters at once. */
const shortChars = 256;

export function createCanonicalWriter(): CanonicalWriter {
  const remembered = new Array<MemberOrder | undefined>(rememberedOrders);

  function write(buffer: Buffer, at: number, value: JsonValue): number {
    if (typeof value === 'string') return writeString(buffer, at, value);
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) throw new TypeError('canonical JSON holds finite numbers only');
      return writeAscii(buffer, at, JSON.stringify(value));
    }
    if (typeof value === 'boolean' || value === null) return writeAscii(buffer, at, String(value));
    return isArray(value) ? writeArray(buffer, at, value) : writeObject(buffer, at, value);
  }

  function writeArray(buffer: Buffer, start: number, items: readonly JsonValue[]): number {
    let at = start;
    buffer[at++] = openBracket;
    for (let i = 0; i < items.length; i++) {
      if (i > 0) buffer[at++] = comma;
      at = write(buffer, at, items[i] ?? null);
    }
    buffer[at] = closeBracket;
    return at + 1;
  }

  function writeObject(buffer: Buffer, start: number, object: JsonObject): number {
    const { sorted, quoted, isAscii } = orderOf(Object.keys(object));
    let at = start;
    buffer[at++] = openBrace;
    for (let i = 0; i < sorted.length; i++) {
      const member = object[sorted[i] ?? ''];
      if (member === undefined) continue;
      if (at > start + 1) buffer[at++] = comma;
      const key = quoted[i] ?? '';
      at = isAscii ? writeAscii(buffer, at, key) : writeText(buffer, at, key);
      at = typeof member === 'string' ? writeString(buffer, at, member) : write(buffer, at, member);
    }
    buffer[at] = closeBrace;
    return at + 1;
  }

  function orderOf(keys: readonly string[]): MemberOrder {
    const slot = slotOf(keys);
    const known = remembered[slot];
    if (known !== undefined && isSame(known.given, keys)) return known;
    // By UTF-16 code units, as RFC 8785 section 3.2.3 asks.
    const sorted = [...keys].sort();
    const quoted = sorted.map((key) => `${wellFormed(key)}:`);
    const order = { given: keys, sorted, quoted, isAscii: quoted.every((key) => ascii.test(key)) };
    if (keys.length <= rememberedKeys) remembered[slot] = order;
    return order;
  }

  function writeString(buffer: Buffer, start: number, text: string): number {
    if (text.length > shortChars) return writeQuoted(buffer, start, text);
    let at = start;
    buffer[at++] = quote;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === quote || code === backslash) return writeQuoted(buffer, start, text);
      buffer[at++] = code;
    }
    buffer[at] = quote;
    return at + 1;
  }

  return { write };
}

function writeQuoted(buffer: Buffer, at: number, text: string): number {
  return writeText(buffer, at, wellFormed(text));
}

/** As JSON; throws when the text is not well-formed UTF-16. */
function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('canonical JSON holds well-formed strings only');
  return JSON.stringify(text);
}

function writeText(buffer: Buffer, at: number, text: string): number {
  // A UTF-16 unit takes at most three bytes of UTF-8; a part of a text must not pass for the whole.
  const bytesMax = text.length * 3;
  return at + (at + bytesMax > buffer.length ? bytesMax : buffer.write(text, at, 'utf8'));
}

/** A loop: texts are short, and a call out of the engine costs as much as thirty characters. Beyond the end nothing is written. */
function writeAscii(buffer: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) buffer[at + i] = text.charCodeAt(i);
  return at + text.length;
}

function slotOf(keys: readonly string[]): number {
  const first = keys[0] ?? '';
  const last = keys[keys.length - 1] ?? '';
  const mixed = keys.length * 31 + first.length * 7 + last.length * 3 + charOf(first) + charOf(last) * 5;
  return mixed % rememberedOrders;
}

function charOf(key: string): number {
  return key.length === 0 ? 0 : key.charCodeAt(0);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

const ascii = /^[\x20-\x7e]*$/;
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
