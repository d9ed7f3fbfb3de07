import { isAscii, isUtf8 } from 'node:buffer';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';

/**
 * A JSON value with its place in the source: `source.slice(start, end)` is the value as it was written. Offsets are
 * UTF-16 indexes. Nothing is normalised: duplicate members are all there, numbers stay text, strings are decoded on demand.
 */
export type JsonNode = JsonObjectNode | JsonArrayNode | JsonStringNode | JsonNumberNode | JsonLiteralNode;

export interface JsonObjectNode {
  readonly type: 'object';
  readonly start: number;
  readonly end: number;
  /** Every member in the order of the source, duplicates included. */
  readonly members: readonly JsonMember[];
}

export interface JsonMember {
  readonly key: JsonStringNode;
  /** The decoded key. */
  readonly name: string;
  readonly value: JsonNode;
}

export interface JsonArrayNode {
  readonly type: 'array';
  readonly start: number;
  readonly end: number;
  readonly items: readonly JsonNode[];
}

export interface JsonStringNode {
  readonly type: 'string';
  /** Of the opening quote. */
  readonly start: number;
  /** Past the closing quote. */
  readonly end: number;
  readonly escaped: boolean;
}

export interface JsonNumberNode {
  readonly type: 'number';
  readonly start: number;
  readonly end: number;
}

export interface JsonLiteralNode {
  readonly type: 'true' | 'false' | 'null';
  readonly start: number;
  readonly end: number;
}

/** What one body may cost. JSON inside its strings is read out of the same budget. */
export interface JsonBudget {
  readonly depthMax: number;
  /** Counted down by the reader. */
  valuesLeft: number;
}

export function createJsonBudget(): JsonBudget {
  return { depthMax: limits.jsonDepthMax, valuesLeft: limits.jsonValuesMax };
}

/**
 * Decodes a body strictly: `invalid_utf8` for any ill-formed sequence, `body_too_large` past `limits.bodyBytesMax`. A byte
 * order mark stays in the string (the bytes must come back as they were) and `parseJson` steps over it.
 */
export function decodeUtf8(body: Buffer): Result<string, BodyError> {
  if (body.length > limits.bodyBytesMax) {
    return err({ kind: 'body_too_large', message: `the body is larger than ${limits.bodyBytesMax} bytes` });
  }
  if (isAscii(body)) return ok(body.toString('latin1'));
  if (!isUtf8(body)) return err({ kind: 'invalid_utf8', message: 'the body is not valid UTF-8' });
  return ok(body.toString('utf8'));
}

/**
 * Reads one RFC 8259 text, strictly, in linear time; a leading byte order mark is allowed. Errors: `invalid_json` with the
 * character offset, `too_deep`, `too_many_values` (members, elements and the root all count). A `\uD800`-style escape without
 * its partner is valid JSON (RFC 8259 section 8.2): it is kept as a lone surrogate and written back as the same escape.
 */
export function parseJson(source: string, budget: JsonBudget = createJsonBudget()): Result<JsonNode, BodyError> {
  const cursor: Cursor = {
    source,
    at: source.charCodeAt(0) === BOM ? 1 : 0,
    budget,
    special: /["\\\u0000-\u001f]/g,
    failure: null,
  };
  skipSpace(cursor);
  const root = readValue(cursor, 0);
  if (root !== null) {
    skipSpace(cursor);
    if (cursor.at < source.length) fail(cursor, 'unexpected text after the value');
  }
  if (cursor.failure !== null) return err(cursor.failure);
  return root === null ? err({ kind: 'invalid_json', message: 'no value' }) : ok(root);
}

/** The decoded value of a string node of this source. */
export function stringOf(source: string, node: JsonStringNode): string {
  return node.escaped
    ? unescapeLiteral(source.slice(node.start, node.end))
    : source.slice(node.start + 1, node.end - 1);
}

/** The member that counts when a name stands twice: the last one, as in every common parser. */
export function memberOf(node: JsonNode | undefined, name: string): JsonNode | undefined {
  if (node?.type !== 'object') return undefined;
  for (let i = node.members.length - 1; i >= 0; i--) {
    const member = node.members[i];
    if (member?.name === name) return member.value;
  }
  return undefined;
}

/** The string that a member holds, or null when it is absent or something else. */
export function stringMember(source: string, node: JsonNode | undefined, name: string): string | null {
  const value = memberOf(node, name);
  return value?.type === 'string' ? stringOf(source, value) : null;
}

/** The number that a member holds, or null when it is absent or something else. */
export function numberMember(source: string, node: JsonNode | undefined, name: string): number | null {
  const value = memberOf(node, name);
  return value?.type === 'number' ? Number(source.slice(value.start, value.end)) : null;
}

/** The number in the member `index`, by which streams name their parts; null when there is none. */
export function indexMember(source: string, node: JsonNode | undefined): number | null {
  return numberMember(source, node, 'index');
}

const BOM = 0xfeff;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The reader's state; depth is bounded, so that recursion cannot exhaust the stack. */
interface Cursor {
  readonly source: string;
  at: number;
  readonly budget: JsonBudget;
  /** Finds what ends a plain run inside a string; one instance a parse, because it keeps `lastIndex`. */
  readonly special: RegExp;
  failure: BodyError | null;
}

function fail(cursor: Cursor, what: string): null {
  cursor.failure ??= { kind: 'invalid_json', message: `${what} at character ${cursor.at}` };
  return null;
}

function unexpected(cursor: Cursor): null {
  return fail(cursor, cursor.at >= cursor.source.length ? 'unexpected end' : 'unexpected character');
}

function skipSpace(cursor: Cursor): void {
  const { source } = cursor;
  let at = cursor.at;
  for (;;) {
    const code = source.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    at++;
  }
  cursor.at = at;
}

function readValue(cursor: Cursor, depth: number): JsonNode | null {
  if (--cursor.budget.valuesLeft < 0) {
    cursor.failure ??= { kind: 'too_many_values', message: `too many values at character ${cursor.at}` };
    return null;
  }
  const code = cursor.source.charCodeAt(cursor.at);
  if (code === QUOTE) return readString(cursor);
  if (code === 0x7b || code === 0x5b) {
    if (depth >= cursor.budget.depthMax) {
      cursor.failure ??= { kind: 'too_deep', message: `nested too deeply at character ${cursor.at}` };
      return null;
    }
    return code === 0x7b ? readObject(cursor, depth + 1) : readArray(cursor, depth + 1);
  }
  if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return readNumber(cursor);
  if (code === 0x74) return readLiteral(cursor, 'true');
  if (code === 0x66) return readLiteral(cursor, 'false');
  if (code === 0x6e) return readLiteral(cursor, 'null');
  return unexpected(cursor);
}

function readObject(cursor: Cursor, depth: number): JsonNode | null {
  const { source } = cursor;
  const start = cursor.at++;
  const members: JsonMember[] = [];
  skipSpace(cursor);
  if (source.charCodeAt(cursor.at) === 0x7d) return { type: 'object', start, end: ++cursor.at, members };
  for (;;) {
    if (source.charCodeAt(cursor.at) !== QUOTE) return unexpected(cursor);
    const key = readString(cursor);
    if (key === null) return null;
    skipSpace(cursor);
    if (source.charCodeAt(cursor.at) !== 0x3a) return unexpected(cursor);
    cursor.at++;
    skipSpace(cursor);
    const value = readValue(cursor, depth);
    if (value === null) return null;
    members.push({ key, name: stringOf(source, key), value });
    skipSpace(cursor);
    const code = source.charCodeAt(cursor.at);
    if (code === 0x7d) return { type: 'object', start, end: ++cursor.at, members };
    if (code !== 0x2c) return unexpected(cursor);
    cursor.at++;
    skipSpace(cursor);
  }
}

function readArray(cursor: Cursor, depth: number): JsonNode | null {
  const { source } = cursor;
  const start = cursor.at++;
  const items: JsonNode[] = [];
  skipSpace(cursor);
  if (source.charCodeAt(cursor.at) === 0x5d) return { type: 'array', start, end: ++cursor.at, items };
  for (;;) {
    const item = readValue(cursor, depth);
    if (item === null) return null;
    items.push(item);
    skipSpace(cursor);
    const code = source.charCodeAt(cursor.at);
    if (code === 0x5d) return { type: 'array', start, end: ++cursor.at, items };
    if (code !== 0x2c) return unexpected(cursor);
    cursor.at++;
    skipSpace(cursor);
  }
}

/** Steps by character for a short way (keys, names), then lets the regex engine look for what ends the run. */
const stepsBeforeSearch = 64;

function readString(cursor: Cursor): JsonStringNode | null {
  const { source, special } = cursor;
  const start = cursor.at;
  let at = start + 1;
  let escaped = false;
  let steps = 0;
  for (;;) {
    const code = source.charCodeAt(at);
    if (code === QUOTE) {
      cursor.at = at + 1;
      return { type: 'string', start, end: cursor.at, escaped };
    }
    if (code === BACKSLASH) {
      const length = escapeLength(source, at);
      if (length === 0) {
        cursor.at = at;
        return fail(cursor, 'bad escape');
      }
      escaped = true;
      at += length;
      steps = 0;
    } else if (code >= 0x20) {
      at++;
      if (++steps > stepsBeforeSearch) {
        special.lastIndex = at;
        at = special.test(source) ? special.lastIndex - 1 : source.length;
        steps = 0;
      }
    } else {
      // A control character, or NaN past the end.
      cursor.at = at;
      return unexpected(cursor);
    }
  }
}

/** Characters of the escape at `at`; 0 when it is none of RFC 8259 section 7. */
function escapeLength(source: string, at: number): 0 | 2 | 6 {
  switch (source.charCodeAt(at + 1)) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return 2;
    case 0x75:
      for (let i = at + 2; i < at + 6; i++) if (!isHexDigit(source.charCodeAt(i))) return 0;
      return 6;
    default:
      return 0;
  }
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}

function readNumber(cursor: Cursor): JsonNode | null {
  const { source } = cursor;
  const start = cursor.at;
  let at = start;
  if (source.charCodeAt(at) === 0x2d) at++;
  const integer = skipDigits(source, at);
  let isValid = integer > at && (integer === at + 1 || source.charCodeAt(at) !== 0x30);
  at = integer;
  if (source.charCodeAt(at) === 0x2e) {
    const fraction = skipDigits(source, at + 1);
    isValid &&= fraction > at + 1;
    at = fraction;
  }
  const exponent = source.charCodeAt(at);
  if (exponent === 0x65 || exponent === 0x45) {
    const sign = source.charCodeAt(at + 1);
    const digits = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
    at = skipDigits(source, digits);
    isValid &&= at > digits;
  }
  if (!isValid) return fail(cursor, 'bad number');
  cursor.at = at;
  return { type: 'number', start, end: at };
}

function skipDigits(source: string, from: number): number {
  let at = from;
  for (;;) {
    const code = source.charCodeAt(at);
    if (!(code >= 0x30 && code <= 0x39)) return at;
    at++;
  }
}

function readLiteral(cursor: Cursor, word: 'true' | 'false' | 'null'): JsonNode | null {
  const start = cursor.at;
  if (!cursor.source.startsWith(word, start)) return fail(cursor, 'unexpected character');
  cursor.at = start + word.length;
  return { type: word, start, end: cursor.at };
}

/** The literal was checked by the reader, so that this cannot throw and always yields a string. */
function unescapeLiteral(literal: string): string {
  const value: unknown = JSON.parse(literal);
  return String(value);
}
